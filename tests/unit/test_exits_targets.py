"""Programs from plans, positions and signals, and the way back to Decimal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from modules.domain.errors import InvalidInput
from modules.domain.instruments import Instrument, MarketKind
from modules.domain.plans import ExitRules, Plan, PlannedTarget, Trailing, TrailKind
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Side
from modules.domain.signals import Signal, SignalHit
from modules.trading import exit_program as codes
from modules.trading import exits
from modules.trading.targets import (
    FirstBar,
    equal_shares,
    price_out,
    program_from,
    program_from_signal,
    quantities,
    rebase,
    share_out,
)

D = Decimal
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = 1_767_268_800_000
BTC = Instrument("x", "BTCUSDT", "BTC", "USDT", MarketKind.PERPETUAL, D("0.1"), D("0.001"), D("0.001"), D(5), D(100))
FIFTHS = (D("0.2"),) * 5


def plan(**changes: object) -> Plan:
    targets = tuple(PlannedTarget(n, D(64000 + 500 * n), D("0.2")) for n in range(1, 6))
    base = Plan(
        id="s:a", account_id="a", signal_id="s", source="chat", exchange="x", symbol="BTCUSDT", side=Side.LONG,
        entries=(), targets=targets, stop_loss=D("62000.04"), leverage=D(5), exits=ExitRules(),
        risk_amount=None, reference_price=D(64000), created_at=NOON, expires_at=NOON,
    )  # fmt: skip
    return replace(base, **changes)


def position(**changes: object) -> Position:
    base = Position(
        id="p", account_id="a", plan_id="s:a", signal_id="s", exchange="x", symbol="BTCUSDT", side=Side.LONG,
        leverage=D(5), opened_at=NOON, quantity=D("0.01"), initial_quantity=D("0.01"), average_price=D("64000.05"),
        stop_loss=D("62000.04"), initial_stop=D("62000.04"),
    )  # fmt: skip
    return replace(base, **changes)


class TestProgramFrom:
    def test_a_fresh_position(self):
        row = program_from(plan(), position(), BTC)
        assert row["direction"] == 1
        assert row["entry"] == row["best"] == row["worst"] == 64000.05
        assert row["stop"] == row["initial_stop"] == 62000.0
        assert row["target"][:5].tolist() == [64500.0, 65000.0, 65500.0, 66000.0, 66500.0]
        assert row["share"][:5].tolist() == [0.2] * 5
        assert (row["resting"], row["entry_bar"], row["remaining"]) == (1, codes.CLOSE_ONLY, 1.0)
        assert row["opened_ms"] == NOON_MS
        assert row["break_even_after"] == 1

    def test_shares_are_what_whole_lots_make_of_them(self):
        row = program_from(plan(), position(quantity=D("0.008"), initial_quantity=D("0.008")), BTC)
        assert row["share"][:5].tolist() == [0.125, 0.125, 0.125, 0.125, 0.5]

    def test_a_position_with_a_past_goes_on_where_it_was(self):
        levels = tuple(TargetLevel(n, D(64000 + 500 * n), D("0.2"), NOON if n <= 2 else None) for n in range(1, 6))
        held = position(
            targets=levels, quantity=D("0.006"), stop_loss=D("64000.1"), best_price=D(65100), worst_price=D(63900)
        )
        row = program_from(plan(), held, BTC, first_bar=FirstBar.ANY_BAR)
        assert row["hit"][:5].tolist() == [1, 1, 0, 0, 0]
        assert row["reached"] == 2
        assert row["remaining"] == 0.6
        assert (row["best"], row["worst"]) == (65100.0, 63900.0)
        assert row["stop_reason"] == codes.BREAK_EVEN
        out = codes.event_buffer()
        assert exits.step(row, 64900.0, 64900.0, 64900.0, 64900.0, NOON_MS, out) == 0

    def test_a_closed_position_is_a_closed_program(self):
        row = program_from(plan(), position(quantity=D(0)), BTC)
        assert row["closed"] == 1

    def test_all_rules_arrive_as_fractions(self):
        rules = ExitRules(
            2, D("1.5"), D("0.1"), 1, Trailing(TrailKind.PERCENT, D("1.5"), D("0.25"), D(2)), time_exit_seconds=60
        )
        row = program_from(plan(exits=rules), position())
        assert row["break_even_after"] == 2
        assert row["break_even_at_r"] == 1.5
        assert row["break_even_offset"] == 0.001
        assert row["follow"] == 1
        assert row["trail_kind"] == codes.TRAIL_PERCENT
        assert (row["trail_distance"], row["trail_step"], row["trail_activation"]) == (0.015, 0.0025, 0.02)
        assert row["time_exit_ms"] == NOON_MS + 60_000

    @pytest.mark.parametrize(
        ("kind", "code"), [(TrailKind.ATR, codes.TRAIL_ATR), (TrailKind.AMOUNT, codes.TRAIL_AMOUNT)]
    )
    def test_distances_that_are_not_percent_stay_as_they_are(self, kind, code):
        row = program_from(plan(exits=ExitRules(trailing=Trailing(kind, D("2.5")))), position())
        assert (row["trail_kind"], row["trail_distance"]) == (code, 2.5)

    def test_more_than_sixteen_targets_are_refused(self):
        targets = tuple(PlannedTarget(n, D(64000 + n), D("0.05")) for n in range(1, 18))
        with pytest.raises(InvalidInput, match="17 targets; a trade can have at most 16"):
            program_from(plan(targets=targets), position())

    def test_sixteen_targets_are_followed(self):
        targets = tuple(PlannedTarget(n, D(64000 + n), D("0.0625")) for n in range(1, 17))
        row = program_from(plan(targets=targets), position())
        out = codes.event_buffer()
        assert exits.step(row, 64020.0, 64020.0, 64020.0, 64020.0, NOON_MS, out) == 16
        assert out["level"][:16].tolist() == list(range(1, 17))

    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            ((PlannedTarget(1, D(65000), D("0.5")), PlannedTarget(2, D(64500), D("0.5"))), "direction"),
            ((PlannedTarget(1, D(65000), D("0.6")), PlannedTarget(2, D(65500), D("0.5"))), "at most one"),
            ((PlannedTarget(1, D(65000), D("-0.1")),), "zero or more"),
            ((PlannedTarget(1, D(0), D("0.5")),), "above zero"),
            ((PlannedTarget(1, D("NaN"), D("0.5")),), "above zero"),
        ],
    )
    def test_impossible_ladders_are_refused(self, targets, message):
        with pytest.raises(InvalidInput, match=message):
            program_from(plan(targets=targets), position())

    def test_moved_stops_land_on_the_tick_exactly(self):
        rules = ExitRules(break_even_after=None, trailing=Trailing(TrailKind.PERCENT, D("0.77")))
        row = program_from(plan(exits=rules), position(), BTC)
        out = codes.event_buffer()
        assert exits.step(row, 64123.7, 64123.7, 64123.7, 64123.7, NOON_MS, out) == 1
        assert price_out(float(row["stop"]), BTC) == BTC.round_price(D("64123.7") * D("0.9923"))
        assert float(row["stop"]) == float(BTC.round_price(D("64123.7") * D("0.9923")))

    def test_another_entry_rebases_price_and_shares(self):
        row = program_from(plan(), position(), BTC)
        levels = tuple(TargetLevel(n, D(64000 + 500 * n), D("0.2")) for n in range(1, 6))
        more = position(quantity=D("0.018"), initial_quantity=D("0.02"), average_price=D(63000), targets=levels)
        rebase(row, more, BTC)
        assert row["entry"] == 63000.0
        assert row["remaining"] == 0.9
        assert row["share"][:5].tolist() == [0.2] * 5

    def test_what_is_entered_after_the_last_target_filled_is_followed(self):
        row = program_from(plan(), position(), BTC)
        row["remaining"], row["closed"] = 0.0, 1
        hit = tuple(TargetLevel(n, D(64000 + 500 * n), D("0.2"), NOON) for n in range(1, 6))
        rebase(row, position(quantity=D("0.01"), initial_quantity=D("0.02"), targets=hit), BTC)
        assert (row["closed"], row["remaining"]) == (0, 0.5)
        stop = float(row["stop"])
        assert exits.step(row, stop, stop, stop - 1, stop - 1, NOON_MS, codes.event_buffer()) == 1


class TestProgramFromSignal:
    def signal(self, **changes: object) -> Signal:
        base = Signal(
            id="sig", source="chat", message_id="1", symbol="BTCUSDT", side=Side.SHORT, order="limit", entries=(D(100),),
            entry_range=False, targets=(D(98), D(96), D(94)), stop_loss=D(105), leverage=None, text="", said_at=NOON,
            received_at=NOON, expires_at=NOON, confidence=1.0, entry_price=D(100), entered_at=NOON,
        )  # fmt: skip
        return replace(base, **changes)

    def test_equal_shares_unless_told_otherwise(self):
        row = program_from_signal(self.signal(), ExitRules())
        assert row["share"][:3].tolist() == [0.333333, 0.333333, 0.333334]
        assert (row["direction"], row["resting"]) == (-1, 0)
        row = program_from_signal(self.signal(), ExitRules(), (D("0.5"), D("0.3"), D("0.2")))
        assert row["share"][:3].tolist() == [0.5, 0.3, 0.2]

    def test_hits_and_a_moved_stop_are_remembered(self):
        row = program_from_signal(
            self.signal(hits=(SignalHit(1, D(98), NOON),), stop_now=D(100)), ExitRules(follow_targets=1)
        )
        assert row["hit"][:3].tolist() == [1, 0, 0]
        assert row["remaining"] == pytest.approx(0.666667)
        assert (row["initial_stop"], row["stop"]) == (105.0, 100.0)

    def test_it_is_judged_virtually(self):
        row = program_from_signal(self.signal(), ExitRules(), first_bar=FirstBar.ANY_BAR)
        out = codes.event_buffer()
        assert exits.step(row, 99.0, 99.0, 93.0, 93.0, NOON_MS, out) == 4
        assert out["kind"][:4].tolist() == [codes.TARGET] * 3 + [codes.CLOSED]

    def test_a_signal_without_an_entry_is_refused(self):
        with pytest.raises(InvalidInput, match="not been entered"):
            program_from_signal(self.signal(entry_price=None), ExitRules())

    def test_a_hit_of_an_unknown_target_is_refused(self):
        with pytest.raises(InvalidInput, match="no target 4"):
            program_from_signal(self.signal(hits=(SignalHit(4, D(98), NOON),)), ExitRules())


class TestQuantities:
    def test_shares_that_sum_to_one_close_everything(self):
        assert quantities(BTC, D("0.0137"), FIFTHS) == (D("0.002"),) * 4 + (D("0.005"),)

    def test_shares_that_sum_to_less_leave_a_part(self):
        parts = quantities(BTC, D("0.010"), (D("0.25"), D("0.25")))
        assert parts == (D("0.002"), D("0.002"))

    def test_no_share_at_all(self):
        assert quantities(BTC, D(1), (D(0), D(0))) == (D(0), D(0))

    @pytest.mark.parametrize("shares", [(D("0.6"), D("0.5")), (D("-0.1"), D("0.5"))])
    def test_impossible_shares_are_refused(self, shares):
        with pytest.raises(InvalidInput):
            quantities(BTC, D(1), shares)

    @pytest.mark.parametrize("count", range(1, 17))
    def test_equal_shares_sum_to_exactly_one(self, count):
        assert sum(equal_shares(count)) == 1
        assert len(equal_shares(count)) == count

    def test_no_targets_no_shares(self):
        assert equal_shares(0) == ()

    def test_dust_of_floats_does_not_leave_the_kernel(self):
        assert share_out(0.1 + 0.2) == D("0.3")
        assert price_out(64000.1) == D("64000.1")
