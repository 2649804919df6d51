"""Candles and tickers over HTTP."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies.market import CandleQuery, MarketPath
from api.gate import needs
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.analysis_views import History, read_history
from modules.candles.store import CandleStore
from modules.connections.instrument_catalogue import InstrumentCatalogue
from modules.domain.errors import NotFound, Unavailable
from modules.domain.market import Quote, iso_from_ms, ms_from_utc
from modules.domain.money import plain

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("market", __name__, url_prefix="/api", abp_tags=[Tag(name="market")])
    kept = CandleStore(rooms.settings.data_dir / "candles")
    listed = InstrumentCatalogue(rooms.settings.data_dir)

    @blueprint.get("/candles/<symbol>", summary="Closed candles, oldest first")
    @needs(Verb.READ_ANALYSIS)
    def candles(path: MarketPath, query: CandleQuery) -> Answer:
        at_ms = ms_from_utc(query.before or rooms.clock.now())
        found = read_history(kept, path.symbol, query.timeframe, at_ms, bars=query.limit, exchange=query.exchange)
        shown = {"symbol": path.symbol, "timeframe": found.timeframe, "exchange": found.exchange}
        return answer({**shown, "candles": _rows(found)})

    @blueprint.get("/ticker/<symbol>", summary="The newest price, and how old it is")
    @needs(Verb.READ_ANALYSIS)
    def ticker(path: MarketPath) -> Answer:
        now = rooms.clock.now()
        if listed.find(path.symbol) is None:
            raise NotFound(f"{path.symbol} isn't listed here.", code="unknown_symbol")
        followed = rooms.watched.look(path.symbol, now)
        quote = rooms.prices.latest(path.symbol)
        if quote is not None:
            return answer({"ticker": _of_quote(quote, ms_from_utc(now), rooms.settings.stale_after_seconds)})
        try:
            found = read_history(kept, path.symbol, "1m", ms_from_utc(now), bars=1)
        except NotFound:
            wait = 2 if followed else 30
            raise Unavailable(f"There is no price of {path.symbol} yet.", retry_after_seconds=wait) from None
        return answer({"ticker": _of_candle(path.symbol, found, ms_from_utc(now))})

    return blueprint


def _rows(history: History) -> list[dict[str, Any]]:
    candles = history.candles
    columns = (candles.timestamp, candles.open, candles.high, candles.low, candles.close, candles.volume)
    return [
        {
            "time": iso_from_ms(int(at)),
            "open": float(opened),
            "high": float(high),
            "low": float(low),
            "close": float(close),
            "volume": float(volume),
        }
        for at, opened, high, low, close, volume in zip(*columns, strict=True)
    ]


def _of_candle(symbol: str, history: History, now_ms: int) -> dict[str, Any]:
    """The close of the last candle, where nothing newer is known: always stale, and said to be a candle's."""
    return {
        "symbol": symbol,
        "price": repr(float(history.candles.close[-1])),
        "bid": None,
        "ask": None,
        "time": iso_from_ms(history.closed_ms),
        "age_seconds": round((now_ms - history.closed_ms) / 1000, 1),
        "exchange": history.exchange,
        "source": "candle",
        "simulated": history.exchange == "simulated",
        "stale": True,
    }


def _of_quote(quote: Quote, now_ms: int, fresh_seconds: float) -> dict[str, Any]:
    age = quote.age_seconds(now_ms)
    return {
        "symbol": quote.symbol,
        "price": plain(quote.last),
        "bid": plain(quote.bid),
        "ask": plain(quote.ask),
        "time": iso_from_ms(quote.time_ms),
        "age_seconds": round(max(age, 0.0), 1),
        "exchange": quote.exchange,
        "source": "quote",
        "simulated": quote.simulated,
        "stale": age > fresh_seconds,
    }
