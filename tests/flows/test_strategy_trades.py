"""A strategy that is on trades what its backtest says: the same candles through the engine and through the whole paper way.

The paper run is the runner at each closed bar, signals, planner, desk, resting orders at the paper exchange, settlement and
monitors; each bar reaches it as one conflated quote. Without costs, every fill must be the same: bar, side, price, quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.backtesting import engine, words
from modules.backtesting.assumptions import Assumptions
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import Quote, utc_from_ms
from modules.domain.people import Principal, Role
from modules.rehearsal.material import quotes_of
from modules.strategies.builtin import builtin_document
from modules.strategies.decide import decide
from modules.strategies.documents import read_strategy
from modules.strategies.language import Strategy
from modules.strategy_book.book import KeptStrategy, StrategyBook, Who
from modules.strategy_book.markets import MarketNow
from modules.strategy_book.running import StrategyRuns, source_of
from tests.fakes.board import Listed
from tests.flows.world import World

HOUR = 3_600_000
START = 1_760_000_400_000
ANN = Principal("user-a1", Role.SUBSCRIBER, "access_token")
NO_COSTS = Assumptions(
    taker_fee=0.0, maker_fee=0.0, tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), min_notional=5.0
)
QUOTE = {"mode": "quote", "value": 1000}


def walk(seed: int, bars: int = 180) -> Candles:
    """Hours on a grid of cents that open where the one before closed, with a few jumps within bars."""
    draw = np.random.default_rng(seed)
    steps = draw.normal(0, 0.004, bars) + np.where(draw.random(bars) < 0.05, draw.normal(0, 0.02, bars), 0)
    close = np.round(200 * np.exp(np.cumsum(steps)), 2)
    opened = np.concatenate([[200.0], close[:-1]])
    high = np.round(np.maximum(opened, close) * (1 + draw.random(bars) * 0.004), 2)
    low = np.round(np.minimum(opened, close) * (1 - draw.random(bars) * 0.004), 2)
    stamps = START + HOUR * np.arange(bars)
    return Candles.checked(
        stamps, opened, high, low, close, draw.random(bars) * 9 + 1, timeframe_ms=HOUR, symbol="BTCUSDT"
    )


def simple(**fields: Any) -> dict[str, Any]:
    """Buys when the RSI comes up, leaves when it is high."""
    rsi = {"type": "rsi", "period": 7}
    return {
        "name": "simple",
        "symbols": ["BTCUSDT"],
        "timeframe": "1h",
        "entry": {**rsi, "operator": "crosses_above", "value": 35},
        "exit": {**rsi, "operator": ">", "value": 65},
        "position_size": QUOTE,
        **fields,
    }


STRATEGIES: dict[str, dict[str, Any]] = {
    "exit by signal": simple(),
    "stop and take profit": simple(stop_loss_pct=1.2, take_profit_pct=1.5),
    "ladder": simple(stop_loss_atr=2, targets=[{"atr": 0.8, "share": 0.3}, {"r": 1.5, "share": 0.7}]),
    "ladder, then to the entry": simple(
        stop_loss_pct=1, targets=[{"pct": 0.7, "share": 0.5}], take_profit_pct=2, break_even_after=1
    ),
    "trailing": simple(stop_loss_pct=2, trailing={"pct": 1, "activate_pct": 0.5}),
    "time": simple(exit={"type": "rsi", "operator": ">", "value": 99}, time_exit_bars=5, stop_loss_pct=2),
    "stop below the last swing": simple(stop_loss_at={"type": "donchian", "output": "lower", "period": 10}),
    "selling": simple(
        action="SELL",
        entry={"type": "rsi", "period": 7, "operator": "crosses_below", "value": 65},
        exit={"type": "rsi", "period": 7, "operator": "<", "value": 35},
        stop_loss_pct=1.5,
    ),
    "both sides": builtin_document(
        "ma_cross", {"fast": 4, "slow": 11, "symbols": ["BTCUSDT"], "timeframe": "1h", "position_size": QUOTE}
    ),
}


@dataclass(frozen=True, order=True)
class Fill:
    """One execution: the open time of its bar, what was done, and at what price."""

    bar_ms: int
    action: int
    price: Decimal
    quantity: Decimal


class Rig:
    """A world with one strategy switched on before the first candle; `feed` shows it candles bar by bar."""

    def __init__(self, folder: Path, document: dict[str, Any], candles: Candles) -> None:
        self.world = World(folder)
        self.world.clock.set(utc_from_ms(int(candles.timestamp[0])))
        self.world.account("a1")
        self.candles, self.known = candles, 0
        self.book = StrategyBook(self.world.store)
        made = self.book.create(self.who, document)
        self.kept: KeptStrategy = self.book.toggle(self.who, made.id, enabled=True)
        self.restart()

    @property
    def who(self) -> Who:
        return Who(ANN, self.world.clock.now())

    def restart(self) -> None:
        """The runner's process anew."""
        self.runs = StrategyRuns(self.world.store, self._load, Listed())

    def _load(self, _strategy: Strategy, _symbol: str, at_ms: int) -> MarketNow:
        known = self.candles[: self.known].closed_by(at_ms)
        if not len(known):
            raise NotFound("no candles are stored here")
        return MarketNow("test", known, {})

    def feed(self, first: int, last: int, between: Callable[[int], None] = lambda _row: None) -> None:
        """Each bar as its first trade and then one quote of its whole range at the close; then whatever is due."""
        part = self.candles[first:last]
        end = utc_from_ms(part.closed_at(len(part) - 1))
        for row, quote in enumerate(quotes_of(part, utc_from_ms(0), end), start=first):
            opened = int(part.timestamp[row - first]) + 1
            self.world.clock.set(utc_from_ms(opened))
            self.world.stage.quote(Quote.at_price(quote.exchange, quote.symbol, opened, quote.open))
            self.world.clock.set(utc_from_ms(quote.time_ms))
            self.world.stage.quote(quote)
            self.known = row + 1
            self.decide()
            between(row)

    def decide(self) -> list[str]:
        """All that is due now."""
        now = self.world.clock.now()
        due = self.runs.due(now)
        for name in due:
            self.runs.decide(name, now)
        self.world.settle()
        return due

    def fills(self) -> list[Fill]:
        """What was executed, in order, each in the bar it belongs to."""
        orders = {each["id"]: each for each in self.world.store["orders"].all()}
        found = []
        for each in self.world.store["fills"].all():
            order = orders[each["client_order_id"]]
            at_close = order["role"] in ("stop", "target") or "time" in (self._asked(order) or "")
            bar_ms = each["at"] - (HOUR if at_close else 0)
            action = 1 if each["action"] == "buy" else -1
            found.append(Fill(bar_ms, action, Decimal(each["price"]), Decimal(each["quantity"])))
        return found

    def _asked(self, order: dict[str, Any]) -> str | None:
        request = self.world.store["order_requests"].get(key=order["request_id"])
        return None if request is None else str(request["reason"])

    def note(self) -> dict[str, Any]:
        (run,) = self.world.store["strategy_runs"].all()
        return run


def backtested(strategy: Strategy, candles: Candles) -> list[Fill]:
    """The engine's fills, but for the close of what is open at the end."""
    result = engine.run(candles, decide(strategy, candles), strategy.rules, NO_COSTS)
    return [
        Fill(
            int(candles.timestamp[each["bar"]]),
            int(each["action"]),
            Decimal(repr(float(each["price"]))),
            Decimal(repr(round(float(each["quantity"]), 6))),
        )
        for each in result.fills
        if each["kind"] != words.END
    ]


@pytest.fixture
def rigged(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs and closes them."""
    made: list[Rig] = []

    def make(document: dict[str, Any], candles: Candles) -> Rig:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Rig(folder, document, candles))
        return made[-1]

    yield make
    for rig in made:
        rig.world.close()


Make = Callable[[dict[str, Any], Candles], Rig]


@pytest.mark.parametrize("document", STRATEGIES.values(), ids=STRATEGIES.keys())
def test_paper_and_backtest_fill_alike(rigged: Make, document: dict[str, Any]) -> None:
    candles = walk(1)
    rig = rigged(document, candles)
    rig.feed(0, len(candles))
    last = int(candles.timestamp[-1])
    expected = sorted(backtested(read_strategy(document), candles))
    assert sorted(each for each in rig.fills() if each.bar_ms <= last) == expected
    assert len(expected) > 3


def first_entry(candles: Candles, document: dict[str, Any]) -> int:
    """The bar on which the strategy first wants to enter."""
    return int(np.flatnonzero(decide(read_strategy(document), candles).entry)[0])


def test_a_signal_is_private_and_carries_the_strategys_own_terms(rigged: Make) -> None:
    document = simple(stop_loss_pct=1.2, take_profit_pct=1.5, position_size=700, time_exit_bars=9)
    candles = walk(1)
    rig = rigged(document, candles)
    rig.world.account("other")
    rig.feed(0, first_entry(candles, document) + 1)
    (signal,) = rig.world.store["signals"].all()
    assert (signal["source"], signal["owner"]) == (source_of(rig.kept.id), "user-a1")
    (plan,) = rig.world.store["plans"].all()
    assert plan["account_id"] == "a1"
    assert plan["exits"]["time_exit_seconds"] == 9 * 3600
    position = rig.world.position()
    assert abs(position.quantity * position.average_price - 700) < position.average_price / 1000 * 2
    assert rig.note()["note"] == "Buying: the entry's conditions hold."


def test_a_bar_is_decided_once_however_often_and_by_whomever(rigged: Make) -> None:
    document = simple(stop_loss_pct=5)
    candles = walk(1)
    rig = rigged(document, candles)
    rig.feed(0, first_entry(candles, document) + 1)
    before = rig.world.store.journal.last_seq()
    rig.world.clock.advance(3)
    assert rig.decide() == []
    rig.restart()
    assert rig.decide() == []
    rig.world.store["strategy_runs"].truncate()  # even with the note of the bar lost, its signal is the same one
    rig.restart()
    rig.world.clock.advance(3)
    rig.decide()
    assert rig.world.store.journal.last_seq() == before
    assert len(rig.world.positions()) == 1


def test_a_missing_candle_is_waited_for_and_then_told(rigged: Make) -> None:
    document = simple()
    candles = walk(1)
    rig = rigged(document, candles)
    row = first_entry(candles, document)
    rig.feed(0, row)
    rig.world.clock.set(utc_from_ms(candles.closed_at(row)))
    assert len(rig.decide()) == 1
    assert rig.note()["state"] == "running"  # not yet given up
    rig.world.clock.advance(61)
    assert len(rig.decide()) == 1
    assert rig.note()["state"] == "no_candles"
    assert "the newest candle closed at" in rig.note()["note"]
    rig.known = row + 1
    rig.world.clock.advance(30)
    assert rig.decide() == []
    assert rig.world.store["signals"].all() == []


def test_a_bar_known_too_late_opens_nothing_but_still_closes(rigged: Make) -> None:
    document = simple()
    candles = walk(1)
    rig = rigged(document, candles)
    row = first_entry(candles, document)
    rig.feed(0, row)
    rig.known = row + 1
    rig.world.clock.set(utc_from_ms(candles.closed_at(row) + 200_000))
    rig.decide()
    assert rig.world.store["signals"].all() == []
    assert "200 seconds" in rig.note()["note"]
    decisions = decide(read_strategy(document), candles)
    second = next(int(at) for at in np.flatnonzero(decisions.entry) if at > row)
    rig.feed(row + 1, second + 1)
    assert len(rig.world.positions()) == 1
    leaves = next(int(at) for at in np.flatnonzero(decisions.exit_long) if at > second)
    rig.known = leaves + 1
    rig.world.clock.set(utc_from_ms(candles.closed_at(leaves) + 200_000))
    rig.world.price("BTCUSDT", str(candles.close[leaves]))
    rig.decide()
    assert rig.world.position().status.value == "closed"
    assert rig.world.position().close_reason == "closed by source"


def test_exits_missed_while_nothing_ran_are_made_up_for(rigged: Make) -> None:
    document = simple()
    candles = walk(1)
    rig = rigged(document, candles)
    decisions = decide(read_strategy(document), candles)
    entered = first_entry(candles, document)
    leaves = next(int(at) for at in np.flatnonzero(decisions.exit_long) if at > entered)
    quiet = next(at for at in range(leaves + 1, len(candles)) if not decisions.exit_long[at])
    rig.feed(0, entered + 1)
    rig.restart()
    rig.known = quiet + 1
    rig.world.clock.set(utc_from_ms(candles.closed_at(quiet)))
    rig.world.price("BTCUSDT", str(candles.close[quiet]))
    rig.decide()
    assert rig.world.position().status.value == "closed"


def test_a_hole_among_the_newest_bars_opens_nothing(rigged: Make) -> None:
    document = simple()
    candles = walk(1)
    row = first_entry(candles, document)
    keep = np.arange(len(candles)) != row - 2
    names = ("timestamp", "open", "high", "low", "close", "volume")
    columns = {name: getattr(candles, name)[keep] for name in names}
    holed = Candles.checked(**columns, timeframe_ms=HOUR, symbol="BTCUSDT")
    rig = rigged(document, holed)
    rig.feed(0, int(np.flatnonzero(decide(read_strategy(document), holed).entry)[0]) + 1)
    assert rig.world.store["signals"].all() == []
    assert (rig.note()["state"], rig.note()["note"]) == ("gap", "No entry: 1 of the newest bars are missing.")


def test_what_was_switched_off_or_changed_decides_nothing_more(rigged: Make) -> None:
    document = simple(stop_loss_pct=5)
    candles = walk(1)
    rig = rigged(document, candles)
    row = first_entry(candles, document)
    rig.feed(0, row)
    rig.book.toggle(rig.who, rig.kept.id, enabled=False)
    rig.feed(row, row + 1)
    assert rig.world.store["signals"].all() == []
    rig.book.toggle(rig.who, rig.kept.id, enabled=True)
    rig.world.clock.advance(3)
    assert rig.decide() == []  # the bar closed before it was switched on again


def test_what_can_not_be_traded_can_not_be_switched_on(rigged: Make) -> None:
    rig = rigged(simple(), walk(1, 10))
    runner = simple(name="runner", stop_loss_pct=1, targets=[{"pct": 1, "share": 0.3}])
    made = rig.book.create(rig.who, runner)
    with pytest.raises(InvalidInput) as refused:
        rig.book.toggle(rig.who, made.id)
    assert set(refused.value.fields) == {"targets"}
    with pytest.raises(InvalidInput):
        rig.book.update(rig.who, rig.kept.id, {**runner, "name": "simple"})


def test_one_that_can_not_be_read_any_more_stops_nobody(rigged: Make) -> None:
    document = simple(stop_loss_pct=5)
    candles = walk(1)
    rig = rigged(document, candles)
    broken = rig.book.create(rig.who, {**document, "name": "of long ago"})
    rig.book.toggle(rig.who, broken.id, enabled=True)
    rig.world.store["strategies"].update({"whole": {**broken.whole, "entry": {"type": "forgotten"}}}, key=broken.id)
    rig.restart()
    rig.feed(0, first_entry(candles, document) + 1)
    assert [each["source"] for each in rig.world.store["signals"].all()] == [source_of(rig.kept.id)]
