"""Bybit v5 spot and linear (USDT perpetual) public streams.

Source: Bybit v5 "WebSocket Connect", "Trade" and "Orderbook": JSON `op` frames, at most 10 topics a subscription on
spot, a client ping every 20 s, level-1 book snapshots. Trades have names without order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from modules.connections.feeds.addresses import Addresses, addresses_of
from modules.connections.feeds.conflation import CandleListener
from modules.connections.feeds.live import Line, LiveRules, LiveSource, Route
from modules.connections.feeds.rest_gap import PastTrade, PublicRest, known_minute
from modules.connections.feeds.socket_client import FrameListener, SocketRules
from modules.connections.feeds.tape import KnownMinute, SymbolTape
from modules.connections.feeds.trade_order import TradeNames
from modules.domain.errors import InvalidInput, NotFound, Unavailable
from modules.domain.ports import Clock

SPOT = "bybit"
LINEAR = "bybitlinear"
_CATEGORIES = {SPOT: "spot", LINEAR: "linear"}
#: How many recent trades REST tells of each category.
_RECENT = {"spot": 60, "linear": 1000}
_USUAL = Addresses("wss://stream.bybit.com", "https://api.bybit.com")
_TOPICS_PER_FRAME = 10
_TOPICS_PER_SOCKET = 200
#: Trades this much older than the gap may have overtaken one another.
_OVERLAP_MS = 2_000
_RULES = SocketRules(heartbeat='{"op":"ping"}', heartbeat_every=20.0)


class NamedTrack:
    """One symbol whose trades have names."""

    __slots__ = ("filling", "gap_from_ms", "interrupted", "names", "symbol", "tape", "tries")

    def __init__(self, symbol: str, tape: SymbolTape) -> None:
        self.symbol = symbol
        self.tape = tape
        self.names = TradeNames()
        self.gap_from_ms = 0
        self.filling = self.interrupted = False
        self.tries = 0

    def next_number(self) -> int:
        """Names have no order: always as many as there are."""
        return 0

    def take(self, trade: PastTrade) -> None:
        """A trade told by REST: only what can be part of the gap."""
        if trade.time_ms >= self.gap_from_ms - _OVERLAP_MS and self.names.is_new(trade.name):
            if trade.time_ms < self.tape.newest_ms:
                self.tape.earlier_trade(trade.price, trade.quantity, trade.time_ms)
            else:
                self.tape.trade(trade.price, trade.quantity, trade.time_ms)

    def gaps_left(self, oldest: PastTrade | None) -> bool:
        """Do the recent trades begin after the gap does?"""
        return bool(self.gap_from_ms) and (oldest is None or oldest.time_ms > self.gap_from_ms)

    def give_up_gaps(self) -> None:
        """Nothing is kept of what is missing."""


class BybitHistory:
    """Recent trades and candles by REST."""

    def __init__(self, category: str, rest: PublicRest) -> None:
        self._category = category
        self._rest = rest

    async def recent_trades(self, symbol: str, from_number: int) -> list[PastTrade]:
        """The newest trades, oldest first: as many as Bybit tells, or one when `from_number` is -1."""
        limit = 1 if from_number < 0 else _RECENT[self._category]
        rows = await self._list("/v5/market/recent-trade", {"symbol": symbol, "limit": limit})
        trades = [_past(row) for row in rows]
        return sorted(trades, key=lambda trade: trade.time_ms)

    async def minutes(self, symbol: str, from_ms: int, until_ms: int) -> list[KnownMinute]:
        """Candles of the minutes that open between the two times; Bybit tells the newest first."""
        rows = await self._list(
            "/v5/market/kline", {"symbol": symbol, "interval": "1", "start": from_ms, "end": until_ms, "limit": 1000}
        )
        return sorted((known_minute(row) for row in rows), key=lambda minute: minute.open_ms)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def _list(self, path: str, parameters: Mapping[str, str | int]) -> list[Any]:
        answer = await self._rest.get(path, {"category": self._category, **parameters})
        try:
            if answer["retCode"] == 0:
                return list(answer["result"]["list"])
            reason = f"{answer['retCode']} {answer['retMsg']}"
        except (KeyError, TypeError):
            raise Unavailable("an answer that can't be read") from None
        raise NotFound(reason) if answer["retCode"] == 10001 else Unavailable(reason)


def _past(row: dict[str, Any]) -> PastTrade:
    try:
        return PastTrade(0, str(row["execId"]), float(row["price"]), str(row["size"]), int(row["time"]))
    except (KeyError, TypeError, ValueError):
        raise Unavailable("a trade that can't be read") from None


class BybitSource(LiveSource):
    """Trades and best prices of Bybit spot or linear perpetuals."""

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        *,
        urls: Mapping[str, Any] | None = None,
        interval_ms: int = 100,
        socket_rules: SocketRules | None = None,
        rules: LiveRules | None = None,
        on_candle: CandleListener | None = None,
    ) -> None:
        """`urls` is `EXCHANGE_URLS`. Raises InvalidInput for a market that Bybit does not have."""
        if exchange not in _CATEGORIES:
            raise InvalidInput(f"Bybit has no market {exchange}")
        category = _CATEGORIES[exchange]
        addresses = addresses_of(exchange, _USUAL, urls, family=SPOT)
        url = addresses.stream_url(f"/v5/public/{category}")
        super().__init__(
            exchange,
            clock,
            {"public": Route(url, _TOPICS_PER_SOCKET, _TOPICS_PER_FRAME)},
            BybitHistory(category, PublicRest(addresses.rest)),
            interval_ms=interval_ms,
            socket_rules=socket_rules or _RULES,
            rules=rules,
            on_candle=on_candle,
        )
        self._asked = 0
        self._pending: dict[str, list[str]] = {}

    def _track(self, symbol: str) -> NamedTrack:
        return NamedTrack(symbol, self._conflator.tape(symbol))

    def _streams(self, symbol: str) -> Mapping[str, str]:
        return {f"publicTrade.{symbol}": "public", f"orderbook.1.{symbol}": "public"}

    def _frames(self, streams: list[str], *, subscribe: bool) -> list[str]:
        self._asked += 1
        request = str(self._asked)
        if subscribe:
            self._pending[request] = streams
        operation = "subscribe" if subscribe else "unsubscribe"
        return [orjson.dumps({"req_id": request, "op": operation, "args": streams}).decode()]

    def _listener(self, line: Line) -> FrameListener:
        loads, named = orjson.loads, cast("dict[str, NamedTrack]", self._tracks)
        on_trade = self.on_trade

        def listen(frame: bytes) -> None:
            """Takes one frame of the exchange."""
            try:
                message = loads(frame)
                topic = message.get("topic", "")
                if topic.startswith("publicTrade."):
                    for trade in message["data"]:
                        track = named.get(trade["s"])
                        if track is not None and track.names.is_new(trade["i"]):
                            track.tape.trade(float(trade["p"]), trade["v"], trade["T"])
                            if on_trade is not None:
                                told = float(trade["p"]), float(trade["v"])
                                on_trade(trade["s"], trade["T"], *told, trade["S"] == "Buy")
                elif topic.startswith("orderbook."):
                    self._book(message["data"])
                else:
                    self._answer(line, message, frame)
            except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                self._not_understood(frame, f"{type(error).__name__}: {error}")

        return listen

    def _book(self, book: dict[str, Any]) -> None:
        """A level-1 snapshot; a side that is absent has not changed."""
        track = self._tracks.get(book["s"])
        if track is None:
            return
        bids, asks, tape = book["b"], book["a"], track.tape
        bid = float(bids[0][0]) if bids else tape.bid
        ask = float(asks[0][0]) if asks else tape.ask
        if bid and ask:
            tape.book(bid, ask)

    def _answer(self, line: Line, message: dict[str, Any], frame: bytes) -> None:
        """Answers to pings and subscriptions. One bad topic spoils its whole frame: the others are asked for again."""
        if message.get("op") == "pong" or message.get("ret_msg") == "pong":
            return
        topics = self._pending.pop(str(message.get("req_id", "")), [])
        if message.get("success") is True:
            line.acknowledged.set()
            return
        if message.get("success") is not False:
            return
        self._not_understood(frame, "the exchange refuses a subscription")
        if len(topics) > 1 and line.socket is not None:
            line.socket.send([one for topic in topics for one in self._frames([topic], subscribe=True)])
        elif topics:
            self._filler.unlisted.add(topics[0].rpartition(".")[2])
            line.acknowledged.set()
