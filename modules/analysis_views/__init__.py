"""Read-only answers of market analysis for every door, over the candle store, as of a moment. Decides nothing."""

from modules.analysis_views.answers import AnalysisViews
from modules.analysis_views.files import candles_of_file
from modules.analysis_views.history import History, read_history, stored_symbols
from modules.analysis_views.weights import Weights, normalised, read_weights, store_weights

__all__ = [
    "AnalysisViews",
    "History",
    "Weights",
    "candles_of_file",
    "normalised",
    "read_history",
    "read_weights",
    "store_weights",
    "stored_symbols",
]
