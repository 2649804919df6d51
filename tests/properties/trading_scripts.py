"""Scripts of a trading day: signals, words about them, prices, an exchange in trouble, stops, restarts, a full disk.

A script is plain data, so that one that fails shrinks to its few steps and can be read. `Day` plays it in one process, over
the stage, the paper exchange and the real store; prices are levels of 100 around 60,000.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st

from database import StoreError, StoreFull
from modules.domain.errors import Conflict, InvalidInput, OutcomeUnknown, Rejected, Unavailable
from modules.domain.market import Quote, ms_from_utc
from modules.domain.orders import Order, OrderRequest, OrderRole, WantedTarget
from modules.domain.people import Account
from modules.domain.plans import DcaLevel, ExitRules, OppositeRule, Trailing, TrailKind
from modules.domain.ports import OrderReport
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document
from modules.trading import manual, safety
from modules.trading.fill_model import FillModel
from modules.trading.requests import ask
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import change
from tests.fakes.board import Listed
from tests.flows.test_kill_at_every_commit import Killed, commits
from tests.flows.test_store_trouble import commits_fail
from tests.flows.troubled_exchange import TroubledExchange
from tests.flows.world import World

SYMBOL = "BTCUSDT"
Step = tuple[Any, ...]

RULES = (
    ExitRules(break_even_after=None),
    ExitRules(break_even_after=1),
    ExitRules(break_even_after=None, follow_targets=1),
    ExitRules(break_even_after=None, break_even_at_r=Decimal("0.5")),
    ExitRules(break_even_after=2, trailing=Trailing(TrailKind.PERCENT, Decimal("0.8"), Decimal("0.3"))),
    ExitRules(break_even_after=1, time_exit_seconds=300),
)


@dataclass(frozen=True)
class Script:
    """What the account is like, what happens, and which way the price goes in the end."""

    rules: int
    lot: str
    dca: bool
    opposite: OppositeRule
    needs_stop: bool
    resume: bool
    to_stop: bool
    steps: list[Step] = field(default_factory=list)


def _signals() -> st.SearchStrategy[Step]:
    return st.tuples(
        st.just("signal"),
        st.sampled_from(["LONG", "LONG", "SHORT"]),
        st.sampled_from([0, 1, 1, 2, 3]),  # entries; none is a market order
        st.sampled_from([0, 0, 1, 2]),  # levels to the first entry
        st.integers(4, 12),  # levels from the last entry to the stop
        st.integers(1, 5),  # targets
        st.sampled_from([True, True, True, True, False]),  # names a stop
    )


def _troubles() -> st.SearchStrategy[Step]:
    role = st.sampled_from([OrderRole.STOP, OrderRole.STOP, OrderRole.TARGET, OrderRole.CLOSE, OrderRole.ENTRY])
    call = st.sampled_from(["submit", "submit", "cancel", "fetch", "open_orders", "positions", "balance"])
    return st.one_of(
        st.tuples(st.just("refuse"), role, st.integers(1, 3)),
        st.tuples(st.just("silent"), call, st.booleans(), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("down"), call, st.booleans(), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("reports"), st.sampled_from(["now", "late", "twice", "backwards"])),
        st.tuples(st.just("disk"), st.integers(1, 6), st.integers(1, 3)),
        st.tuples(st.just("kill"), st.integers(1, 12), st.booleans()),
    )


def _steps() -> st.SearchStrategy[Step]:
    which = st.integers(0, 3)
    level = st.integers(-14, 14)
    prices = st.lists(st.integers(-9, 9), min_size=1, max_size=4).map(tuple)
    words = ["Close this trade now", "Signal cancelled", "#BTC/USDT Close 50% of the position", "stop", "even"]
    hand = st.sampled_from(["all", "third", "stop", "even", "targets", "cancel"])
    stage = st.sampled_from([Stage.REDUCING, Stage.FLATTEN, Stage.LOCKED, None, None])
    return st.one_of(
        _signals(),
        st.tuples(st.just("price"), prices, st.sampled_from(["0", "0", "0.02", "0.1"])),
        st.tuples(st.just("bar"), st.integers(-9, 9), st.integers(0, 12), st.integers(0, 12)),
        st.tuples(st.just("update"), which, st.sampled_from(words), level),
        st.tuples(st.just("hand"), which, hand, level),
        _troubles(),
        _troubles(),
        st.tuples(st.just("safety"), stage),
        st.tuples(st.just("clock"), st.sampled_from([2, 40, 400])),
        st.just(("reconcile",)),
        st.just(("restart",)),
    )


def scripts(most: int = 14) -> st.SearchStrategy[Script]:
    """Any script; the first step is a signal, so that something is at stake."""
    return st.builds(
        lambda first, rest, **fields: Script(steps=[first, *rest], **fields),
        _signals(),
        st.lists(_steps(), min_size=3, max_size=most),
        rules=st.integers(0, len(RULES) - 1),
        lot=st.sampled_from(["0.001", "0.001", "0.03"]),
        dca=st.booleans(),
        opposite=st.sampled_from(OppositeRule),
        needs_stop=st.booleans(),
        resume=st.booleans(),
        to_stop=st.booleans(),
    )


class Day:
    """One account's day in one process."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.folder, self.script = folder, script
        self.level = 0
        self.said = 0
        self.refused: dict[OrderRole, int] = {}
        self.reports = "now"
        self.held: list[tuple[str, OrderReport]] = []
        self.disk: tuple[int, int] | None = None
        self.killed: tuple[int, bool] | None = None
        self.world = self._open(None)
        dca = (DcaLevel(Decimal("0.5"), Decimal(1)), DcaLevel(Decimal("0.5"), Decimal("1.5"))) if script.dca else ()
        self.world.account(
            exits=RULES[script.rules],
            dca=dca,
            opposite=script.opposite,
            require_stop=script.needs_stop,
            default_leverage=Decimal(3),
            cancel_entries_after_target=not script.dca,
        )
        self.price(0)

    def _open(self, clock: Any) -> World:
        world = World(
            self.folder, clock, listed=Listed(lot=self.script.lot), model=FillModel(volume_limit=Decimal("0.5"))
        )
        stage = world.stage
        self.exchange = _Refusing(stage.paper, self.refused)
        stage.desk._parts.exchanges["paper"] = self.exchange  # type: ignore[index]
        stage.paper._listeners[:] = [self._hear]
        return world

    # ---- steps ----------------------------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        """One step; a full disk or a kill may stop it halfway, nothing else."""
        killed, self.killed = self.killed, None
        disk, self.disk = self.disk, None
        if killed is not None:
            with commits(killed[0], after=killed[1]), suppress(Killed):
                self._do(step)
            self._restart()
            return
        if disk is None:
            self._do(step)
            return
        with commits_fail(StoreFull("disk full"), from_number=disk[0], times=disk[1]), suppress(StoreError):
            self._do(step)

    def _do(self, step: Step) -> None:
        getattr(self, f"_{step[0]}")(*step[1:])
        if step[0] not in ("reports", "disk", "kill", "refuse", "silent", "down"):
            self.world.settle()

    def _signal(self, side: str, entries: int, first: int, stop: int, targets: int, names_stop: bool) -> None:
        sign = 1 if side == "LONG" else -1
        self.said += 1
        legs = [self.level - sign * (first + 2 * number) for number in range(entries)]
        away = legs[-1] if legs else self.level
        lines = [f"#BTC/USDT {side}", "Entry: " + (" - ".join(_price(each) for each in legs) or "market")]
        if names_stop:
            lines.append(f"Stop Loss: {_price(away - sign * stop)}")
        lines.append("Targets: " + " - ".join(_price(self.level + sign * 3 * (n + 1)) for n in range(targets)))
        self.world.say("\n".join([*lines, "Leverage: 3x"]), str(self.said))

    def _update(self, which: int, words: str, level: int) -> None:
        if words in ("stop", "even"):
            words = f"#BTC/USDT Move stop loss to {'entry' if words == 'even' else _price(self.level + level)}"
        self.said += 1
        self.world.say(words, f"u{self.said}", reply_to=str(which + 1))

    def _hand(self, which: int, what: str, level: int) -> None:
        world, now = self.world, self.world.clock.now()
        self.said += 1
        key = f"k{self.said}"
        open_now = [each for each in world.positions() if each.status is PositionStatus.OPEN]
        if what == "cancel":
            found = [from_document(Order, each) for each in world.store["orders"].all()]
            working = [each for each in found if each.state.working]
            if working:
                with suppress(InvalidInput):
                    self._ask(manual.cancelling(working[which % len(working)], key, now))
        elif open_now:
            self._ask(self._wish(open_now[which % len(open_now)], what, level, key))

    def _wish(self, position: Position, what: str, level: int, key: str) -> OrderRequest:
        now = self.world.clock.now()
        price = Decimal(_price(self.level + level))
        match what:
            case "stop":
                return manual.moving_stop(position, key, now, price=price)
            case "even":
                return manual.moving_stop(position, key, now, price=None)
            case "targets":
                wanted = [WantedTarget(price + 700 * n * position.side.sign, Decimal(1)) for n in range(3)]
                return manual.setting_targets(position, key, now, targets=wanted)
        return manual.closing(position, key, now, share=Decimal(1 if what == "all" else "0.33"))

    def _ask(self, request: OrderRequest) -> None:
        with self.world.store.transaction() as tx:
            ask(self.world.store, tx, [request])

    def _price(self, moves: tuple[int, ...], volume: str) -> None:
        for move in moves:
            self.price(self.level + move, volume=volume)

    def _bar(self, move: int, up: int, down: int) -> None:
        self.price(self.level + move, up=up, down=down)

    def price(self, level: int, *, volume: str = "0", up: int = 0, down: int = 0) -> None:
        """A quote at `level`, whose range went from the last one `up` and `down`; every process sees it."""
        opened, last = Decimal(_price(self.level)), Decimal(_price(level))
        high, low = max(opened, last) + 100 * up, min(opened, last) - 100 * down
        if not (up or down):
            opened = high = low = last
        self.level = level
        now_ms = ms_from_utc(self.world.clock.advance(1))
        quote = Quote("test", SYMBOL, now_ms, now_ms, last, opened, high, low, last, last, Decimal(volume))
        self.world.stage.quote(quote)

    def _clock(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.price(self.level)

    def _reconcile(self) -> None:
        self.world.settle(reconcile=True)

    def _restart(self) -> None:
        self.world.close()
        self.held.clear()
        self.world = self._open(self.world.clock)
        self.world.settle(reconcile=True)

    def _safety(self, stage: Stage | None) -> None:
        now = self.world.clock.now()
        with suppress(Conflict):
            change(
                self.world.store,
                Scope.GLOBAL,
                "",
                lambda state: (
                    safety.resume(state, "op", now) if stage is None else safety.kill(state, "op", now, stage=stage)
                ),
                now,
            )

    # ---- troubles -------------------------------------------------------------------------------------------------

    def _refuse(self, role: OrderRole, times: int) -> None:
        self.refused[role] = self.refused.get(role, 0) + times

    def _silent(self, call: str, after: bool, skip: int, times: int) -> None:
        self._break(call, OutcomeUnknown("no answer within 10 s"), after, skip, times)

    def _down(self, call: str, after: bool, skip: int, times: int) -> None:
        self._break(call, Unavailable("503"), after, skip, times)

    def _break(self, call: str, error: OutcomeUnknown | Unavailable, after: bool, skip: int, times: int) -> None:
        plan = self.exchange.after if after else self.exchange.before
        plan.setdefault(call, []).extend([*[None] * skip, *[error] * times])

    def _reports(self, mode: str) -> None:
        self.reports = mode
        if mode != "late":
            self.release()

    def _disk(self, number: int, times: int) -> None:
        self.disk = (number, times)

    def _kill(self, number: int, after: bool) -> None:
        self.killed = (number, after)

    def _hear(self, account_id: str, report: OrderReport) -> None:
        """What the exchange tells by itself, on its way here."""
        if self.reports in ("late", "backwards"):
            self.held.append((account_id, report))
        else:
            for _ in range(2 if self.reports == "twice" else 1):
                self.world.stage._reported(account_id, report)

    def release(self) -> None:
        """What was held back arrives, the newest first."""
        held, self.held = self.held[::-1], []
        for account_id, report in held:
            self.world.stage._reported(account_id, report)

    # ---- the end --------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Troubles cease, and everything is given the time it may take to come right."""
        self.refused.clear()
        self.exchange.before.clear()
        self.exchange.after.clear()
        self.disk = self.killed = None
        self.reports = "now"
        self.release()
        if self.script.resume:
            self._safety(Stage.LOCKED)
            self.world.settle()
            self._safety(None)
        for _ in range(5):
            self.world.clock.advance(60)
            self.price(self.level)
            self.world.settle(reconcile=True)
        self.world.settle()

    def go(self, level: int) -> None:
        """The price goes there, and everything follows."""
        for _ in range(3):
            self.price(level)
            self.world.settle()
            self.world.clock.advance(5)

    def open_positions(self) -> list[Position]:
        return [each for each in self.world.positions() if each.status is PositionStatus.OPEN]

    def end_entries(self) -> None:
        """Time passes until no entry waits any more."""
        self.world.clock.advance(timedelta(days=2).total_seconds())
        for _ in range(3):
            self.world.clock.advance(60)
            self.price(self.level)
            self.world.settle(reconcile=True)

    def close(self) -> None:
        self.world.close()


class _Refusing(TroubledExchange):
    """Also turns away orders of a role, as many as it was told."""

    def __init__(self, paper: Any, refused: dict[OrderRole, int]) -> None:
        super().__init__(paper)
        self._refused = refused

    async def submit(self, account: Account, order: Order) -> OrderReport:
        if self._refused.get(order.role, 0) > 0:
            self._refused[order.role] -= 1
            raise Rejected("the exchange does not take it")
        return await super().submit(account, order)


def _price(level: int) -> str:
    return str(60_000 + 100 * level)


def level_beyond(price: Decimal, sign: int) -> int:
    """The first level beyond `price` in direction `sign`."""
    exact = (price - 60_000) / 100
    return int(exact.to_integral_value()) + 2 * sign
