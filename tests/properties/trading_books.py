"""What must hold of the books whatever happened, and what must hold once troubles are over."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from modules.domain.money import ONE, ZERO
from modules.domain.orders import Order, OrderRole, OrderState, RequestKind
from modules.domain.plans import Plan
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document
from tests.flows.test_trading_entries import at_the_exchange, working
from tests.flows.world import World
from tests.properties.trading_scripts import Day


def orders_of(world: World, plan_id: str | None = None) -> list[Order]:
    found = [from_document(Order, each) for each in world.store["orders"].all()]
    return [each for each in found if plan_id is None or each.plan_id == plan_id]


def assert_consistent(world: World) -> None:
    """At every moment: positions, orders and plans are what their fills say; nobody is told anything without a sentence."""
    orders = orders_of(world)
    by_order: dict[str, Decimal] = {}
    for fill in world.store["fills"].all():
        by_order[fill["client_order_id"]] = by_order.get(fill["client_order_id"], ZERO) + Decimal(fill["quantity"])
    for order in orders:
        assert order.filled == by_order.get(order.id, ZERO) <= order.quantity, order
        assert (order.state is OrderState.FILLED) == (order.remaining == ZERO), order
    for position in world.positions():
        _assert_position(world, position, [each for each in orders if each.plan_id == position.plan_id])
    hits = Counter((each["position_id"], each["number"]) for each in world.events("TargetHit"))
    assert not [key for key, count in hits.items() if count > 1], hits
    _assert_words(world)


def _assert_position(world: World, position: Position, orders: list[Order]) -> None:
    entered = sum((each.filled for each in orders if each.action is position.side.opening), ZERO)
    left = sum((each.filled for each in orders if each.action is position.side.closing), ZERO)
    assert (position.initial_quantity, position.quantity) == (entered, entered - left), position
    assert position.quantity >= ZERO, position
    assert (position.status is PositionStatus.CLOSED) == (position.quantity == ZERO), position
    assert position.fees == sum((each.fees for each in orders), ZERO), position
    plan = from_document(Plan, world.store["plans"].get(key=position.plan_id) or {})
    entries = [each for each in orders if each.role is OrderRole.ENTRY]
    assert sum((each.quantity for each in entries), ZERO) <= sum((each.quantity for each in plan.entries), ZERO)
    for entry in entries:
        if entry.price is not None and entry.average_price is not None:
            assert (entry.average_price - entry.price) * position.side.sign <= ZERO, entry


def _assert_words(world: World) -> None:
    for alarm in world.events("Alarm"):
        assert alarm["sentence"], alarm
        for impossible in ("can't be true", "beyond what", "never opened", "belongs to no position"):
            assert impossible not in alarm["sentence"], alarm
    for refusal in world.store["refusals"].all():
        assert refusal["sentence"], refusal


def assert_settled(day: Day, *, over: bool = False) -> None:
    """Once troubles are over: nothing waits, the exchange has what the books have, everything held is protected."""
    world = day.world
    _assert_same_at_the_exchange(world)
    waiting = [each for each in world.store["order_requests"].all() if each["status"] == "pending"]
    assert waiting == []
    doubtful = [each for each in orders_of(world) if each.state in (OrderState.SUBMITTED, OrderState.UNKNOWN)]
    assert doubtful == []
    positions = {each.plan_id: each for each in world.positions()}
    for document in world.store["plans"].all():
        working = [each for each in orders_of(world, document["id"]) if each.state.working]
        position = positions.get(document["id"])
        if document["status"] == "done":
            assert working == [], document
            assert position is None or position.status is PositionStatus.CLOSED
        elif position is None or position.status is PositionStatus.CLOSED:
            assert working != [], document
            assert position is None, document
    for position in positions.values():
        assert_protected(day, position)
    _assert_closed_where_asked(world, positions)
    if over:
        assert not [each for each in positions.values() if each.status is PositionStatus.OPEN]
        assert {each["status"] for each in world.store["plans"].all()} <= {"done"}


def _assert_same_at_the_exchange(world: World) -> None:
    """The same orders work, the same is held, and once nothing is held the money is what the trades brought."""
    assert sorted(working(world)) == sorted(at_the_exchange(world))
    ours: Counter[str] = Counter()
    for position in world.positions():
        ours[f"a1|{position.symbol}|{position.side.value}"] += position.quantity  # type: ignore[assignment]
    theirs = {each["id"]: Decimal(each["quantity"]) for each in world.store["paper_positions"].all()}
    assert {key: held for key, held in ours.items() if held} == {key: held for key, held in theirs.items() if held}
    if not any(theirs.values()):  # while something is held, the exchange's average over several trades is another
        assert abs(world.wallet() - 10_000 - sum(each.net_pnl for each in world.positions())) < Decimal("1e-9")


def assert_protected(day: Day, position: Position) -> None:
    """An open position has its stop at the exchange, or is watched here; its targets never close more than is left."""
    orders = orders_of(day.world, position.plan_id)
    working = [each for each in orders if each.state.working]
    if position.status is PositionStatus.CLOSED:
        assert [each for each in working if each.reduce_only] == [], position
        return
    assert any(position.id in monitor.book for monitor in day.world.stage.monitors), position
    targets = sum((each.remaining for each in working if each.role is OrderRole.TARGET), ZERO)
    assert targets <= position.quantity, position
    stops = [each for each in orders if each.role is OrderRole.STOP]
    if position.stop_loss is None:
        assert [each for each in stops if each.state.working] == []
        return
    exact = [each for each in stops if each.state.working and each.remaining == position.quantity]
    if len(exact) == 1 and exact[0].trigger_price == position.stop_loss:
        return
    newest = max(stops, key=lambda each: each.revision)
    told = [each for each in day.world.events("Alarm") if each.get("position_id") == position.id]
    assert newest.state is OrderState.REJECTED, (position, stops)
    assert told, position


def _assert_closed_where_asked(world: World, positions: dict[str, Position]) -> None:
    """A close of everything that was carried out left nothing, unless more was entered afterwards."""
    for request in world.store["order_requests"].all():
        if request["kind"] != RequestKind.CLOSE.value:
            continue
        if request["status"] == "refused":
            assert world.store["refusals"].get(key=f"request:{request['id']}") is not None, request
            continue
        position = positions[request["plan_id"]]
        if request.get("share") == str(ONE) and position.status is PositionStatus.OPEN:
            order = world.store["orders"].get(key=request["outcome"])
            entries = {each.id for each in orders_of(world, position.plan_id) if each.role is OrderRole.ENTRY}
            entered = [each["at"] for each in world.store["fills"].all() if each["client_order_id"] in entries]
            later = order is not None and max(entered) > order["created_at"]
            assert later, (request, order, position)


def assert_closed(day: Day, position: Position, why: str) -> None:
    """The price was there: nothing of the position is left."""
    (now,) = [each for each in day.world.positions() if each.id == position.id]
    assert now.status is PositionStatus.CLOSED, (why, now, orders_of(day.world, position.plan_id))
