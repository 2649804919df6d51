"""Answers about strategies and indicators for every door. The compiled parts are imported where they are used: a door
starts without them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tinydb import where

from database import Store
from modules.candles import CandleStore
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import iso_from_ms, ms_from_utc
from modules.domain.people import Principal
from modules.views import Page

if TYPE_CHECKING:
    from modules.strategies.language import Strategy
    from modules.strategy_book.book import KeptIndicator, KeptStrategy, StrategyBook, Who

MOST_PAGE: Final = 500
Row = dict[str, Any]


class StrategyViews:
    """The facade over the book in `store` and the candles in `folder`."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._candles = CandleStore(folder)
        self._store = store

    @property
    def book(self) -> StrategyBook:
        """The book itself."""
        from modules.strategy_book.book import StrategyBook

        return StrategyBook(self._store)

    @staticmethod
    def who(principal: Principal, now: datetime, origin: str = "") -> Who:
        """Who asks for a change, in the book's words."""
        from modules.strategy_book.book import Who

        return Who(principal, now, origin)

    # ---- strategies ---------------------------------------------------------------------------------------------------

    def strategies(self, user_id: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """A user's strategies, newest first."""
        found, following = self.book.strategies(user_id, limit=min(limit, MOST_PAGE), cursor=cursor)
        return Page([self.row(each) for each in found], following)

    def strategy(self, user_id: str, strategy_id: str) -> Row:
        """One strategy with its long form. Raises NotFound."""
        kept = self.book.get(user_id, strategy_id)
        return {**self.row(kept), "long_form": kept.whole}

    def versions(self, user_id: str, strategy_id: str) -> list[Row]:
        """The versions of a strategy, newest first."""
        return [
            {
                "version": each.version,
                "number": each.number,
                "made_at": iso_from_ms(ms_from_utc(each.made_at)),
                "document": each.document,
            }
            for each in self.book.versions(user_id, strategy_id)
        ]

    def row(self, kept: KeptStrategy) -> Row:
        """A strategy as lists show it. `runs` say what it did of late with each symbol while it was on."""
        whole = kept.whole
        return {
            "id": kept.id,
            "name": kept.name,
            "enabled": kept.enabled,
            "symbols": whole["symbols"],
            "timeframe": whole["timeframe"],
            "action": whole["action"],
            "version": kept.version,
            "number": kept.number,
            "account_id": kept.account_id,
            "created_at": iso_from_ms(ms_from_utc(kept.created_at)),
            "updated_at": iso_from_ms(ms_from_utc(kept.updated_at)),
            "enabled_at": None if kept.enabled_at is None else iso_from_ms(ms_from_utc(kept.enabled_at)),
            "document": kept.document,
            "runs": self._runs(kept.id),
        }

    def _runs(self, strategy_id: str) -> list[Row]:
        found = self._store["strategy_runs"].search(where("strategy_id") == strategy_id)
        return [
            {
                "symbol": each["symbol"],
                "decided_until": None if each.get("decided_ms") is None else iso_from_ms(each["decided_ms"]),
                "state": each["state"],
                "note": each["note"],
            }
            for each in sorted(found, key=lambda one: str(one["symbol"]))
        ]

    # ---- what a strategy says now -------------------------------------------------------------------------------------

    def evaluate(self, user_id: str, strategy_id: str, at_ms: int, symbol: str | None = None) -> Row:
        """What a strategy says at the last closed bar of each of its symbols, or of the one named.

        Raises NotFound for no such strategy, or no candles of the symbol named; InvalidInput where it has no symbols.
        """
        kept = self.book.get(user_id, strategy_id)
        strategy = kept.strategy()
        symbols = [symbol] if symbol is not None else list(strategy.symbols)
        if not symbols:
            raise InvalidInput("Name a symbol: the strategy has none.", fields={"symbol": "required"})
        rows = [self._evaluated(strategy, each, at_ms, strict=symbol is not None) for each in symbols]
        signals = [{"symbol": each["symbol"], "signal": each["signal"]} for each in rows if each.get("conditions_met")]
        return {"strategy_id": kept.id, "version": kept.version, "evaluations": rows, "signals": signals}

    def _evaluated(self, strategy: Strategy, symbol: str, at_ms: int, *, strict: bool) -> Row:
        from modules.strategies.evaluate import evaluate
        from modules.strategy_book.markets import market_of

        try:
            market = market_of(self._candles, strategy, symbol, at_ms)
        except NotFound as missing:
            if strict:
                raise
            return {"symbol": symbol, "problem": missing.message}
        said = evaluate(strategy, market.candles, market.higher)
        return {**said.as_json(), "symbol": symbol, "exchange": market.exchange, "at": iso_from_ms(said.at)}

    def picture(self, user_id: str, strategy_id: str, at_ms: int, symbol: str | None = None) -> bytes:
        """What a strategy would have traded on the newest candles of a symbol (the first of its own without one), as PNG.

        Raises NotFound for no such strategy or no candles, InvalidInput where no symbol is known.
        """
        from modules.strategy_book.markets import market_of
        from modules.strategy_book.pictures import trades_picture

        strategy = self.book.get(user_id, strategy_id).strategy()
        chosen = symbol or next(iter(strategy.symbols), None)
        if chosen is None:
            raise InvalidInput("Name a symbol: the strategy has none.", fields={"symbol": "required"})
        market = market_of(self._candles, strategy, chosen, at_ms)
        return trades_picture(strategy, market.candles, market.higher)

    # ---- indicators, built-ins, the language --------------------------------------------------------------------------

    def indicators(self, user_id: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """A user's indicators, newest first."""
        found, following = self.book.indicators(user_id, limit=min(limit, MOST_PAGE), cursor=cursor)
        return Page([self.indicator_row(each) for each in found], following)

    @staticmethod
    def indicator_row(kept: KeptIndicator) -> Row:
        """An indicator as it was written, with its formula as a tree."""
        from modules.strategy_book.book import formula_of

        return {
            "id": kept.id,
            "name": kept.name,
            "document": kept.document,
            "formula": formula_of(kept),
            "created_at": iso_from_ms(ms_from_utc(kept.created_at)),
        }

    @staticmethod
    def builtins() -> list[Row]:
        """The built-in strategies with their parameters."""
        from modules.strategies.builtin import builtin_names, describe

        return [describe(name).as_json() for name in builtin_names()]

    @staticmethod
    def language() -> Row:
        """Every type of series with its settings, the operators, and the limits: what an editor needs."""
        from modules.strategies.reference import language

        return language()

    def checked(self, user_id: str, document: Mapping[str, Any]) -> Row:
        """The long form of a document without keeping it. Raises InvalidInput with every mistake."""
        from modules.strategies.documents import long_form, version_of

        _, strategy = self.book.read(user_id, document)
        return {"long_form": long_form(strategy), "version": version_of(strategy)}
