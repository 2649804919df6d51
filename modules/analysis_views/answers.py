"""The facade: each answer names the symbol, timeframe, exchange and the moment its newest candle closed.

The compiled parts of analysis are imported where they are used: a door starts without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from tinydb import where

from database import Store
from modules.analysis_views.history import History, read_history
from modules.analysis_views.scores import context_of, detection_rows, score_candles
from modules.analysis_views.structure import structure_answer
from modules.analysis_views.weights import Weights, normalised, read_weights, store_weights
from modules.candles import CandleStore
from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_ms
from modules.domain.positions import Position
from modules.notices.analysis_charts import analysis_chart, chart_json, evidence_shapes, structure_shapes
from modules.opinions import OpinionBook
from modules.records import from_document

if TYPE_CHECKING:
    from modules.analysis.detectors import Context
    from modules.analysis.scanner import Ranking
    from modules.analysis.win_probability import ClosedTrade
    from modules.analysis_views.scans import ScanWish

MOST_SCANNED = 100
"""Symbols a scan within a process that serves people may have; it takes about 6 ms for each timeframe of each."""

DRAWN = ("order_block", "fvg", "liquidity_pool", "dealing_range")
"""Standing structure that a chart shows."""

MARKED = ("swing_high", "swing_low", "bos", "choch", "liquidity_sweep")
"""What happened, shown where it did."""


class AnalysisViews:
    """Answers over the candles in `folder` and the opinions and weights in `store`. `at_ms` is always the moment asked for."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._candles = CandleStore(folder)
        self._store = store
        self._opinions = OpinionBook(store)
        self._one_scan = Lock()

    # ---- scores ----------------------------------------------------------------------------------------------------

    def score(
        self, symbol: str, timeframe: str, at_ms: int, weights: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        """The dynamic score with its parts and the nine detections. `weights` count instead of the deployment's.

        Raises InvalidInput for wrong weights, BadCandles and NotFound as `read_history` does, as all answers do.
        """
        values = self.weights().values if weights is None else normalised(weights)
        history, known = self.history(symbol, timeframe, at_ms), self._opinions.as_of(at_ms, symbol=symbol.upper())
        scored = score_candles(history.candles, known, values)
        return {
            **heading(history, at_ms),
            **scored.score_row(),
            "detections": detection_rows(scored),
            "weights": dict(values),
            "opinions": {kind: each.as_json() for kind, each in known.freshness.items()},
        }

    def score_picture(self, symbol: str, timeframe: str, at_ms: int) -> bytes:
        """The evidence of every detector that has an opinion, on the candles (PNG)."""
        history, known = self.history(symbol, timeframe, at_ms), self._opinions.as_of(at_ms, symbol=symbol.upper())
        scored = score_candles(history.candles, known, self.weights().values)
        shapes = [
            shape
            for each in scored.detections
            if each.confidence > 0
            for shape in evidence_shapes(each.evidence, each.direction)
        ]
        title = (
            f"{symbol.upper()} {history.timeframe}: {scored.score.advice.replace('_', ' ')} {scored.score.score:.2f}"
        )
        return analysis_chart(history.candles, shapes, title)

    # ---- many symbols ----------------------------------------------------------------------------------------------

    def scan(self, given: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
        """Symbols over their timeframes, ranked; a symbol that can't be read is a row among `failures`.

        `given` are a scan's rules as `scans` describes them. Raises InvalidInput for wrong ones, and for too many symbols.
        """
        from modules.analysis_views.scans import wish_of

        wish = wish_of(given)
        ranking = self._ranking(wish, at_ms)
        return {"at": iso_from_ms(at_ms), "timeframes": list(wish.timeframes), **ranking.as_json()}

    def best_five(self, at_ms: int) -> dict[str, Any]:
        """The five best signals of now over all stored symbols, and why each other candidate was dropped."""
        from modules.analysis_views.scans import ScanWish, best_five

        ranking = self._ranking(ScanWish(), at_ms)
        judged = [each.as_json() for each in best_five(ranking)]
        return {
            "at": iso_from_ms(at_ms),
            "best": [each for each in judged if each["kept"]],
            "dropped": [each for each in judged if not each["kept"]],
            "failures": [each.as_json() for each in ranking.failures],
        }

    def _ranking(self, wish: ScanWish, at_ms: int) -> Ranking:
        from modules.analysis_views.scans import scan, stored_jobs

        def known(symbol: str) -> Context:
            return context_of(self._opinions.as_of(at_ms, symbol=symbol))

        jobs = stored_jobs(self._folder, wish, at_ms, known)
        if len(jobs) > MOST_SCANNED:
            raise InvalidInput(f"{len(jobs)} symbols at once are too many; name up to {MOST_SCANNED}")
        with self._one_scan:
            return scan(jobs, wish.rules, weights=self.weights().values)

    # ---- simple analytics ------------------------------------------------------------------------------------------

    def patterns(self, symbol: str, timeframe: str, at_ms: int) -> dict[str, Any]:
        """Momentum, crosses and breakouts of the last bar. Raises InvalidInput where there are too few candles."""
        from modules.analysis.patterns import find_patterns

        history = self.history(symbol, timeframe, at_ms)
        with answerable():
            found = find_patterns(history.candles)
        return {**heading(history, at_ms), "patterns": [each.as_json() for each in found]}

    def predict(self, symbol: str, timeframe: str, at_ms: int) -> dict[str, Any]:
        """The price a day ahead with the interval its own past errors give. Raises InvalidInput as `patterns` does."""
        from modules.analysis.forecasts import forecast

        history = self.history(symbol, timeframe, at_ms)
        with answerable():
            return {**heading(history, at_ms), **forecast(history.candles).as_json()}

    def sentiment(self, symbol: str, timeframe: str, at_ms: int) -> dict[str, Any]:
        """The market's mood from price, beside what is known of others' opinions. Raises InvalidInput as `patterns` does."""
        from modules.analysis.sentiment import market_sentiment

        history = self.history(symbol, timeframe, at_ms)
        with answerable():
            mood = market_sentiment(history.candles)
        return {**heading(history, at_ms), **mood.as_json(), "opinions": self.opinions(at_ms, symbol.upper())}

    def win_probability(self, symbol: str, side: str, accounts: Collection[str] | None = None) -> dict[str, Any]:
        """How often closed trades of the symbol and side were won. Raises InvalidInput for fewer than five.

        `accounts` limits whose; None is everybody's.
        """
        from modules.analysis.win_probability import win_probability

        wanted = (where("symbol") == symbol) & (where("side") == side) & (where("status") == "closed")
        if accounts is not None:
            wanted &= where("account_id").one_of(sorted(accounts))
        closed = (from_document(Position, each) for each in self._store["positions"].search(wanted))
        with answerable():
            return win_probability(_trades(closed), symbol, side).as_json()

    # ---- structure -------------------------------------------------------------------------------------------------

    def structure(self, symbol: str, timeframe: str, at_ms: int) -> dict[str, Any]:
        """Market structure of a symbol."""
        from modules.analysis.structure import analyse

        history = self.history(symbol, timeframe, at_ms)
        return {**heading(history, at_ms), **structure_answer(history.candles, analyse(history.candles))}

    def chart(self, symbol: str, timeframe: str, at_ms: int) -> dict[str, Any]:
        """Candles and what lies on them, for the dashboard's chart."""
        history = self.history(symbol, timeframe, at_ms)
        return {**heading(history, at_ms), **chart_json(history.candles, _structure_shapes(history))}

    def picture(self, symbol: str, timeframe: str, at_ms: int) -> bytes:
        """The same as a picture (PNG)."""
        history = self.history(symbol, timeframe, at_ms)
        title = f"{symbol.upper()} {history.timeframe} on {history.exchange}"
        return analysis_chart(history.candles, _structure_shapes(history), title)

    def history(self, symbol: str, timeframe: str, at_ms: int) -> History:
        """The candles all answers are made of."""
        return read_history(self._candles, symbol, timeframe, at_ms)

    # ---- opinions and weights --------------------------------------------------------------------------------------

    def opinions(self, at_ms: int, symbol: str | None = None) -> dict[str, Any]:
        """What counts of fear & greed, headlines, prints and flows, and how fresh each kind is."""
        known = self._opinions.as_of(at_ms, symbol=symbol)
        index = known.fear_greed
        return {
            "fear_greed": None if index is None else {"value": index.value, "classification": index.classification},
            "headlines": [
                {"title": each.title, "source": each.source, "url": each.url, "at": iso_from_ms(each.at_ms)}
                for each in reversed(known.headlines[-20:])
            ],
            "freshness": {kind: each.as_json() for kind, each in known.freshness.items()},
        }

    def weights(self) -> Weights:
        """The deployment's weights, normalised."""
        return read_weights(self._store)

    def set_weights(self, given: dict[str, float], now_ms: int) -> Weights:
        """Replaces them. Raises InvalidInput naming each weight that is wrong."""
        return store_weights(self._store, given, now_ms)


def heading(history: History, at_ms: int) -> dict[str, Any]:
    """What every answer begins with. `age_seconds` is how long before the moment asked for its newest candle closed."""
    return {
        "symbol": history.candles.symbol,
        "timeframe": history.timeframe,
        "exchange": history.exchange,
        "as_of": iso_from_ms(history.closed_ms),
        "age_seconds": (at_ms - history.closed_ms) / 1000,
        "candles_read": len(history.candles),
    }


@contextmanager
def answerable() -> Iterator[None]:
    """Turns "too few candles" or "too few trades" inside into an answer that says how many are needed."""
    from modules.analysis.indicators import NotEnoughData
    from modules.analysis.win_probability import TooFewTrades

    try:
        yield
    except (NotEnoughData, TooFewTrades) as error:
        raise InvalidInput(str(error), code="not_enough_data") from error
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def _trades(closed: Iterable[Position]) -> Iterator[ClosedTrade]:
    from modules.analysis.win_probability import ClosedTrade

    for each in closed:
        yield ClosedTrade(each.symbol, each.side.value, each.net_pnl)


def _structure_shapes(history: History) -> list[Any]:
    from modules.analysis.structure import analyse

    structure = analyse(history.candles)
    return structure_shapes([*structure.standing(*DRAWN), *structure.objects(*MARKED)])
