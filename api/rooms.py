"""What the routes reach of the house, and the one helper that makes an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Response, jsonify
from tinydb import where

from api.watched_symbols import WatchedSymbols
from database import Store
from modules.analysis_views import AnalysisViews
from modules.connections.feeds.hub_client import QuoteClient
from modules.domain.ports import Clock
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a route may use."""

    store: Store
    views: Views
    intake: Intake
    clock: Clock
    prices: QuoteClient
    settings: Settings
    analysis: AnalysisViews
    watched: WatchedSymbols = field(default_factory=WatchedSymbols)

    @property
    def kill_file(self) -> Path:
        return self.settings.kill_file

    def prices_of_open_positions(self) -> dict[str, Decimal]:
        """The newest price of every symbol that this process follows."""
        symbols = {row["symbol"] for row in self.store["positions"].search(where("status") == "open")}
        return {symbol: quote.last for symbol in symbols if (quote := self.prices.latest(symbol)) is not None}


def answer(fields: dict[str, Any], status: int = 200) -> tuple[Response, int]:
    """A yes: `success` with the fields beside it."""
    return jsonify({"success": True, **fields}), status
