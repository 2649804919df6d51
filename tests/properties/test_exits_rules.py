"""What must hold for every exit program on every path: symmetry, causality, honesty of fills, and the plain oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.trading import exit_program as codes
from modules.trading import exits
from modules.trading.exit_book import ExitBook, document_from, program_from_document
from tests.properties.exit_programs import CENTRE, Rules, bars, event_tuple, plain_exits, rules, run

MIRROR = 2 * CENTRE
#: The first call of a kernel loads its machine code, which no example's deadline foresees.
untimed = settings(deadline=None, max_examples=200)
PRICED = {codes.TARGET, codes.STOP, codes.STOP_MOVED, codes.TIME_EXIT, codes.CLOSED}


def mirrored(words: Rules) -> Rules:
    return Rules(
        -words.direction,
        MIRROR - words.entry,
        MIRROR - words.stop if words.stop else 0.0,
        tuple(MIRROR - price for price in words.targets),
        words.shares,
        words.numbers,
    )


def scaled(words: Rules, factor: float) -> Rules:
    numbers = dict(words.numbers)
    numbers["atr"] *= factor
    if numbers["trail_kind"] == codes.TRAIL_AMOUNT:
        numbers["trail_distance"] *= factor
    targets = tuple(price * factor for price in words.targets)
    return Rules(
        words.direction, words.entry * factor, words.stop * factor, targets, words.shares, tuple(numbers.items())
    )


@given(rules(percentages=False), bars())
@untimed
def test_mirrored_prices_give_mirrored_events(words, path):
    straight = run(exits, words.row(), path)
    turned = [(MIRROR - o, MIRROR - low, MIRROR - high, MIRROR - c) for o, high, low, c in path]
    flipped = [
        [(kind, level, reason, MIRROR - price, share) for kind, level, reason, price, share in events]
        for events in run(exits, mirrored(words).row(), turned)
    ]
    assert flipped == straight


@given(rules(), bars(), st.integers(-8, 8))
@untimed
def test_scaled_prices_give_scaled_events(words, path, power):
    factor = 2.0**power
    straight = run(exits, words.row(), path)
    larger = run(exits, scaled(words, factor).row(), [tuple(price * factor for price in bar) for bar in path])
    assert larger == [
        [(kind, level, reason, price * factor, share) for kind, level, reason, price, share in events]
        for events in straight
    ]


@given(rules(), bars())
@untimed
def test_compiled_and_plain_are_equal_bit_for_bit(words, path):
    compiled_row, plain_row = words.row(), words.row()
    assert run(exits, compiled_row, path) == run(plain_exits(), plain_row, path)
    assert compiled_row.tobytes() == plain_row.tobytes()


odd = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 1e-300, 1e300]), st.floats(900.0, 1100.0))


@given(rules(), bars(4), st.lists(st.tuples(st.sampled_from(codes.PROGRAM.names), odd), max_size=3))
@untimed
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # plain numpy scalars tell of overflow; compiled code does not
def test_compiled_and_plain_are_equal_for_nonsense_too(words, path, changes):
    compiled_row, plain_row = words.row(), words.row()
    for name, value in changes:
        whole = codes.PROGRAM[name].base.kind == "i"
        for row in (compiled_row, plain_row):
            row[name] = int(min(max(np.nan_to_num(value), -(2.0**31)), 2.0**31)) if whole else value
    out, plain_out = codes.event_buffer(), codes.event_buffer()
    for number, bar in enumerate(path, start=1):
        count = exits.step(compiled_row, *bar, number, out)
        assert count == plain_exits().step(plain_row, *bar, number, plain_out)
        assert out.tobytes() == plain_out.tobytes()
    assert compiled_row.tobytes() == plain_row.tobytes()


@given(rules(), bars())
@untimed
def test_no_more_is_closed_than_there_was(words, path):
    row = words.row()
    events = [event for told in run(exits, row, path) for event in told]
    closed = sum(event[4] for event in events if event[0] in (codes.TARGET, codes.STOP, codes.TIME_EXIT))
    assert closed <= 1.0 + 1e-12
    assert closed + float(row["remaining"]) == pytest.approx(1.0, abs=1e-9)
    levels = [event[1] for event in events if event[0] == codes.TARGET]
    assert len(levels) == len(set(levels))
    assert [event[0] for event in events].count(codes.CLOSED) == int(row["closed"])
    assert all(event[0] != codes.CLOSED for event in events[:-1])


@given(rules(), bars())
@untimed
def test_a_stop_never_loosens(words, path):
    row, out = words.row(), codes.event_buffer()
    for number, bar in enumerate(path, start=1):
        before = float(row["stop"])
        exits.step(row, *bar, number, out)
        after = float(row["stop"])
        assert after == before or before == 0.0 or (after - before) * words.direction > 0


@given(rules(), bars())
@untimed
def test_fills_lie_inside_the_bar_and_at_a_level_its_open_or_its_close(words, path):
    row = words.row()
    first_counts_by_close = dict(words.numbers)["entry_bar"] == codes.CLOSE_ONLY
    for number, bar in enumerate(path):
        opened, high, low, close = bar
        stop = float(row["stop"])
        out = codes.event_buffer()
        count = exits.step(row, *bar, number + 1, out)
        for kind, level, _, price, _ in map(event_tuple, out[:count]):
            if kind not in (codes.TARGET, codes.STOP, codes.TIME_EXIT):
                continue
            assert low <= price <= high
            own = {codes.TARGET: words.targets[level - 1] if level else 0.0, codes.STOP: stop, codes.TIME_EXIT: close}
            allowed = {own[kind], opened}
            if number == 0:
                allowed |= {close} if first_counts_by_close else {high, low}
            assert price in allowed


@given(rules(), bars(), st.integers(0, 14))
@untimed
def test_a_prefix_of_the_path_gives_a_prefix_of_the_events(words, path, cut):
    assert run(exits, words.row(), path[:cut]) == run(exits, words.row(), path)[:cut]


@given(rules(), bars(), st.integers(0, 14))
@untimed
def test_a_trade_goes_on_from_its_snapshot_as_if_nothing_had_been(words, path, cut):
    whole = run(exits, words.row(), path)
    row = words.row()
    before = run(exits, row, path[:cut])
    again = program_from_document(json.loads(json.dumps(document_from(row))))
    assert again.tobytes() == row.tobytes()
    out, after = codes.event_buffer(), []
    for number, bar in enumerate(path[cut:], start=cut + 1):
        count = exits.step(again, *bar, number, out)
        after.append([event_tuple(event) for event in out[:count]])
    assert before + after == whole


@st.composite
def walks(draw: st.DrawFn) -> list[float]:
    """Single trades one unit apart at most: no level on whole numbers is ever jumped over."""
    moves = draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
    return list(CENTRE + np.cumsum(moves))


@given(rules(percentages=False, grid=True), walks(), st.data())
@untimed
def test_conflating_trades_between_events_changes_no_fill(words, prices, data):
    numbers = {**dict(words.numbers), "entry_bar": codes.ANY_BAR, "time_exit_ms": 0}
    words = Rules(words.direction, words.entry, words.stop, words.targets, words.shares, tuple(numbers.items()))
    single = run(exits, words.row(), [(price,) * 4 for price in prices])
    conflated, group = [], []
    for price, events in zip(prices, single, strict=True):
        group.append(price)
        if events or data.draw(st.booleans()):
            conflated.append((group[0], max(group), min(group), group[-1]))
            group = []
    if group:
        conflated.append((group[0], max(group), min(group), group[-1]))
    flat = [event for events in single for event in events]
    assert [event for events in run(exits, words.row(), conflated) for event in events] == flat


@given(rules(), walks())
@untimed
def test_resting_orders_filled_where_touched_end_like_virtual_ones(words, prices):
    """An exchange that fills each resting order as the kernel says is indistinguishable from the kernel's own fills."""
    virtual, resting, out = words.row(), words.row(), codes.event_buffer()
    resting["resting"] = 1
    for number, price in enumerate(prices, start=1):
        count = exits.step(virtual, price, price, price, price, number, out)
        expected = [_fill_of(event_tuple(event)) for event in out[:count] if event["kind"] in FILLS]
        count = exits.step(resting, price, price, price, price, number, out)
        touched = [event_tuple(event) for event in out[:count]]
        assert [_fill_of(event) for event in touched if event[0] in FILLS] == expected
        for event in touched:
            _fill(resting, event)
        assert resting["closed"] == virtual["closed"]
        assert resting["closed"] == 1 or resting["stop"] == virtual["stop"]
        assert resting["remaining"] == pytest.approx(float(virtual["remaining"]), abs=1e-12)


FILLS = (codes.TARGET, codes.STOP, codes.TIME_EXIT)


def _fill(row: np.void, event: tuple) -> None:
    role = {
        codes.TARGET: codes.FILLED_TARGET,
        codes.STOP: codes.FILLED_STOP,
        codes.TIME_EXIT: codes.FILLED_CLOSE,
    }.get(event[0])
    if role is not None and event[4] > 0.0:
        share = min(event[4], float(row["remaining"]))
        assert exits.apply_fill(row, role, event[1], share, True, codes.event_buffer()) >= 0


def _fill_of(event: tuple) -> tuple:
    return (event[0], event[1], event[3])


@given(st.lists(rules(), min_size=1, max_size=20), bars(6), st.data())
@settings(deadline=None, max_examples=50)
def test_the_book_steps_every_trade_as_if_it_were_alone(programs, path, data):
    book, alone = ExitBook(), {}
    for number, words in enumerate(programs):
        symbol = f"S{number % 2}"
        book.add(f"p{number}", symbol, words.row())
        alone[f"p{number}"] = (symbol, words.row())
    out = codes.event_buffer()
    for time_ms, bar in enumerate(path, start=1):
        dropped = data.draw(st.sampled_from([*alone, None]))
        if dropped is not None and len(alone) > 1:
            book.remove(dropped)
            del alone[dropped]
        for symbol in ("S0", "S1"):
            told = [(e.position_id, e.kind.value, e.level) for e in book.on_bar(symbol, bar, time_ms)]
            expected = []
            for position_id in book.ids(symbol):
                count = exits.step(alone[position_id][1], *bar, time_ms, out)
                expected += [(position_id, KIND_NAMES[int(e["kind"])], int(e["level"])) for e in out[:count]]
            assert told == expected
    for position_id, (_, row) in alone.items():
        assert book.program(position_id).tobytes() == row.tobytes()


KIND_NAMES = {
    codes.TARGET: "target",
    codes.STOP: "stop",
    codes.STOP_MOVED: "stop_moved",
    codes.TIME_EXIT: "time_exit",
    codes.CLOSED: "closed",
}
