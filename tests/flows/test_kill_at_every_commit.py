"""Killed before or after any commit of a trade's life, and started again, everything ends as if nothing had happened.

A commit is the only moment at which anything becomes true, so cutting before and after each of them covers every hop:
message taken in, plan made, order written down, order at the exchange, fill settled, protection placed, stop moved,
position closed, record written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from database.sqlite_engine import SqliteEngine
from modules.domain.orders import WantedTarget
from modules.domain.people import Account
from modules.domain.plans import ExitRules, Trailing, TrailKind
from modules.domain.sides import Side
from modules.records import from_document
from modules.trading import manual
from modules.trading.manual import OpenWish
from modules.trading.orders_by_hand import ask_open
from modules.trading.requests import ask
from tests.fakes.clock import ScriptedClock
from tests.flows.world import ENTRY, World

Step = Callable[[World], object]


class Killed(BaseException):
    """The process died here."""


@contextmanager
def commits(die_at: int | None, *, after: bool) -> Iterator[list[int]]:
    """Counts commits; the one numbered `die_at` (from 1) is the last thing that happens, done or not done."""
    count = [0]
    real = SqliteEngine.commit

    def counted(engine: SqliteEngine) -> None:
        count[0] += 1
        if count[0] == die_at and not after:
            raise Killed
        real(engine)
        if count[0] == die_at:
            raise Killed

    SqliteEngine.commit = counted  # type: ignore[method-assign]
    try:
        yield count
    finally:
        SqliteEngine.commit = real  # type: ignore[method-assign]


LADDER: list[Step] = [
    lambda w: w.price("BTCUSDT", "60100"),
    lambda w: (w.say(ENTRY), w.settle()),
    lambda w: w.price("BTCUSDT", "60000"),
    lambda w: w.price("BTCUSDT", "61000"),
    lambda w: w.price("BTCUSDT", "62000"),
    lambda w: w.price("BTCUSDT", "60000"),
]
STOPPED: list[Step] = [
    lambda w: w.price("BTCUSDT", "60000"),
    lambda w: (w.say(ENTRY), w.settle()),
    lambda w: w.price("BTCUSDT", "58900"),
]
CLOSED_BY_SOURCE: list[Step] = [
    lambda w: w.price("BTCUSDT", "60000"),
    lambda w: (w.say(ENTRY), w.settle()),
    lambda w: w.price("BTCUSDT", "60400"),
    lambda w: (w.say("Close this trade now", "2", reply_to="1"), w.settle()),
]
TRAILING = {"exits": ExitRules(break_even_after=None, trailing=Trailing(TrailKind.PERCENT, Decimal(1)))}
TRAILED: list[Step] = [
    lambda w: w.price("BTCUSDT", "60000"),
    lambda w: (w.say(ENTRY), w.settle()),
    lambda w: w.price("BTCUSDT", "60800"),
    lambda w: w.price("BTCUSDT", "60100"),
]


def open_by_hand(world: World) -> None:
    """Somebody opens a trade by hand; the same key however often it is asked."""
    account = from_document(Account, world.store["accounts"].get(key="a1") or {})
    wish = OpenWish(
        key="by-hand",
        user_id=account.user_id,
        account_id=account.id,
        symbol="BTCUSDT",
        side=Side.LONG,
        asked_at=world.clock.now(),
        quantity=Decimal("0.03"),
        stop_loss=Decimal(59000),
        targets=(Decimal(61000),),
    )
    with world.store.transaction() as tx:
        ask_open(world.store, tx, wish, account)
    world.settle()


def change_by_hand(world: World) -> None:
    """They replace the targets, move the stop and close a third."""
    position, now = world.position(), world.clock.now()
    wanted = [WantedTarget(Decimal(61500), Decimal("0.5")), WantedTarget(Decimal(62000), Decimal("0.5"))]
    requests = (
        manual.setting_targets(position, "k1", now, targets=wanted),
        manual.moving_stop(position, "k2", now, price=Decimal(59500)),
        manual.closing(position, "k3", now, share=Decimal(1) / 3),
    )
    with world.store.transaction() as tx:
        ask(world.store, tx, requests)
    world.settle()


BY_HAND: list[Step] = [
    lambda w: w.price("BTCUSDT", "60000"),
    open_by_hand,
    lambda w: w.price("BTCUSDT", "60100"),
    change_by_hand,
    lambda w: w.price("BTCUSDT", "61600"),
    lambda w: w.price("BTCUSDT", "62100"),
]


def outcome(world: World) -> dict[str, Any]:
    """All that must not depend on where the process was killed."""
    orders = world.store["orders"].all()
    positions = world.positions()
    return {
        "positions": [(p.status, p.quantity, p.initial_quantity, p.close_reason, p.net_pnl) for p in positions],
        "wallet": world.wallet(),
        "fills": sorted((f["price"], f["quantity"], f["action"]) for f in world.store["fills"].all()),
        "working": [o["id"] for o in orders if o["state"] in ("submitted", "unknown", "open", "partially_filled")],
        "paper": sorted(o["filled"] for o in world.store["paper_orders"].all() if o["filled"] != "0"),
        "signals": [(s["status"], s["reason"], [h["number"] for h in s["hits"]]) for s in world.store["signals"].all()],
        "closed": len(world.events("PositionClosed")),
        "opened": len(world.events("PositionOpened")),
        "hits": [(e["number"], e["price"]) for e in world.events("TargetHit")],
        "alarms": world.events("Alarm"),
    }


def perform(
    folder: Path, steps: list[Step], settings: dict[str, Any], die_at: int | None, *, after: bool
) -> tuple[dict[str, Any], int]:
    """Runs the steps, dying once; the step that was cut is done again after the restart, as a market or a source would."""
    folder.mkdir()
    clock = ScriptedClock()
    world = World(folder, clock)
    world.account(**settings)
    done = 0
    with commits(die_at, after=after) as count:
        try:
            for step in steps:
                step(world)
                done += 1
        except Killed:
            world.close()
        else:
            result = outcome(world)
            world.close()
            return result, count[0]
    again = World(folder, clock)
    for quote in world.stage.board.quotes.values():
        again.stage.quote(quote)  # the price process was not killed: it tells its newest prices at once
    world = again
    world.settle(reconcile=True)
    for step in steps[done:]:
        step(world)
    result = outcome(world)
    world.close()
    return result, count[0]


@pytest.mark.parametrize(
    ("name", "steps", "settings"),
    [
        ("ladder", LADDER, {}),
        ("stopped", STOPPED, {}),
        ("closed", CLOSED_BY_SOURCE, {}),
        ("trailed", TRAILED, TRAILING),
        ("by hand", BY_HAND, {}),
    ],
    ids=["ladder", "stopped", "closed by source", "trailed", "by hand"],
)
@pytest.mark.timeout(300)
def test_a_kill_before_or_after_any_commit_changes_nothing(
    tmp_path: Path, name: str, steps: list[Step], settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, total = perform(tmp_path / "whole", steps, settings, None, after=False)
    assert wanted["closed"] == 1
    assert wanted["working"] == []
    assert wanted["alarms"] == []
    for die_at in range(1, total + 1):
        for after in (False, True):
            got, _ = perform(tmp_path / f"{die_at}-{after}", steps, settings, die_at, after=after)
            assert got == wanted, f"killed {'after' if after else 'before'} commit {die_at} of {total}"
    with capsys.disabled():
        print(f"\n{name}: {2 * total} kill points, the same end each time")
