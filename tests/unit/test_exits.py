"""Hand-computed exits: each row of the table is a trade, its bars, and every event they must give, to the last digit.

Every scenario runs compiled and as plain Python; those without percentages run mirrored as well (a price p becomes
200 - p and long becomes short), which must give the mirrored events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from modules.trading import exit_program as codes
from modules.trading import exits
from tests.properties.exit_programs import plain_exits

LONG, SHORT = 1, -1
MIRROR = 200.0
FIVE = {"target": [102.0, 104.0, 106.0, 108.0, 110.0], "share": [0.2] * 5}
REASONS = {
    codes.INITIAL: "initial",
    codes.BREAK_EVEN: "break_even",
    codes.FOLLOWED: "followed",
    codes.TRAILED: "trailed",
    codes.BY_TARGETS: "targets",
    codes.BY_TIME: "time",
    codes.BY_ORDER: "order",
}


def target(level: int, price: float, share: float) -> tuple[object, ...]:
    return ("target", level, price, share)


def stop(price: float, share: float, reason: str = "initial") -> tuple[object, ...]:
    return ("stop", price, share, reason)


def moved(price: float, reason: str) -> tuple[object, ...]:
    return ("moved", price, reason)


def timed(price: float, share: float) -> tuple[object, ...]:
    return ("time", price, share)


def closed(reason: str) -> tuple[object, ...]:
    return ("closed", reason)


@dataclass(frozen=True)
class Case:
    name: str
    rules: dict[str, object]
    bars: list[tuple[float, float, float, float]]
    events: list[list[tuple[object, ...]]]
    direction: int = LONG
    stop: float = 95.0
    entry: float = 100.0
    mirrors: bool = True
    extremes: tuple[float, float] | None = field(default=None)


def tick(price: float) -> tuple[float, float, float, float]:
    return (price, price, price, price)


CASES = [
    Case("nothing is touched", FIVE, [(100, 101.9, 95.1, 101)], [[]], extremes=(101.9, 95.1)),
    Case("the stop is touched exactly", FIVE, [(100, 101, 95, 96)], [[stop(95.0, 1.0), closed("initial")]]),
    Case("the stop is missed by a hair", FIVE, [(100, 101, 95.01, 96)], [[]]),
    Case("a gap through the stop fills at the open", FIVE, [(93, 94, 92, 93)], [[stop(93.0, 1.0), closed("initial")]]),
    Case("an open exactly at the stop fills there", FIVE, [(95, 97, 94, 96)], [[stop(95.0, 1.0), closed("initial")]]),
    Case("the first target closes its share", FIVE, [(100, 102, 99, 101)], [[target(1, 102.0, 0.2)]]),
    Case(
        "a gap beyond the first target is better",
        FIVE,
        [(103, 103.5, 102.5, 103)],
        [[target(1, 103.0, 0.2)]],
    ),
    Case(
        "a gap beyond two targets fills both at the open",
        FIVE,
        [(105, 105, 104, 104)],
        [[target(1, 105.0, 0.2), target(2, 105.0, 0.2)]],
    ),
    Case(
        "one bar through the whole ladder",
        FIVE,
        [(100, 110, 100, 110)],
        [[target(n, 100.0 + 2 * n, 0.2) for n in range(1, 6)] + [closed("targets")]],
        extremes=(110.0, 100.0),
    ),
    Case(
        "both touched in one bar: the stop comes first",
        FIVE,
        [(100, 106, 94, 105)],
        [[stop(95.0, 1.0), closed("initial")]],
        extremes=(100.0, 95.0),
    ),
    Case(
        "five targets one by one, break-even after the first",
        {**FIVE, "break_even_after": 1},
        [tick(102), tick(104), tick(106), tick(108), tick(110)],
        [
            [target(1, 102.0, 0.2), moved(100.0, "break_even")],
            [target(2, 104.0, 0.2)],
            [target(3, 106.0, 0.2)],
            [target(4, 108.0, 0.2)],
            [target(5, 110.0, 0.2), closed("targets")],
        ],
    ),
    Case(
        "target 1, then back to the entry: stopped at break-even",
        {**FIVE, "break_even_after": 1},
        [(100, 102, 99, 101), (101, 101, 99, 99)],
        [[target(1, 102.0, 0.2), moved(100.0, "break_even")], [stop(100.0, 0.8, "break_even"), closed("break_even")]],
    ),
    Case(
        "the bar that moves the stop can't be stopped by it",
        {**FIVE, "break_even_after": 1},
        [(101, 102, 98, 99), (99, 99.5, 98.5, 99)],
        [[target(1, 102.0, 0.2), moved(100.0, "break_even")], [stop(99.0, 0.8, "break_even"), closed("break_even")]],
    ),
    Case(
        "break-even waits for target 2",
        {**FIVE, "break_even_after": 2},
        [tick(102), tick(99), tick(104)],
        [[target(1, 102.0, 0.2)], [], [target(2, 104.0, 0.2), moved(100.0, "break_even")]],
    ),
    Case(
        "break-even with an offset of 0.25 percent",
        {**FIVE, "break_even_after": 1, "break_even_offset": 0.0025},
        [tick(102), tick(100.25)],
        [[target(1, 102.0, 0.2), moved(100.25, "break_even")], [stop(100.25, 0.8, "break_even"), closed("break_even")]],
        mirrors=False,
    ),
    Case(
        "a short's offset goes below its entry",
        {"target": [98.0], "share": [1.0], "break_even_at_r": 0.25, "break_even_offset": 0.0025},
        [tick(98.75)],
        [[moved(99.75, "break_even")]],
        direction=SHORT,
        stop=105.0,
        mirrors=False,
    ),
    Case(
        "break-even at 1.5 times the first risk",
        {**FIVE, "target": [109.0, 110.0], "share": [0.5, 0.5], "break_even_at_r": 1.5},
        [tick(107.25), tick(107.5)],
        [[], [moved(100.0, "break_even")]],
    ),
    Case(
        "the stop follows the targets, one behind",
        {**FIVE, "follow": 1},
        [tick(102), tick(104), tick(106), tick(104)],
        [
            [target(1, 102.0, 0.2), moved(100.0, "followed")],
            [target(2, 104.0, 0.2), moved(102.0, "followed")],
            [target(3, 106.0, 0.2), moved(104.0, "followed")],
            [stop(104.0, 0.4, "followed"), closed("followed")],
        ],
    ),
    Case(
        "two behind: the entry until target 3",
        {**FIVE, "follow": 2},
        [tick(104), tick(106)],
        [
            [target(1, 104.0, 0.2), target(2, 104.0, 0.2), moved(100.0, "followed")],
            [target(3, 106.0, 0.2), moved(102.0, "followed")],
        ],
    ),
    Case(
        "a trail by amount follows the high and never goes back",
        {"trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 3.0},
        [(100, 101, 99, 100), (100, 100, 98.5, 99), (99, 104, 99, 103), tick(101)],
        [[moved(98.0, "trailed")], [], [moved(101.0, "trailed")], [stop(101.0, 1.0, "trailed"), closed("trailed")]],
    ),
    Case(
        "a trail in percent of the best price",
        {"trail_kind": codes.TRAIL_PERCENT, "trail_distance": 0.0625},
        [tick(112), tick(128), tick(120)],
        [[moved(105.0, "trailed")], [moved(120.0, "trailed")], [stop(120.0, 1.0, "trailed"), closed("trailed")]],
        mirrors=False,
    ),
    Case(
        "a trail with a step moves only by whole steps",
        {"trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 5.0, "trail_step": 1 / 64},
        [tick(100.5), tick(101), tick(102), tick(103), tick(104)],
        [[], [], [moved(97.0, "trailed")], [], [moved(99.0, "trailed")]],
        mirrors=False,
    ),
    Case(
        "a trail moves by exactly one step",
        {"trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 5.0, "trail_step": 1 / 64},
        [tick(126), tick(127.984375), tick(128)],
        [[moved(121.0, "trailed")], [], [moved(123.0, "trailed")]],
        mirrors=False,
    ),
    Case(
        "a trail wakes at its activation",
        {"trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 1.0, "trail_activation": 0.03125},
        [tick(103), tick(103.125), tick(102.5)],
        [[], [moved(102.125, "trailed")], []],
        mirrors=False,
    ),
    Case(
        "an ATR trail: twice an ATR of 1.5",
        {"trail_kind": codes.TRAIL_ATR, "trail_distance": 2.0, "atr": 1.5},
        [tick(104), tick(101)],
        [[moved(101.0, "trailed")], [stop(101.0, 1.0, "trailed"), closed("trailed")]],
    ),
    Case(
        "an ATR trail without an ATR rests",
        {"trail_kind": codes.TRAIL_ATR, "trail_distance": 2.0},
        [tick(104), tick(101)],
        [[], []],
    ),
    Case(
        "the tightest rule wins",
        {**FIVE, "break_even_after": 1, "follow": 1, "trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 1.5},
        [(100, 102, 100, 102), (102, 104, 102, 104)],
        [
            [target(1, 102.0, 0.2), moved(100.5, "trailed")],
            [target(2, 104.0, 0.2), moved(102.5, "trailed")],
        ],
    ),
    Case(
        "a looser break-even does not touch a tighter stop",
        {**FIVE, "break_even_after": 1},
        [tick(102)],
        [[target(1, 102.0, 0.2)]],
        stop=100.5,
    ),
    Case(
        "time exit at the close, after the levels",
        {**FIVE, "time_exit_ms": 2},
        [(100, 101, 99, 100.5), (100, 102, 99, 101)],
        [[], [target(1, 102.0, 0.2), timed(101.0, 0.8), closed("time")]],
    ),
    Case(
        "shares that leave a runner",
        {"target": [102.0], "share": [0.5], "break_even_after": 1},
        [tick(102), tick(150), tick(100)],
        [
            [target(1, 102.0, 0.5), moved(100.0, "break_even")],
            [],
            [stop(100.0, 0.5, "break_even"), closed("break_even")],
        ],
    ),
    Case("no stop at all: only targets", FIVE, [(100, 101, 1, 1)], [[]], stop=0.0, mirrors=False),
    Case(
        "without a stop break-even makes one",
        {**FIVE, "break_even_after": 1},
        [tick(102)],
        [[target(1, 102.0, 0.2), moved(100.0, "break_even")]],
        stop=0.0,
        mirrors=False,
    ),
    Case(
        "a target with no share is only noted",
        {"target": [102.0, 104.0], "share": [0.0, 1.0], "follow": 1},
        [tick(102), tick(104)],
        [[target(1, 102.0, 0.0), moved(100.0, "followed")], [target(2, 104.0, 1.0), closed("targets")]],
    ),
    Case(
        "entered at the open: a level fills at its own price",
        {**FIVE, "entry_bar": codes.OWN_PRICE},
        [(103, 103.5, 101.5, 103)],
        [[target(1, 102.0, 0.2)]],
    ),
    Case(
        "entered at the open below the stop: its own price, within the range",
        {**FIVE, "entry_bar": codes.OWN_PRICE},
        [(94, 96, 93, 94)],
        [[stop(95.0, 1.0), closed("initial")]],
    ),
    Case(
        "own price never lies outside the bar",
        {**FIVE, "entry_bar": codes.OWN_PRICE},
        [(93, 94, 92, 93)],
        [[stop(94.0, 1.0), closed("initial")]],
    ),
    Case(
        "own price holds for the first bar only",
        {**FIVE, "entry_bar": codes.OWN_PRICE},
        [(100, 101, 99, 100), (94, 96, 93, 94)],
        [[], [stop(94.0, 1.0), closed("initial")]],
    ),
    Case(
        "entered inside the bar: its high may be older than the entry",
        {**FIVE, "entry_bar": codes.ENTERED_INSIDE},
        [(103, 105, 99, 101), (101, 102, 100, 101)],
        [[], [target(1, 102.0, 0.2)]],
        extremes=(102.0, 99.0),
    ),
    Case(
        "entered inside the bar: the close is later than the entry",
        {**FIVE, "entry_bar": codes.ENTERED_INSIDE},
        [(103, 105, 99, 102.5)],
        [[target(1, 102.0, 0.2)]],
    ),
    Case(
        "entered inside the bar: the stop counts at once",
        {**FIVE, "entry_bar": codes.ENTERED_INSIDE},
        [(103, 105, 94, 104)],
        [[stop(95.0, 1.0), closed("initial")]],
    ),
    Case(
        "a quote that began before the entry counts by its last price",
        {**FIVE, "entry_bar": codes.CLOSE_ONLY},
        [(94, 103, 94, 101), (101, 101, 95, 96)],
        [[], [stop(95.0, 1.0), closed("initial")]],
    ),
    Case(
        "bars before the entry are ignored",
        {**FIVE, "opened_ms": 2},
        [tick(90), tick(102)],
        [[], [target(1, 102.0, 0.2)]],
        extremes=(102.0, 100.0),
    ),
    Case(
        "a moved stop lands on a tick",
        {"trail_kind": codes.TRAIL_AMOUNT, "trail_distance": 1.26, "tick_numerator": 1.0, "tick_denominator": 10.0},
        [tick(102), tick(100.7)],
        [[moved(100.7, "trailed")], [stop(100.7, 1.0, "trailed"), closed("trailed")]],
        mirrors=False,
    ),
]


def program(case: Case) -> np.void:
    row = codes.blank()
    row["direction"] = case.direction
    row["entry"] = row["best"] = row["worst"] = case.entry
    row["stop"] = row["initial_stop"] = case.stop
    for name, value in case.rules.items():
        if isinstance(value, list):
            row[name][: len(value)] = value
            row["levels"] = len(value)
        else:
            row[name] = value
    return row


def mirrored(case: Case) -> Case:
    def flip(event: tuple[object, ...]) -> tuple[object, ...]:
        at = {"target": 2, "stop": 1, "moved": 1, "time": 1}.get(str(event[0]))
        return event if at is None else (*event[:at], MIRROR - event[at], *event[at + 1 :])

    rules = dict(case.rules)
    if "target" in rules:
        rules["target"] = [MIRROR - price for price in rules["target"]]
    return Case(
        case.name + " (mirrored)",
        rules,
        [(MIRROR - o, MIRROR - low, MIRROR - high, MIRROR - c) for o, high, low, c in case.bars],
        [[flip(event) for event in events] for events in case.events],
        -case.direction,
        MIRROR - case.stop,
        MIRROR - case.entry,
        extremes=case.extremes and (MIRROR - case.extremes[0], MIRROR - case.extremes[1]),
    )


def told(event: np.void) -> tuple[object, ...]:
    kind, price, share = event["kind"], round(float(event["price"]), 9), round(float(event["share"]), 9)
    match kind:
        case codes.TARGET:
            return target(int(event["level"]), price, share)
        case codes.STOP:
            return stop(price, share, REASONS[int(event["reason"])])
        case codes.STOP_MOVED:
            return moved(price, REASONS[int(event["reason"])])
        case codes.TIME_EXIT:
            return timed(price, share)
        case codes.CLOSED:
            return closed(REASONS[int(event["reason"])])
    raise AssertionError(f"unexpected kind {kind}")


ALL = CASES + [mirrored(case) for case in CASES if case.mirrors]


@pytest.mark.parametrize("kernel", [exits, plain_exits()], ids=["compiled", "plain"])
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_trade_gives_exactly_these_events(case, kernel):
    row, out = program(case), codes.event_buffer()
    happened = []
    for number, bar in enumerate(case.bars, start=1):
        count = kernel.step(row, *map(float, bar), number, out)
        assert count >= 0
        happened.append([told(event) for event in out[:count]])
    assert happened == case.events
    if case.extremes is not None:
        assert (float(row["best"]), float(row["worst"])) == case.extremes


def test_a_closed_trade_gives_nothing_more():
    row, out = program(CASES[1]), codes.event_buffer()
    assert exits.step(row, 95.0, 95.0, 95.0, 95.0, 1, out) == 2
    before = row.tobytes()
    assert exits.step(row, 200.0, 200.0, 1.0, 1.0, 2, out) == 0
    assert row.tobytes() == before


@pytest.mark.parametrize(
    "bar",
    [
        (np.nan, 101.0, 99.0, 100.0),
        (100.0, np.nan, 99.0, 100.0),
        (100.0, 101.0, np.nan, 100.0),
        (100.0, 101.0, 99.0, np.nan),
        (100.0, np.inf, 99.0, 100.0),
        (0.0, 101.0, 0.0, 100.0),
        (-5.0, 101.0, -5.0, 100.0),
        (100.0, 99.0, 101.0, 100.0),
        (102.0, 101.0, 99.0, 100.0),
        (100.0, 101.0, 99.0, 98.0),
    ],
)
@pytest.mark.parametrize("kernel", [exits, plain_exits()], ids=["compiled", "plain"])
def test_impossible_prices_decide_nothing(bar, kernel):
    row, out = program(CASES[10]), codes.event_buffer()
    before = row.tobytes()
    assert kernel.step(row, *bar, 1, out) == codes.BAD_PRICE
    assert kernel.step_all(np.array([row]), bar, 1, out) == codes.BAD_PRICE
    assert row.tobytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("direction", 0),
        ("entry", np.nan),
        ("entry", 0.0),
        ("stop", np.nan),
        ("stop", -1.0),
        ("stop", np.inf),
        ("levels", 17),
        ("levels", -1),
        ("reached", 6),
        ("reached", -1),
        ("remaining", 0.0),
        ("remaining", 1.1),
        ("remaining", np.nan),
    ],
)
def test_an_unsound_program_is_refused_and_holds_up_no_other(name, value):
    sound, broken, out = program(CASES[0]), program(CASES[0]), codes.event_buffer(2)
    broken[name] = value
    assert exits.step(broken, 95.0, 95.0, 95.0, 95.0, 1, out) == codes.BAD_PROGRAM
    rows = np.array([broken, sound])
    assert exits.step_all(rows, (95.0, 95.0, 95.0, 95.0), 1, out) == 3
    assert out["kind"][:3].tolist() == [codes.FAULT, codes.STOP, codes.CLOSED]
    assert out["row"][:3].tolist() == [0, 1, 1]


@pytest.mark.parametrize("rule", ["atr", "trail_distance", "break_even_at_r", "break_even_offset", "trail_activation"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_rule_that_is_not_a_number_moves_no_stop(rule, value):
    row, out = program(CASES[0]), codes.event_buffer()
    row["trail_kind"], row["trail_distance"], row["atr"] = codes.TRAIL_ATR, 2.0, 1.0
    if rule.startswith("break_even"):
        row["trail_kind"], row["break_even_at_r"] = codes.TRAIL_NONE, 0.1
    row[rule] = value
    assert exits.step(row, 101.0, 101.0, 101.0, 101.0, 1, out) == 0
    assert row["stop"] == 95.0


def test_a_buffer_without_room_is_refused():
    row = program(CASES[0])
    assert exits.step(row, 100.0, 100.0, 100.0, 100.0, 1, codes.event_buffer()[:5]) == codes.NO_ROOM
    assert exits.step_all(np.array([row, row]), (100.0,) * 4, 1, codes.event_buffer(1)) == codes.NO_ROOM


class TestPrimitives:
    @pytest.mark.parametrize("kernel", [exits, plain_exits()], ids=["compiled", "plain"])
    @pytest.mark.parametrize(
        ("name", "direction", "level", "filled"),
        [
            ("stop_fill", LONG, 99.0, 99.0),
            ("stop_fill", LONG, 100.5, 100.0),
            ("stop_fill", LONG, 97.9, None),
            ("stop_fill", SHORT, 101.0, 101.0),
            ("stop_fill", SHORT, 99.5, 100.0),
            ("stop_fill", SHORT, 102.1, None),
            ("target_fill", LONG, 102.0, 102.0),
            ("target_fill", LONG, 99.5, 100.0),
            ("target_fill", LONG, 102.1, None),
            ("target_fill", SHORT, 98.0, 98.0),
            ("target_fill", SHORT, 100.5, 100.0),
            ("target_fill", SHORT, 97.9, None),
            ("stop_fill", LONG, 0.0, None),
            ("stop_fill", LONG, np.nan, None),
            ("stop_fill", LONG, np.inf, None),
            ("target_fill", SHORT, np.nan, None),
            ("target_fill", SHORT, np.inf, None),
        ],
    )
    def test_levels_in_a_bar_from_98_to_102_that_opened_at_100(self, kernel, name, direction, level, filled):
        price = getattr(kernel, name)(direction, level, 100.0, 102.0, 98.0)
        assert np.isnan(price) if filled is None else price == filled


def test_a_target_closes_no_more_than_a_close_by_hand_left():
    row, out = program(CASES[0]), codes.event_buffer()
    assert exits.apply_fill(row, codes.FILLED_CLOSE, 0, 0.9, True, out) == 0
    count = exits.step(row, 102.0, 102.0, 102.0, 102.0, 1, out)
    assert [told(event) for event in out[:count]] == [target(1, 102.0, 0.1), closed("targets")]


class TestRestingRows:
    """Orders lie at the exchange: touches are told once, only fills change what is left."""

    def row(self, **rules: object) -> np.void:
        row = program(Case("resting", {**FIVE, **rules}, [], []))
        row["resting"] = 1
        return row

    def step(self, row: np.void, price: float) -> list[tuple[object, ...]]:
        out = codes.event_buffer()
        return [told(event) for event in out[: exits.step(row, price, price, price, price, 1, out)]]

    def fill(self, row: np.void, role: int, share: float, level: int = 0, complete: bool = True):
        out = codes.event_buffer()
        count = exits.apply_fill(row, role, level, share, complete, out)
        return count if count < 0 else [told(event) for event in out[:count]]

    def test_a_touch_is_told_once_and_closes_nothing(self):
        row = self.row()
        assert self.step(row, 102.0) == [target(1, 102.0, 0.2)]
        assert self.step(row, 102.0) == []
        assert row["remaining"] == 1.0
        assert row["reached"] == 0

    def test_a_fill_of_target_1_moves_the_stop_at_once(self):
        row = self.row(break_even_after=1)
        assert self.fill(row, codes.FILLED_TARGET, 0.2, level=1) == [moved(100.0, "break_even")]
        assert row["remaining"] == pytest.approx(0.8)

    def test_a_partial_fill_of_a_target_is_not_yet_the_target(self):
        row = self.row(break_even_after=1)
        assert self.fill(row, codes.FILLED_TARGET, 0.1, level=1, complete=False) == []
        assert row["reached"] == 0
        assert self.fill(row, codes.FILLED_TARGET, 0.1, level=1) == [moved(100.0, "break_even")]

    def test_all_targets_filled_closes(self):
        row = self.row()
        for level in range(1, 5):
            assert self.fill(row, codes.FILLED_TARGET, 0.2, level=level) == []
        assert self.fill(row, codes.FILLED_TARGET, 0.2, level=5) == [closed("targets")]
        assert row["closed"] == 1

    def test_a_stop_touch_waits_for_its_fill(self):
        row = self.row()
        assert self.step(row, 94.0) == [stop(94.0, 1.0)]
        assert self.step(row, 94.0) == []
        assert self.fill(row, codes.FILLED_STOP, 1.0) == [closed("initial")]

    def test_a_moved_stop_is_told_of_again_when_touched(self):
        row = self.row(break_even_after=1)
        assert self.step(row, 95.0) == [stop(95.0, 1.0)]
        assert self.fill(row, codes.FILLED_TARGET, 0.2, level=1) == [moved(100.0, "break_even")]
        assert self.step(row, 99.0) == [stop(99.0, 0.8, "break_even")]

    def test_a_touched_stop_comes_before_the_time_exit(self):
        row = self.row(time_exit_ms=1)
        assert self.step(row, 94.0) == [stop(94.0, 1.0)]
        assert self.step(row, 94.0) == [timed(94.0, 1.0)]

    def test_a_target_without_a_share_needs_no_fill(self):
        row = self.row(target=[102.0, 104.0], share=[0.0, 1.0], follow=1)
        assert self.step(row, 102.0) == [target(1, 102.0, 0.0), moved(100.0, "followed")]

    def test_a_close_by_hand(self):
        row = self.row()
        assert self.fill(row, codes.FILLED_CLOSE, 0.5) == []
        assert self.fill(row, codes.FILLED_CLOSE, 0.5) == [closed("order")]

    def test_a_time_exit_is_asked_for_once(self):
        row = self.row(time_exit_ms=1)
        assert self.step(row, 101.0) == [timed(101.0, 1.0)]
        assert self.step(row, 101.0) == []
        assert row["closed"] == 0

    @pytest.mark.parametrize(
        ("role", "share", "level"),
        [
            (codes.FILLED_TARGET, 0.2, 0),
            (codes.FILLED_TARGET, 0.2, 6),
            (codes.FILLED_STOP, 1.1, 0),
            (codes.FILLED_STOP, 0.0, 0),
            (codes.FILLED_STOP, float("nan"), 0),
            (9, 0.2, 1),
        ],
    )
    def test_a_fill_that_cannot_be_changes_nothing(self, role, share, level):
        row = self.row()
        before = row.tobytes()
        assert self.fill(row, role, share, level) == codes.BAD_FILL
        assert row.tobytes() == before
