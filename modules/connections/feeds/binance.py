"""Binance spot and USD-M perpetual public streams.

Sources: Binance spot "WebSocket Streams" (combined streams, SUBSCRIBE, 1,024 streams a connection, 5 messages a second,
disconnect after 24 hours) and USD-M futures "Websocket Market Streams" (10 messages a second; since 2026 aggregate
trades are served under /market and best prices under /public). Trade numbers count up by one on both, so a missing
or repeated trade is told exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.connections.feeds.conflation import CandleListener
from modules.connections.feeds.live import Line, LiveRules, LiveSource, Route
from modules.connections.feeds.rest_gap import PastTrade, PublicRest, known_minute
from modules.connections.feeds.socket_client import FrameListener, SocketRules
from modules.connections.feeds.tape import KnownMinute, SymbolTape
from modules.connections.feeds.trade_order import Arrival, TradeNumbers
from modules.domain.errors import InvalidInput, Unavailable
from modules.domain.ports import Clock

SPOT = "binance"
PERPETUAL = "binanceusdm"
_PAGE = 1000
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class BinanceMarket:
    """What differs between Binance's two markets. `trade_stream` is `trade` or `aggTrade`."""

    exchange: str
    usual: Addresses
    rest_path: str
    trade_stream: str
    paths: Mapping[str, str]
    streams_per_socket: int


MARKETS: dict[str, BinanceMarket] = {
    SPOT: BinanceMarket(
        SPOT,
        Addresses("wss://stream.binance.com:9443", "https://api.binance.com"),
        "/api/v3",
        "trade",
        {"trade": "/stream", "aggTrade": "/stream", "bookTicker": "/stream"},
        400,
    ),
    PERPETUAL: BinanceMarket(
        PERPETUAL,
        Addresses("wss://fstream.binance.com", "https://fapi.binance.com"),
        "/fapi/v1",
        "aggTrade",
        {"trade": "/public/stream", "aggTrade": "/market/stream", "bookTicker": "/public/stream"},
        150,
    ),
}


class NumberedTrack:
    """One symbol whose trades are numbered."""

    __slots__ = ("filling", "gap_from_ms", "interrupted", "numbers", "symbol", "tape", "tries")

    def __init__(self, symbol: str, tape: SymbolTape) -> None:
        self.symbol = symbol
        self.tape = tape
        self.numbers = TradeNumbers()
        self.gap_from_ms = 0
        self.filling = self.interrupted = False
        self.tries = 0

    def next_number(self) -> int:
        """The first number not seen yet, or -1 before any."""
        return self.numbers.missing[0][0] if self.numbers.missing else self.numbers.next

    def take(self, trade: PastTrade) -> None:
        """A trade told by REST."""
        self.place(trade.number, trade.price, trade.quantity, trade.time_ms, trade.count)

    def place(self, number: int, price: float, quantity: str, time_ms: int, count: int = 1) -> None:
        """Any trade, in whatever order: onto the tape, once."""
        before, newest = self.numbers.next, self.tape.newest_ms
        arrival = self.numbers.place(number)
        if arrival is Arrival.DUPLICATE:
            if time_ms <= newest:
                return
            self.numbers.restart(number)  # an old number on a newer trade: the exchange numbers anew
        elif 0 <= before < number and not self.gap_from_ms:
            self.gap_from_ms, self.tape.waits = newest, True
        if arrival is Arrival.LATE:
            self.tape.earlier_trade(price, quantity, time_ms, number, count)
        else:
            self.tape.trade(price, quantity, time_ms, number, count)

    def gaps_left(self, oldest: PastTrade | None) -> bool:  # noqa: ARG002 - numbers tell by themselves
        """Are numbered trades still missing?"""
        return bool(self.numbers.missing)

    def give_up_gaps(self) -> None:
        """Nothing more can be had of what is missing."""
        self.numbers.give_up()


class BinanceHistory:
    """Recent trades and candles by REST."""

    def __init__(self, market: BinanceMarket, rest: PublicRest, trade_stream: str) -> None:
        self._path = market.rest_path
        self._rest = rest
        self._aggregated = trade_stream == "aggTrade"

    async def recent_trades(self, symbol: str, from_number: int) -> list[PastTrade]:
        """Aggregates page by page from `from_number`; single trades only the newest thousand (older ones need a key)."""
        parameters: dict[str, str | int] = {"symbol": symbol, "limit": _PAGE if from_number >= 0 else 1}
        if not self._aggregated:
            rows = await self._rest.get(f"{self._path}/trades", parameters)
            return [_past(row, "id", "price", "qty", "time") for row in rows]
        trades: list[PastTrade] = []
        for _ in range(_MOST_PAGES):
            if from_number >= 0:
                parameters["fromId"] = trades[-1].number + 1 if trades else from_number
            rows = await self._rest.get(f"{self._path}/aggTrades", parameters)
            trades += [_past(row, "a", "p", "q", "T") for row in rows]
            if from_number < 0 or len(rows) < _PAGE:
                break
        return trades

    async def minutes(self, symbol: str, from_ms: int, until_ms: int) -> list[KnownMinute]:
        """Candles of the minutes that open between the two times."""
        parameters: dict[str, str | int] = {
            "symbol": symbol, "interval": "1m", "startTime": from_ms, "endTime": until_ms, "limit": _PAGE,
        }  # fmt: skip
        rows = await self._rest.get(f"{self._path}/klines", parameters)
        return [known_minute(row) for row in rows]

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()


def _past(row: dict[str, Any], number: str, price: str, quantity: str, time: str) -> PastTrade:
    try:
        count = row["l"] - row["f"] + 1 if "l" in row else 1
        return PastTrade(int(row[number]), "", float(row[price]), str(row[quantity]), int(row[time]), count)
    except (KeyError, TypeError, ValueError):
        raise Unavailable("a trade that can't be read") from None


class BinanceSource(LiveSource):
    """Trades and best prices of Binance spot or USD-M perpetuals."""

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        *,
        urls: Mapping[str, Any] | None = None,
        trade_stream: str | None = None,
        interval_ms: int = 100,
        socket_rules: SocketRules | None = None,
        rules: LiveRules | None = None,
        on_candle: CandleListener | None = None,
    ) -> None:
        """`urls` is `EXCHANGE_URLS`. Raises InvalidInput for an exchange or trade stream that Binance does not have."""
        if exchange not in MARKETS or trade_stream not in (None, "trade", "aggTrade"):
            raise InvalidInput(f"Binance has no market {exchange} with {trade_stream}")
        market = MARKETS[exchange]
        self._trade_stream = trade_stream or market.trade_stream
        self._paths = market.paths
        addresses = addresses_of(exchange, market.usual, urls, family=SPOT)
        trade_path = market.paths[self._trade_stream]
        super().__init__(
            exchange,
            clock,
            {
                path: Route(addresses.stream_url(path), market.streams_per_socket, 100, path == trade_path)
                for path in (trade_path, market.paths["bookTicker"])
            },
            BinanceHistory(market, PublicRest(addresses.rest), self._trade_stream),
            interval_ms=interval_ms,
            socket_rules=socket_rules,
            rules=rules,
            on_candle=on_candle,
        )
        self._asked = 0

    def _track(self, symbol: str) -> NumberedTrack:
        return NumberedTrack(symbol, self._conflator.tape(symbol))

    def _streams(self, symbol: str) -> Mapping[str, str]:
        name = symbol.lower()
        return {f"{name}@{kind}": self._paths[kind] for kind in (self._trade_stream, "bookTicker")}

    def _frames(self, streams: list[str], *, subscribe: bool) -> list[str]:
        self._asked += 1
        method = "SUBSCRIBE" if subscribe else "UNSUBSCRIBE"
        return [orjson.dumps({"method": method, "params": streams, "id": self._asked}).decode()]

    def _listener(self, line: Line) -> FrameListener:
        loads, trade_event = orjson.loads, self._trade_stream
        tracks = cast("dict[str, NumberedTrack]", self._tracks)
        number_key = "a" if trade_event == "aggTrade" else "t"
        on_trade = self.on_trade

        def listen(frame: bytes) -> None:
            """Takes one frame of the exchange."""
            try:
                message = loads(frame)
                event = message.get("data", message)
                if event.get("e") == trade_event:
                    track = tracks.get(event["s"])
                    if track is None:
                        return
                    number = event[number_key]
                    if number == track.numbers.next and event.get("X", "MARKET") == "MARKET":
                        track.numbers.next = number + 1
                        track.tape.trade(float(event["p"]), event["q"], event["T"], number, self._count(event))
                        if on_trade is not None:
                            on_trade(event["s"], event["T"], float(event["p"]), float(event["q"]), not event["m"])
                    else:
                        self._out_of_line(track, number, event)
                else:
                    self._other(line, event, frame)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
                self._not_understood(frame, f"{type(error).__name__}: {error}")

        return listen

    @staticmethod
    def _count(event: dict[str, Any]) -> int:
        """How many trades an event stands for."""
        return int(event["l"]) - int(event["f"]) + 1 if "l" in event else 1

    def _out_of_line(self, track: NumberedTrack, number: int, event: dict[str, Any]) -> None:
        """A trade that is not the next one. Insurance-fund and liquidation transfers take a number, not a price."""
        if event.get("X", "MARKET") == "MARKET":
            track.place(number, float(event["p"]), event["q"], event["T"], self._count(event))
        else:
            track.numbers.place(number)

    def _other(self, line: Line, event: dict[str, Any], frame: bytes) -> None:
        """Best prices, answers to subscriptions, errors."""
        if "b" in event and "a" in event and "s" in event:
            if (track := self._tracks.get(event["s"])) is not None and isinstance(event["b"], str):
                track.tape.book(float(event["b"]), float(event["a"]))
        elif "id" in event and event.get("result", "") is None:
            line.acknowledged.set()
        elif "error" in event or "code" in event:
            line.acknowledged.set()
            self._not_understood(frame, "the exchange reports an error")
        elif event.get("e") in {"trade", "aggTrade"}:
            self._unasked(event)

    def _unasked(self, event: dict[str, Any]) -> None:
        """The other kind of trade event, from a server that sends what it has: taken without numbers."""
        if (track := self._tracks.get(event["s"])) is not None:
            track.tape.trade(float(event["p"]), event["q"], event["T"], 0, self._count(event))
