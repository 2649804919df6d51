"""The kill switch: every verb in every stage, what each stage lets out, and that closing always works."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from modules.domain.errors import Conflict, InvalidInput
from modules.domain.orders import Order, OrderRequest, OrderRole, OrderType, RequestKind
from modules.domain.plans import ExitRules, Plan, PlanStatus
from modules.domain.positions import Position, PositionStatus
from modules.domain.sides import Action, Side
from modules.trading import safety
from modules.trading.safety import Command, SafetyState, Scope, Stage, Verb

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
GLOBAL = SafetyState(Scope.GLOBAL)
D = Decimal

A, P, R, F, L = Stage.ACTIVE, Stage.PAUSED, Stage.REDUCING, Stage.FLATTEN, Stage.LOCKED
#: Rows: the stage before. Columns: pause, kill, flatten, lock, expire, flat, resume. None: not possible.
TABLE = {
    A: (P, R, F, L, None, None, A),
    P: (P, R, F, L, A, None, A),
    R: (R, R, F, L, None, None, A),
    F: (F, F, F, L, None, L, None),
    L: (L, L, F, L, None, None, A),
}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("verb", Verb)
def test_every_verb_in_every_stage(stage: Stage, verb: Verb) -> None:
    expected = TABLE[stage][list(Verb).index(verb)]
    state = replace(GLOBAL, stage=stage, until=NOW if stage is P else None)
    command = Command(verb, "ann", LATER, "test", LATER if verb is Verb.PAUSE else None)
    if expected is None:
        with pytest.raises(Conflict):
            safety.changed(state, command)
    else:
        assert safety.changed(state, command).stage is expected


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("asked", [R, F, L])
def test_a_kill_never_fails_and_never_adds_risk(stage: Stage, asked: Stage) -> None:
    after = safety.kill(replace(GLOBAL, stage=stage), "ann", NOW, stage=asked)
    assert after.stage is not A
    assert after.stage in (asked, stage)


def test_a_milder_stop_keeps_who_ordered_the_stricter_one() -> None:
    locked = safety.kill(GLOBAL, "ann", NOW, stage=L, reason="leak")
    assert safety.kill(locked, "bob", LATER) is locked
    assert safety.pause(locked, "bob", LATER, duration=timedelta(hours=1)) is locked


def test_a_kill_needs_a_stopping_stage() -> None:
    with pytest.raises(InvalidInput):
        safety.kill(GLOBAL, "ann", NOW, stage=A)


def test_a_pause_ends_by_itself_and_a_second_can_only_lengthen_it() -> None:
    paused = safety.pause(GLOBAL, "ann", NOW, duration=timedelta(hours=1), reason="news")
    assert (paused.until, paused.by, paused.reason) == (NOW + timedelta(hours=1), "ann", "news")
    assert safety.pause(paused, "bob", LATER, duration=timedelta(minutes=1)) is paused
    longer = safety.pause(paused, "bob", LATER, duration=timedelta(hours=2))
    assert longer.until == LATER + timedelta(hours=2)
    before, end = NOW + timedelta(minutes=59), NOW + timedelta(hours=1)
    assert safety.settled(paused, before, open_positions=3) is paused
    assert safety.effective([paused], None, before).stage is P
    assert safety.effective([paused], None, end).stage is A
    assert safety.settled(paused, end, open_positions=3).stage is A


@pytest.mark.parametrize("duration", [timedelta(), timedelta(days=-1), timedelta(days=31)])
def test_a_pause_has_sensible_length(duration: timedelta) -> None:
    with pytest.raises(InvalidInput):
        safety.pause(GLOBAL, "ann", NOW, duration=duration)


def test_flatten_becomes_locked_once_nothing_is_left() -> None:
    flattening = safety.kill(GLOBAL, "ann", NOW, stage=F, reason="crash")
    assert safety.settled(flattening, LATER, open_positions=1) is flattening
    assert safety.settled(flattening, LATER, open_positions=0, working_entries=1) is flattening
    locked = safety.settled(flattening, LATER, open_positions=0)
    assert (locked.stage, locked.by, locked.reason, locked.since) == (L, "ann", "crash", LATER)
    with pytest.raises(Conflict):
        safety.resume(flattening, "ann", LATER)


def test_resume_records_who_and_sets_the_days_baseline_anew() -> None:
    resumed = safety.resume(safety.kill(GLOBAL, "ann", NOW), "bob", LATER, reason="checked")
    assert (resumed.stage, resumed.by, resumed.since, resumed.reason) == (A, "bob", LATER, "checked")
    assert safety.baseline_at([resumed], LATER) == LATER
    assert safety.baseline_at([GLOBAL], LATER) == datetime(2025, 3, 1, tzinfo=UTC)
    tomorrow = LATER + timedelta(days=1)
    assert safety.baseline_at([resumed], tomorrow) == datetime(2025, 3, 2, tzinfo=UTC)


def test_resuming_what_is_not_stopped_still_frees_the_daily_limit_but_a_pause_running_out_does_not() -> None:
    assert safety.baseline_at([safety.resume(GLOBAL, "ann", LATER)], LATER) == LATER
    paused = safety.pause(GLOBAL, "ann", NOW, duration=timedelta(minutes=5))
    over = safety.settled(paused, LATER, open_positions=0)
    assert safety.baseline_at([over], LATER) < NOW
    assert safety.breaker_since([GLOBAL, over]) == LATER


@pytest.mark.parametrize(
    "content, stage",
    [(None, A), ("", R), ("stop!", R), ("flatten", F), (" FLATTEN now\n", F), ("locked", L), ("\x00\xff", R)],
)
def test_the_kill_file(content: str | None, stage: Stage) -> None:
    assert safety.kill_file_stage(content) is stage


def test_the_strictest_scope_holds_whoever_set_it() -> None:
    mine = safety.kill(SafetyState(Scope.ACCOUNT, "a1"), "ann", NOW, reason="tired")
    user = safety.pause(SafetyState(Scope.USER, "u1"), "ann", NOW, duration=timedelta(hours=1))
    assert safety.effective([GLOBAL, user, mine], None, NOW).source == "account:a1"
    assert safety.effective([mine, user, GLOBAL], "flatten", NOW).source == "file KILL"
    assert safety.effective([mine, user, GLOBAL], "", NOW).stage is R
    assert safety.effective([], None, NOW).stage is A
    assert (GLOBAL.id, user.id) == ("global", "user:u1")


def request(kind: RequestKind = RequestKind.PLACE, role: OrderRole = OrderRole.ENTRY) -> OrderRequest:
    return OrderRequest("r", "a1", "p", "BTCUSDT", kind, NOW, "test", role)


def order(role: OrderRole, *, reduce_only: bool = False) -> Order:
    return Order(
        id="o", account_id="a1", exchange="paper", symbol="BTCUSDT", position_side=Side.LONG, action=Action.SELL,
        role=role, type=OrderType.MARKET, quantity=D(1), plan_id="p", created_at=NOW, request_id="r",
        reduce_only=reduce_only,
    )  # fmt: skip


OPENING = [
    request(),
    request(role=OrderRole.COPY),
    request(role=OrderRole.REBALANCE),
    order(OrderRole.ENTRY),
    order(OrderRole.COPY),
]
LOWERING = [
    request(RequestKind.MOVE_STOP),
    request(role=OrderRole.TARGET),
    order(OrderRole.TARGET, reduce_only=True),
    order(OrderRole.COPY, reduce_only=True),
]
CLOSING = [
    request(RequestKind.CLOSE),
    request(RequestKind.CANCEL_ENTRIES),
    request(role=OrderRole.CLOSE),
    order(OrderRole.CLOSE, reduce_only=True),
    order(OrderRole.STOP, reduce_only=True),
]


def allowed(wish: Order | OrderRequest, stage: Stage) -> bool:
    state = replace(GLOBAL, stage=stage, by="ann", until=LATER if stage is P else None)
    return safety.allows(wish, [state], kill_file=None, now=NOW) is None


@pytest.mark.parametrize("stage", Stage)
def test_what_each_stage_lets_out(stage: Stage) -> None:
    assert {allowed(wish, stage) for wish in OPENING} == {stage is A}
    assert {allowed(wish, stage) for wish in LOWERING} == {stage in (A, P, R)}
    assert {allowed(wish, stage) for wish in CLOSING} == {True}


@pytest.mark.parametrize("stage", [P, R, F, L])
def test_a_refusal_says_what_is_blocked_and_what_is_not(stage: Stage) -> None:
    state = replace(GLOBAL, stage=stage, by="ann", reason="drill", until=LATER if stage is P else None)
    refused = safety.allows(request(), [state], kill_file=None, now=NOW)
    assert refused is not None
    assert refused.rule == f"safety_{stage}"
    for part in ("by ann", "(drill)", "[global]", "losing works", "entries"):
        assert part in refused.sentence


def test_the_file_alone_stops_entries_and_not_closing() -> None:
    refused = safety.allows(request(), [GLOBAL], kill_file="", now=NOW)
    assert refused is not None and "file KILL" in refused.sentence
    assert safety.allows(request(RequestKind.CLOSE), [GLOBAL], kill_file="flatten", now=NOW) is None


def test_flatten_asks_for_every_cancel_before_every_close_once_per_occasion() -> None:
    plan = Plan(
        id="p", account_id="a1", signal_id="s", source="x", exchange="paper", symbol="BTCUSDT", side=Side.LONG,
        entries=(), targets=(), stop_loss=None, leverage=D(1), exits=ExitRules(), risk_amount=None,
        reference_price=D(1), created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    held = Position("x", "a1", "p", "s", "paper", "BTCUSDT", Side.LONG, D(1), NOW, quantity=D(1))
    holds = safety.effective([safety.kill(GLOBAL, "ann", NOW, stage=F, reason="crash")], None, NOW)
    closed, done = replace(held, status=PositionStatus.CLOSED), replace(plan, status=PlanStatus.DONE)
    wishes = safety.flatten_requests(holds, [held, closed], [plan, done], order_id="f1", now=NOW)
    assert [(w.id, w.kind, w.share) for w in wishes] == [
        ("f1:cancel:p", RequestKind.CANCEL_ENTRIES, None),
        ("f1:close:p", RequestKind.CLOSE, D(1)),
    ]
    assert all(allowed(wish, F) and wish.action is Action.SELL and "crash" in wish.reason for wish in wishes)
