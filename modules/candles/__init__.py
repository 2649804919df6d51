"""Candle histories on disk: reading files, keeping them as columns, checking and joining them.

Decides how candles are stored and what is wrong with a history. It never fetches one and never computes an indicator.
"""

from modules.candles.files import FileName, load_file, parse_file_name, save_file
from modules.candles.names import BadCandles, SeriesName, timeframe_ms, timeframe_name
from modules.candles.resample import Resampled, resample
from modules.candles.store import CandleStore, SeriesSummary, Upsert
from modules.candles.verify import Finding, Problem, verify_columns

__all__ = [
    "BadCandles",
    "CandleStore",
    "FileName",
    "Finding",
    "Problem",
    "Resampled",
    "SeriesName",
    "SeriesSummary",
    "Upsert",
    "load_file",
    "parse_file_name",
    "resample",
    "save_file",
    "timeframe_ms",
    "timeframe_name",
    "verify_columns",
]
