"""Between the words of a trade and the exit kernel: programs from plans and signals, quantities from shares.

Prices become floats of tick-rounded decimals on the way in; what leaves the kernel becomes Decimal again here, and only
the Instrument rounds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

import numpy as np

from modules.domain.errors import InvalidInput
from modules.domain.instruments import Instrument
from modules.domain.market import ms_from_utc
from modules.domain.money import HUNDRED, ONE, ZERO, from_float
from modules.domain.plans import ExitRules, Plan, Trailing, TrailKind
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Side
from modules.domain.signals import Signal
from modules.trading import exit_program as codes
from modules.trading import exits

_TRAIL_KINDS = {
    TrailKind.PERCENT: codes.TRAIL_PERCENT,
    TrailKind.ATR: codes.TRAIL_ATR,
    TrailKind.AMOUNT: codes.TRAIL_AMOUNT,
}


class FirstBar(IntEnum):
    """How the first bar after the entry counts; `exits` says what each means."""

    ANY_BAR = codes.ANY_BAR
    OWN_PRICE = codes.OWN_PRICE
    ENTERED_INSIDE = codes.ENTERED_INSIDE
    CLOSE_ONLY = codes.CLOSE_ONLY


def program_from(
    plan: Plan,
    position: Position,
    instrument: Instrument | None = None,
    *,
    resting: bool = True,
    first_bar: FirstBar = FirstBar.CLOSE_ONLY,
) -> np.void:
    """The exit program of a position, with what already happened to it (targets hit, stop moved, part closed).

    With an instrument, prices are rounded to its tick and shares to whole lots of the position, as the orders at the
    exchange are. `first_bar` matters only to a position that no bar has followed yet; pass ANY_BAR when taking up an
    older one again. Raises InvalidInput for more than 16 targets, targets out of order, or shares above one.
    """
    levels = position.targets or tuple(TargetLevel(t.number, t.price, t.share) for t in plan.targets)
    row = _program(plan.exits, position.side, position.average_price or plan.reference_price, instrument)
    row["resting"] = int(resting)
    row["entry_bar"] = int(first_bar)
    _set_times(row, position.opened_at, plan.exits)
    shares = tuple(level.share for level in levels)
    if instrument is not None and position.initial_quantity > ZERO and levels:
        parts = quantities(instrument, position.initial_quantity, shares)
        shares = tuple(part / position.initial_quantity for part in parts)
    _set_targets(row, tuple(level.price for level in levels), shares, instrument)
    for index, level in enumerate(levels):
        if level.hit_at is not None:
            _mark_hit(row, index)
    _set_stops(row, position.initial_stop or plan.stop_loss, position.stop_loss or plan.stop_loss, instrument)
    if position.initial_quantity > ZERO:
        row["remaining"] = float(position.quantity / position.initial_quantity)
    _set_extremes(row, position.best_price, position.worst_price)
    return _checked(row)


def program_from_signal(
    signal: Signal,
    rules: ExitRules,
    shares: Sequence[Decimal] = (),
    instrument: Instrument | None = None,
    first_bar: FirstBar = FirstBar.CLOSE_ONLY,
) -> np.void:
    """The virtual program by which a signal is judged, from its entry price on.

    Without `shares` every target closes an equal part. Raises InvalidInput for a signal that has not been entered, and
    as `program_from` does.
    """
    if signal.entry_price is None:
        raise InvalidInput(f"signal {signal.id} has not been entered", fields={"entry_price": "required"})
    row = _program(rules, signal.side, signal.entry_price, instrument)
    row["entry_bar"] = int(first_bar)
    _set_times(row, signal.entered_at or signal.received_at, rules)
    parts = tuple(shares) or equal_shares(len(signal.targets))
    _set_targets(row, signal.targets, parts, instrument)
    for hit in signal.hits:
        _mark_hit(row, hit.number - 1)
        row["remaining"] -= row["share"][hit.number - 1]
    _set_stops(row, signal.stop_loss, signal.stop_now or signal.stop_loss, instrument)
    _set_extremes(row, signal.best_price, signal.worst_price)
    return _checked(row)


def quantities(instrument: Instrument, initial_quantity: Decimal, shares: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Each target's quantity: its share of the original size in whole lots.

    Shares that sum to one close everything (the last non-empty one takes the rest of the rounding); shares that sum to
    less leave a part for the stop. Raises InvalidInput for a negative share or a sum above one.
    """
    total = sum(shares, ZERO)
    if any(share < ZERO for share in shares) or total > ONE + Decimal("1e-9"):
        raise InvalidInput("target shares must be zero or more and sum to at most one", fields={"shares": str(total)})
    rest = ONE - total
    if rest <= Decimal("1e-9"):
        rest = ZERO
    if total == ZERO:
        return (ZERO,) * len(shares)
    return instrument.split_quantity(initial_quantity, (*shares, rest))[:-1]


def equal_shares(count: int) -> tuple[Decimal, ...]:
    """`count` shares that sum to exactly one."""
    if count == 0:
        return ()
    share = (ONE / count).quantize(Decimal("0.000001"))
    return (*(share,) * (count - 1), ONE - share * (count - 1))


def price_out(price: float, instrument: Instrument | None = None) -> Decimal:
    """A price of the kernel as Decimal, on the instrument's tick where there is one."""
    exact = from_float(price)
    return exact if instrument is None else instrument.round_price(exact)


def share_out(share: float) -> Decimal:
    """A share of the kernel as Decimal; arithmetic dust beyond 12 places is dropped."""
    return from_float(round(share, 12))


def set_trailing(row: np.void, trailing: Trailing | None) -> None:
    """Replace a row's trailing rule; a trail that was awake stays awake."""
    row["trail_kind"] = codes.TRAIL_NONE
    if trailing is None:
        return
    percent = trailing.kind is TrailKind.PERCENT
    row["trail_kind"] = _TRAIL_KINDS[trailing.kind]
    row["trail_distance"] = float(trailing.distance / HUNDRED if percent else trailing.distance)
    row["trail_step"] = float(trailing.step_percent / HUNDRED)
    row["trail_activation"] = float((trailing.activation_percent or ZERO) / HUNDRED)


def rebase(row: np.void, position: Position, instrument: Instrument | None = None) -> None:
    """After another entry filled: the new average entry, and what is left as a share of the new original size."""
    if position.initial_quantity <= ZERO or position.average_price <= ZERO:
        raise InvalidInput(f"position {position.id} has no fills")
    row["entry"] = _price_in(position.average_price, None)
    row["remaining"] = float(position.quantity / position.initial_quantity)
    if row["remaining"] > codes.EPSILON:
        row["closed"] = 0  # a target for all there was had filled before the rest was entered
    if instrument is not None and position.targets:
        parts = quantities(instrument, position.initial_quantity, tuple(t.share for t in position.targets))
        for index, part in enumerate(parts):
            row["share"][index] = float(part / position.initial_quantity)


def retarget(row: np.void, position: Position, instrument: Instrument | None = None) -> None:
    """After the position's ladder was changed by hand: the row's targets are those of the position."""
    shares = tuple(level.share for level in position.targets)
    if instrument is not None and position.targets:
        parts = quantities(instrument, position.initial_quantity, shares)
        shares = tuple(part / position.initial_quantity for part in parts)
    for name in ("target", "share", "hit", "touched"):
        row[name][:] = 0
    row["reached"] = 0
    _set_targets(row, tuple(level.price for level in position.targets), shares, instrument)
    for index, level in enumerate(position.targets):
        if level.hit_at is not None:
            _mark_hit(row, index)


def targets_differ(row: np.void, position: Position, instrument: Instrument | None = None) -> bool:
    """Whether the position has other targets than the row."""
    prices = [_price_in(level.price, instrument) for level in position.targets]
    return bool(prices != row["target"][: row["levels"]].tolist())


def _program(rules: ExitRules, side: Side, entry: Decimal, instrument: Instrument | None) -> np.void:
    row = codes.blank()
    row["direction"] = side.sign
    row["entry"] = row["best"] = row["worst"] = _price_in(entry, None)
    row["break_even_after"] = rules.break_even_after or 0
    row["break_even_at_r"] = float(rules.break_even_at_r or ZERO)
    row["break_even_offset"] = float(rules.break_even_offset_percent / HUNDRED)
    row["follow"] = rules.follow_targets or 0
    set_trailing(row, rules.trailing)
    if instrument is not None:
        numerator, denominator = instrument.tick_size.as_integer_ratio()
        row["tick_numerator"] = float(numerator)
        row["tick_denominator"] = float(denominator)
    return row


def _price_in(price: Decimal, instrument: Instrument | None) -> float:
    if not price.is_finite() or price <= ZERO:
        raise InvalidInput(f"a price must be above zero, not {price}", fields={"price": "must be above zero"})
    return float(price if instrument is None else instrument.round_price(price))


def _set_times(row: np.void, opened_at: datetime, rules: ExitRules) -> None:
    row["opened_ms"] = ms_from_utc(opened_at)
    if rules.time_exit_seconds is not None:
        row["time_exit_ms"] = ms_from_utc(opened_at) + rules.time_exit_seconds * 1000


def _set_targets(
    row: np.void, prices: Sequence[Decimal], shares: Sequence[Decimal], instrument: Instrument | None
) -> None:
    if len(prices) > codes.MAX_TARGETS:
        raise InvalidInput(
            f"{len(prices)} targets; a trade can have at most {codes.MAX_TARGETS}",
            fields={"targets": f"at most {codes.MAX_TARGETS}"},
        )
    if len(shares) != len(prices):
        raise InvalidInput("as many shares as targets are needed", fields={"shares": f"{len(prices)} expected"})
    if any(share < ZERO for share in shares) or sum(shares, ZERO) > ONE + Decimal("1e-9"):
        raise InvalidInput(
            "target shares must be zero or more and sum to at most one", fields={"shares": "sum above one"}
        )
    row["levels"] = len(prices)
    for index, (price, share) in enumerate(zip(prices, shares, strict=True)):
        row["target"][index] = _price_in(price, instrument)
        row["share"][index] = float(share)
        if index and (row["target"][index] - row["target"][index - 1]) * row["direction"] < 0:
            raise InvalidInput("targets must run in the trade's direction", fields={"targets": "out of order"})


def _mark_hit(row: np.void, index: int) -> None:
    if not 0 <= index < row["levels"]:
        raise InvalidInput(f"there is no target {index + 1}", fields={"targets": "unknown number"})
    row["hit"][index] = row["touched"][index] = 1
    row["reached"] = max(row["reached"], index + 1)


def _set_stops(row: np.void, initial: Decimal | None, now: Decimal | None, instrument: Instrument | None) -> None:
    if initial is not None:
        row["initial_stop"] = _price_in(initial, instrument)
    if now is not None:
        row["stop"] = _price_in(now, instrument)
        row["stop_reason"] = codes.INITIAL if initial == now else _likely_reason(row)


def _likely_reason(row: np.void) -> int:
    """What moved a stop whose history is not at hand: the entry price means break-even, a target means following."""
    offset_entry = row["entry"] * (1 + row["direction"] * row["break_even_offset"])
    tick = row["tick_numerator"] / row["tick_denominator"] if row["tick_denominator"] else 0.0
    if row["break_even_after"] and math.isclose(row["stop"], offset_entry, rel_tol=1e-9, abs_tol=tick):
        return codes.BREAK_EVEN
    if row["follow"] and (row["stop"] == row["entry"] or row["stop"] in row["target"][: row["levels"]]):
        return codes.FOLLOWED
    return codes.TRAILED if row["trail_kind"] else codes.BY_HAND


def _set_extremes(row: np.void, best: Decimal | None, worst: Decimal | None) -> None:
    if best is not None:
        row["best"] = _price_in(best, None)
    if worst is not None:
        row["worst"] = _price_in(worst, None)


def _checked(row: np.void) -> np.void:
    if row["remaining"] <= codes.EPSILON:
        row["remaining"] = 0.0
        row["closed"] = 1
    if not exits.sound_program(row):
        raise InvalidInput("this exit program can't be followed: check entry, stop and remaining share")
    return row
