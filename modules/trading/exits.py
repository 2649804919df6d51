"""The exit kernel: which level of a trade triggers at a price, and where its stop goes next.

One row of `PROGRAM` is one position or one tracked signal. `step` takes the row and one bar, which is a candle, a
conflated quote or a single trade (four equal prices), and writes what happened into a buffer. It decides on floats of
tick-rounded prices and never looks at a clock, a store or an account; amounts leave as shares of the original size
and become quantities in `targets`.

Rules, the same for both directions (each is the mirror of the other):

* the stop is checked before the targets, so a bar that touches both is a loss;
* a level that was passed between two bars fills at the open: worse for a stop, better for a target;
* a stop moved because of a bar is in force from the next bar, and a rule never loosens it;
* a number that is NaN, infinite or not above zero decides nothing: a negative code is returned and the row is untouched.

A row is *virtual* (its TARGET and STOP events are the orders) or *resting* (the orders lie at the exchange: those events
only say that a level was touched, and `apply_fill` tells the row what was really filled).
"""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.trading import exit_program as codes


@kernel
def stop_fill(direction: int, stop: float, open_: float, high: float, low: float) -> float:
    """Price at which a position's stop fills inside a bar, or NaN when the bar does not touch it.

    `direction` is the position's: +1 sells at the stop, -1 buys. A bar that opens at or beyond the stop fills at its open.
    """
    if not (0.0 < stop < np.inf and open_ > 0.0):
        return np.nan
    if direction > 0:
        if not low <= stop:
            return np.nan
        return min(stop, open_)
    if not high >= stop:
        return np.nan
    return max(stop, open_)


@kernel
def target_fill(direction: int, target: float, open_: float, high: float, low: float) -> float:
    """Price at which a position's target (a limit order) fills inside a bar, or NaN when the bar does not touch it.

    A bar that opens beyond the target fills at its open, which is better. With the opposite direction it is an entry's
    limit order.
    """
    if not (0.0 < target < np.inf and open_ > 0.0):
        return np.nan
    if direction > 0:
        if not high >= target:
            return np.nan
        return max(target, open_)
    if not low <= target:
        return np.nan
    return min(target, open_)


@kernel
def usable_prices(open_: float, high: float, low: float, close: float) -> bool:
    """Whether four prices make a possible bar: finite, above zero, open and close within [low, high]."""
    return 0.0 < low <= open_ <= high < np.inf and low <= close <= high


@kernel
def sound_program(row: np.void) -> bool:
    """Whether a row can be stepped at all: direction, entry, stop, levels and remaining share make sense."""
    direction = row["direction"]
    return bool(
        (direction == 1 or direction == -1)
        and 0.0 < row["entry"] < np.inf
        and 0.0 <= row["stop"] < np.inf
        and 0 <= row["reached"] <= row["levels"] <= codes.MAX_TARGETS
        and (row["closed"] == 1 or codes.EPSILON < row["remaining"] <= 1.0 + codes.EPSILON)
    )


@kernel
def _put(out: codes.Events, at: int, kind: int, level: int, reason: int, price: float, share: float) -> int:
    event = out[at]
    event["kind"] = kind
    event["level"] = level
    event["reason"] = reason
    event["price"] = price
    event["share"] = share
    return at + 1


@kernel
def _tighter(direction: int, candidate: float, stop: float) -> bool:
    return 0.0 < candidate < np.inf and (stop == 0.0 or (candidate - stop) * direction > 0.0)


@kernel
def _on_tick(row: np.void, price: float) -> float:
    # n * numerator is exact and one division rounds correctly, so this is the float of the exact decimal price.
    denominator = float(row["tick_denominator"])
    if not (denominator > 0.0 and 0.0 < price < np.inf):
        return price
    numerator = float(row["tick_numerator"])
    ticks = float(np.rint(price * denominator / numerator))
    return max(ticks, 1.0) * numerator / denominator


@kernel
def _break_even_stop(row: np.void) -> float:
    direction, entry = row["direction"], row["entry"]
    due = row["break_even_after"] > 0 and row["reached"] >= row["break_even_after"]
    risk = (entry - row["initial_stop"]) * direction
    if row["break_even_at_r"] > 0.0 and row["initial_stop"] > 0.0 and risk > 0.0:
        due = due or (row["best"] - entry) * direction >= row["break_even_at_r"] * risk
    if not due:
        return 0.0
    return _on_tick(row, entry + direction * entry * row["break_even_offset"])


@kernel
def _followed_stop(row: np.void) -> float:
    if row["follow"] <= 0 or row["reached"] <= 0:
        return 0.0
    number = row["reached"] - row["follow"]
    return _on_tick(row, row["entry"] if number < 1 else row["target"][number - 1])


@kernel
def _trailed_stop(row: np.void) -> float:
    kind, direction, best = row["trail_kind"], row["direction"], row["best"]
    if kind == codes.TRAIL_NONE:
        return 0.0
    if row["trail_active"] == 0:
        if not (best - row["entry"]) * direction >= row["trail_activation"] * row["entry"]:
            return 0.0
        row["trail_active"] = 1
    distance = row["trail_distance"]
    if kind == codes.TRAIL_PERCENT:
        distance = distance * best
    elif kind == codes.TRAIL_ATR:
        distance = distance * row["atr"]
    if not 0.0 < distance < np.inf:
        return 0.0
    candidate = _on_tick(row, best - direction * distance)
    if row["stop"] > 0.0 and (candidate - row["stop"]) * direction < row["trail_step"] * best:
        return 0.0
    return candidate


@kernel
def _move_stop(row: np.void, out: codes.Events, at: int) -> int:
    """Move the stop to the tightest place any rule asks for; returns where the next event goes."""
    direction = row["direction"]
    stop, reason = float(row["stop"]), -1
    candidate = _break_even_stop(row)
    if _tighter(direction, candidate, stop):
        stop, reason = candidate, codes.BREAK_EVEN
    candidate = _followed_stop(row)
    if _tighter(direction, candidate, stop):
        stop, reason = candidate, codes.FOLLOWED
    candidate = _trailed_stop(row)
    if _tighter(direction, candidate, stop):
        stop, reason = candidate, codes.TRAILED
    if reason < 0:
        return at
    row["stop"] = stop
    row["stop_reason"] = reason
    row["stop_touched"] = 0
    return _put(out, at, codes.STOP_MOVED, 0, reason, stop, row["remaining"])


@kernel
def _close(row: np.void, out: codes.Events, at: int, reason: int, price: float) -> int:
    row["remaining"] = 0.0
    row["closed"] = 1
    return _put(out, at, codes.CLOSED, 0, reason, price, 0.0)


@kernel
def _check_stop(row: np.void, open_: float, high: float, low: float, out: codes.Events, at: int) -> int:
    direction = row["direction"]
    price = stop_fill(direction, row["stop"], open_, high, low)
    if not price > 0.0:
        return at
    if row["entry_bar"] == codes.OWN_PRICE or row["entry_bar"] == codes.ENTERED_INSIDE:
        price = min(max(float(row["stop"]), low), high)
    if row["resting"] == 1:
        if row["stop_touched"] == 1:
            return at
        row["stop_touched"] = 1
        return _put(out, at, codes.STOP, 0, row["stop_reason"], price, row["remaining"])
    row["worst"] = direction * min(direction * row["worst"], direction * price)
    at = _put(out, at, codes.STOP, 0, row["stop_reason"], price, row["remaining"])
    return _close(row, out, at, row["stop_reason"], price)


@kernel
def _target_price(row: np.void, index: int, open_: float, high: float, low: float) -> float:
    price = target_fill(row["direction"], row["target"][index], open_, high, low)
    if price > 0.0 and (row["entry_bar"] == codes.OWN_PRICE or row["entry_bar"] == codes.ENTERED_INSIDE):
        return min(max(float(row["target"][index]), low), high)
    return price


@kernel
def _check_targets(row: np.void, open_: float, high: float, low: float, out: codes.Events, at: int) -> int:
    """Every target the bar touches, in the order of the ladder; the last share closes the trade."""
    for index in range(row["levels"]):
        if row["hit"][index] == 1 or row["touched"][index] == 1:
            continue
        price = _target_price(row, index, open_, high, low)
        if not price > 0.0:
            continue
        row["touched"][index] = 1
        share = float(row["share"][index])
        if row["remaining"] - share <= codes.EPSILON:
            share = float(row["remaining"])
        at = _put(out, at, codes.TARGET, index + 1, 0, price, share)
        if row["resting"] == 1 and row["share"][index] > 0.0:
            continue  # a level without a share has no order whose fill could tell of it
        row["hit"][index] = 1
        row["reached"] = max(row["reached"], index + 1)
        row["remaining"] -= share
        if row["remaining"] <= codes.EPSILON:
            row["best"] = row["direction"] * max(row["direction"] * row["best"], row["direction"] * price)
            return _close(row, out, at, codes.BY_TARGETS, price)
    return at


@kernel
def _note_range(row: np.void, favourable: float, adverse: float) -> None:
    direction = row["direction"]
    row["best"] = direction * max(direction * row["best"], direction * favourable)
    row["worst"] = direction * min(direction * row["worst"], direction * adverse)


@kernel
def _after_levels(row: np.void, close: float, time_ms: int, out: codes.Events, at: int) -> int:
    """Time exit at the close, else the stop's next place."""
    if row["time_exit_ms"] == 0 or time_ms < row["time_exit_ms"]:
        return _move_stop(row, out, at)
    if row["timed_out"] == 1:
        return at
    row["timed_out"] = 1
    at = _put(out, at, codes.TIME_EXIT, 0, codes.BY_TIME, close, row["remaining"])
    return at if row["resting"] == 1 else _close(row, out, at, codes.BY_TIME, close)


@kernel
def _trade_bar(
    row: np.void, bar: tuple[float, float, float, float], time_ms: int, out: codes.Events, start: int
) -> int:
    open_, high, low, close = bar
    first = row["entry_bar"]
    if first == codes.CLOSE_ONLY:
        open_ = high = low = close
    at = _check_stop(row, open_, high, low, out, start)
    if row["closed"] == 1:
        return at
    adverse = low if row["direction"] > 0 else high
    if at > start:  # a resting stop was touched: its fill is awaited before anything else is asked for
        _note_range(row, row["best"], adverse)
        return at
    if first == codes.ENTERED_INSIDE and row["direction"] > 0:
        high = close
    elif first == codes.ENTERED_INSIDE:
        low = close
    favourable = high if row["direction"] > 0 else low
    _note_range(row, row["best"], adverse)
    at = _check_targets(row, open_, high, low, out, at)
    if row["closed"] == 1:
        return at
    _note_range(row, favourable, row["worst"])
    row["entry_bar"] = codes.ANY_BAR
    return _after_levels(row, close, time_ms, out, at)


@kernel
def _step(row: np.void, bar: tuple[float, float, float, float], time_ms: int, out: codes.Events, start: int) -> int:
    if not usable_prices(bar[0], bar[1], bar[2], bar[3]):
        return codes.BAD_PRICE
    if not sound_program(row):
        return codes.BAD_PROGRAM
    if out.shape[0] - start < codes.MAX_EVENTS:
        return codes.NO_ROOM
    if row["closed"] == 1 or time_ms < row["opened_ms"]:
        return 0
    return _trade_bar(row, bar, time_ms, out, start) - start


@kernel
def step(row: np.void, open_: float, high: float, low: float, close: float, time_ms: int, out: codes.Events) -> int:
    """Take one bar: changes `row`, writes events into `out` and returns how many, or a negative code.

    `time_ms` is when `close` was traded: a quote's time, or the end of a candle. Bars before `opened_ms` are ignored.
    Order inside the bar: stop, targets, time exit (at the close), then the stop's next place.
    """
    return _step(row, (open_, high, low, close), time_ms, out, 0)


@kernel
def step_all(rows: codes.Rows, bar: tuple[float, float, float, float], time_ms: int, out: codes.Events) -> int:
    """Take one bar for every row; `out` needs MAX_EVENTS free places per row.

    Returns the number of events, each with its `row`, or BAD_PRICE / NO_ROOM with every row untouched. A row that
    is not sound gives one FAULT event and does not hold up the others.
    """
    if not usable_prices(bar[0], bar[1], bar[2], bar[3]):
        return codes.BAD_PRICE
    if out.shape[0] < rows.shape[0] * codes.MAX_EVENTS:
        return codes.NO_ROOM
    at = 0
    for index in range(rows.shape[0]):
        count = _step(rows[index], bar, time_ms, out, at)
        if count < 0:
            _put(out, at, codes.FAULT, 0, count, 0.0, 0.0)
            count = 1
        for written in range(at, at + count):
            out[written]["row"] = index
        at += count
    return at


@kernel
def apply_fill(row: np.void, role: int, level: int, share: float, complete: bool, out: codes.Events) -> int:
    """Tell a row of a real fill of `share` of the original size; returns the number of events, or a negative code.

    `role` is FILLED_TARGET, FILLED_STOP or FILLED_CLOSE; `level` is the target's number from 1 (else 0); `complete`
    says that the order is done, which is when a target counts as reached. The stop's next place follows at once.
    """
    if not sound_program(row) or row["closed"] == 1:
        return codes.BAD_PROGRAM
    if out.shape[0] < codes.MAX_EVENTS:
        return codes.NO_ROOM
    if not 0.0 < share <= row["remaining"] + codes.EPSILON or not codes.FILLED_TARGET <= role <= codes.FILLED_CLOSE:
        return codes.BAD_FILL
    if role == codes.FILLED_TARGET and not 1 <= level <= row["levels"]:
        return codes.BAD_FILL
    if role == codes.FILLED_TARGET and complete:
        row["hit"][level - 1] = 1
        row["touched"][level - 1] = 1
        row["reached"] = max(row["reached"], level)
    row["remaining"] = row["remaining"] - share
    if row["remaining"] > codes.EPSILON:
        return _move_stop(row, out, 0)
    reason = codes.BY_TARGETS if role == codes.FILLED_TARGET else codes.BY_ORDER
    price = row["target"][level - 1] if role == codes.FILLED_TARGET else 0.0
    if role == codes.FILLED_STOP:
        reason, price = row["stop_reason"], row["stop"]
    return _close(row, out, 0, reason, price)
