"""Made-up candle histories, and an exchange's candle endpoint that serves them on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web

from modules.analysis.candles import Candles

START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC, the start of an hour, a day and no week
MINUTE_MS = 60_000


def walk(
    rows: int,
    seed: int = 0,
    *,
    timeframe_ms: int = 15 * MINUTE_MS,
    price: float = 100.0,
    missing: float = 0.0,
    resting: float = 0.0,
    start_ms: int = START_MS,
    tick: float = 0.0,
) -> Candles:
    """A random walk of `rows` candles, reproducible by its seed.

    `missing` is the share of bars left out of the grid, `resting` the share of stretches in which the price stands
    still and nothing is traded. With `tick` all prices are multiples of it.
    """
    draw = np.random.default_rng(seed)
    moves = draw.standard_t(4, rows) * 0.004
    quiet = np.repeat(draw.random(rows // 8 + 1) < resting, 8)[:rows]
    moves[quiet] = 0.0
    close = price * np.exp(np.cumsum(moves))
    opened = np.concatenate(([price], close[:-1]))
    wick = np.where(quiet, 0.0, np.abs(draw.normal(0.0, 0.003, (2, rows))))
    high = np.maximum(opened, close) * (1.0 + wick[0])
    low = np.minimum(opened, close) * (1.0 - wick[1] / 2.0)
    columns = [opened, high, low, close]
    if tick:
        columns = [np.maximum(np.round(column / tick), 1.0) * tick for column in columns]
    opened, high, low, close = columns
    volume = np.where(quiet, 0.0, draw.lognormal(2.0, 1.0, rows))
    steps = 1 + (draw.random(rows) < missing) * draw.integers(1, 40, rows)
    stamps = start_ms + (np.cumsum(steps) - steps[0]) * timeframe_ms
    return Candles.checked(stamps, opened, high, low, close, volume, timeframe_ms=timeframe_ms, symbol="BTCUSDT")


def flat(rows: int, price: float = 0.1, timeframe_ms: int = 15 * MINUTE_MS) -> Candles:
    """A market that never moves and never trades."""
    level = np.full(rows, price)
    stamps = START_MS + np.arange(rows) * timeframe_ms
    return Candles.checked(stamps, level, level, level, level, np.zeros(rows), timeframe_ms=timeframe_ms)


@dataclass
class CandleRest:
    """Speaks Binance's spot candle endpoint over one history, with the troubles a real one has.

    `now_ms` is the server's clock: the last bar that has opened is shown although it is not closed. `troubles` are
    answers given before anything else, one a request: a status code, or "hang". With `newest_only` an answer that does not
    hold all bars asked for holds the newest of them, as on some exchanges.
    """

    candles: Candles
    now_ms: int
    largest_batch: int = 1000
    newest_only: bool = False
    troubles: list[int | str] = field(default_factory=list)
    spoiled: dict[int, int] = field(default_factory=dict)  # open time -> column to make unusable
    asked: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    async def exchange_info(self, request: web.Request) -> web.Response:
        market = {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "permissions": ["SPOT"],
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0.01", "maxPrice": "1000000"}],
        }
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms, "symbols": [market], "rateLimits": []})

    async def klines(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.troubles:
            trouble = self.troubles.pop(0)
            if trouble == "hang":
                await asyncio.Event().wait()
            return _refusal(int(trouble))
        stamps = self.candles.timestamp
        start = int(request.query.get("startTime", 0))
        end = min(int(request.query.get("endTime", self.now_ms)), self.now_ms)
        count = min(int(request.query.get("limit", 500)), self.largest_batch)
        rows = np.flatnonzero((stamps >= start) & (stamps <= end))
        rows = rows[-count:] if self.newest_only else rows[:count]
        return web.json_response([self._kline(row) for row in rows.tolist()])

    def _kline(self, row: int) -> list[object]:
        bar = self.candles[row]
        values = [bar.timestamp, *(repr(v) for v in (bar.open, bar.high, bar.low, bar.close, bar.volume))]
        if bar.timestamp in self.spoiled:
            values[self.spoiled[bar.timestamp]] = "0"
        return [*values, bar.timestamp + self.candles.timeframe_ms - 1, "0", 1, "0", "0", "0"]


def _refusal(status: int) -> web.Response:
    codes = {429: -1003, 400: -1100}
    if status not in codes:
        return web.Response(text="Service Unavailable", status=status)
    return web.json_response({"code": codes[status], "msg": "refused"}, status=status)


@asynccontextmanager
async def serving(rest: CandleRest) -> AsyncIterator[CandleRest]:
    """The endpoint on a free loopback port; its address is in `rest.address`."""
    app = web.Application()
    app.router.add_get("/api/v3/exchangeInfo", rest.exchange_info)
    app.router.add_get("/api/v3/klines", rest.klines)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        rest.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield rest
    finally:
        await runner.cleanup()
