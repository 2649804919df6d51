"""The book of exit programs: typed events, fills, snapshots and what is dirty."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

from modules.domain.errors import Conflict, InvalidInput, NotFound
from modules.domain.market import Quote
from modules.domain.orders import OrderRole
from modules.trading import exit_program as codes
from modules.trading.exit_book import ExitBook, ExitEvent, ExitKind, ExitReason, program_from_document

D = Decimal


def program(**fields: object) -> np.void:
    row = codes.blank()
    row["entry"] = row["best"] = row["worst"] = 100.0
    row["stop"] = row["initial_stop"] = 95.0
    row["levels"] = 2
    row["target"][:2], row["share"][:2] = (102.0, 104.0), (0.5, 0.5)
    for name, value in fields.items():
        row[name] = value
    return row


def quote(price: str, high: str | None = None, low: str | None = None, symbol: str = "BTCUSDT") -> Quote:
    last = D(price)
    return Quote("x", symbol, 7, 7, last, last, D(high or price), D(low or price), last, last)


def test_events_are_typed_and_in_order():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program(break_even_after=1))
    assert book.on_quote("BTCUSDT", quote("101", high="102.00")) == [
        ExitEvent("p1", "BTCUSDT", ExitKind.TARGET, 7, D(102), D("0.5"), 1),
        ExitEvent("p1", "BTCUSDT", ExitKind.STOP_MOVED, 7, D(100), D("0.5"), 0, ExitReason.BREAK_EVEN),
    ]
    assert book.on_quote("BTCUSDT", quote("99")) == [
        ExitEvent("p1", "BTCUSDT", ExitKind.STOP, 7, D(99), D("0.5"), 0, ExitReason.BREAK_EVEN),
        ExitEvent("p1", "BTCUSDT", ExitKind.CLOSED, 7, D(99), D(0), 0, ExitReason.BREAK_EVEN),
    ]


def test_a_quote_touches_its_own_symbol_only():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    book.add("p2", "ETHUSDT", program())
    assert [event.position_id for event in book.on_quote("ETHUSDT", quote("90", symbol="ETHUSDT"))] == ["p2", "p2"]
    assert book.on_quote("SOLUSDT", quote("90", symbol="SOLUSDT")) == []
    assert book.symbols() == ("BTCUSDT", "ETHUSDT")


def test_removing_one_of_many_keeps_the_others():
    book = ExitBook()
    for number in range(40):
        book.add(f"p{number}", "BTCUSDT", program(stop=95.0 - number / 10))
    for number in range(0, 40, 2):
        book.remove(f"p{number}")
    book.remove("unknown")
    assert len(book) == 20
    assert sorted(book.ids("BTCUSDT")) == sorted(f"p{number}" for number in range(1, 40, 2))
    assert all(book.program(f"p{number}")["stop"] == 95.0 - number / 10 for number in range(1, 40, 2))
    stopped = [e.position_id for e in book.on_quote("BTCUSDT", quote("94.75")) if e.kind is ExitKind.STOP]
    assert stopped == ["p1"]


def test_the_last_one_removed_forgets_the_symbol():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    book.remove("p1")
    assert book.symbols() == ()
    assert "p1" not in book


def test_what_is_dirty():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    book.add("p2", "BTCUSDT", program(opened_ms=100))
    assert book.dirty() == ["p1", "p2"]
    book.flushed()
    assert book.dirty() == []
    book.on_quote("BTCUSDT", quote("100"))
    assert book.dirty() == []
    book.on_quote("BTCUSDT", quote("101"))
    assert book.dirty() == ["p1"]
    book.flushed()
    book.remove("p1")
    assert book.dirty() == []
    book.move_stop("p2", D(97))
    assert book.dirty() == ["p2"]


def test_a_snapshot_reads_back_exactly():
    book, again = ExitBook(), ExitBook()
    row = program(trail_kind=codes.TRAIL_PERCENT, trail_distance=0.1 + 0.2, best=1 / 3 * 400, atr=1e-17)
    book.add("p1", "BTCUSDT", row)
    again.restore("p1", "BTCUSDT", json.loads(json.dumps(book.snapshot("p1"))))
    assert again.program("p1").tobytes() == row.tobytes()


@pytest.mark.parametrize(
    "change",
    [{"layout": 2}, {"stop": "95"}, {"stop": None}, {"target": 5}, {"target": [1.0] * 17}, {"direction": 0}],
)
def test_a_strange_document_is_refused(change):
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    with pytest.raises(InvalidInput):
        program_from_document({**book.snapshot("p1"), **change})


def test_fills_of_resting_orders():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program(resting=1, break_even_after=1))
    (touched,) = book.on_quote("BTCUSDT", quote("102"))
    assert (touched.kind, touched.level) == (ExitKind.TARGET, 1)
    (moved,) = book.apply_fill("p1", OrderRole.TARGET, D("0.5"), 8, level=1)
    assert (moved.kind, moved.price, moved.reason, moved.time_ms) == (
        ExitKind.STOP_MOVED,
        D(100),
        ExitReason.BREAK_EVEN,
        8,
    )
    (closed,) = book.apply_fill("p1", OrderRole.CLOSE, D("0.5"), 9)
    assert (closed.kind, closed.reason, closed.price) == (ExitKind.CLOSED, ExitReason.ORDER, None)


def test_fills_belong_to_their_own_row():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program(resting=1))
    book.add("p2", "BTCUSDT", program(resting=1))
    (closed,) = book.apply_fill("p2", OrderRole.STOP, D(1), 8)
    assert closed.position_id == "p2"
    assert book.program("p1")["closed"] == 0


def test_fills_that_cannot_be():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program(resting=1))
    with pytest.raises(Conflict):
        book.apply_fill("p1", OrderRole.TARGET, D("0.5"), 8, level=3)
    with pytest.raises(Conflict):
        book.apply_fill("p1", OrderRole.STOP, D("1.5"), 8)
    with pytest.raises(InvalidInput):
        book.apply_fill("p1", OrderRole.ENTRY, D("0.5"), 8)
    with pytest.raises(NotFound):
        book.apply_fill("p2", OrderRole.STOP, D("0.5"), 8)


def test_a_stop_moved_by_hand_holds_from_the_next_quote_and_rules_only_tighten_it():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program(break_even_after=1))
    book.move_stop("p1", D(90))
    assert book.on_quote("BTCUSDT", quote("92")) == []
    (stopped, _) = book.on_quote("BTCUSDT", quote("90"))
    assert (stopped.price, stopped.reason) == (D(90), ExitReason.MANUAL)
    with pytest.raises(InvalidInput):
        book.move_stop("p1", D(0))


def test_an_atr_reaches_every_trade_of_its_symbol():
    book = ExitBook()
    for name in ("p1", "p2"):
        book.add(name, "BTCUSDT", program(trail_kind=codes.TRAIL_ATR, trail_distance=2.0))
    assert book.on_quote("BTCUSDT", quote("101")) == []
    book.set_atr("BTCUSDT", 1.0)
    book.set_atr("BTCUSDT", float("nan"))
    moves = book.on_quote("BTCUSDT", quote("101"))
    assert [(event.position_id, event.price) for event in moves] == [("p1", D(99)), ("p2", D(99))]


def test_the_same_trade_twice_and_broken_programs_are_refused():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    with pytest.raises(Conflict):
        book.add("p1", "ETHUSDT", program())
    with pytest.raises(InvalidInput):
        book.add("p2", "BTCUSDT", program(entry=0.0))
    with pytest.raises(InvalidInput):
        book.update("p1", program(stop=float("nan")))
    with pytest.raises(InvalidInput):
        book.on_bar("BTCUSDT", (1.0, float("nan"), 1.0, 1.0), 7)
    assert len(book) == 1


def test_a_changed_program_takes_the_place_of_the_old_one():
    book = ExitBook()
    book.add("p1", "BTCUSDT", program())
    row = book.program("p1")
    row["stop"] = 99.0
    assert book.on_quote("BTCUSDT", quote("98.5", high="98.5", low="98.5")) == []
    book.update("p1", row)
    assert [event.kind for event in book.on_quote("BTCUSDT", quote("98.5"))] == [ExitKind.STOP, ExitKind.CLOSED]
