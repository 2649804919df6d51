"""What one bar says by itself and against its nearest neighbours: range, volume, gaps, displacement, STRAT types."""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.analysis.structure.layout import (
    ABSORPTION,
    DISPLACEMENT,
    FVG,
    IMPULSE,
    ON_EVENTS,
    ON_GAPS,
    STRAT_CONTINUATION,
    STRAT_REVERSAL,
    Memory,
    Now,
    Record,
)
from modules.analysis.structure.standing import in_atr, new_object, set_prices, stand

CONSTANT = 1e-12


@kernel(inline=True)
def remember(memory: Memory, now: Now) -> None:
    """Put the bar into the ring of past bars, with its buying pressure (close location times volume)."""
    past = memory.ring[now.at & memory.core["choices"]["ring_mask"]]
    past["open"] = now.open
    past["high"] = now.high
    past["low"] = now.low
    past["close"] = now.close
    past["volume"] = now.volume
    span = now.high - now.low
    if span > 0.0:
        past["pressure"] = ((now.close - now.low) - (now.high - now.close)) / span * now.volume
    else:
        past["pressure"] = 0.0
    past["money_flow"] = np.nan


@kernel(inline=True)
def next_atr(memory: Memory, high: float, low: float) -> float:
    """Average true range after this bar, Wilder's way; NaN until `atr_period` true ranges are known.

    Seeded with the plain mean of the first `atr_period` true ranges (the first bar has none), as in TA-Lib.
    """
    state = memory.core["state"]
    period = memory.core["choices"]["atr_period"]
    if state["bars"] == 0:
        return np.nan
    before = memory.ring[(state["bars"] - 1) & memory.core["choices"]["ring_mask"]]["close"]
    true_range = max(high - low, abs(high - before), abs(low - before))
    if state["true_ranges"] < period:
        state["true_ranges"] += 1
        state["true_range_sum"] += true_range
        if state["true_ranges"] == period:
            state["atr"] = state["true_range_sum"] / period
    else:
        state["atr"] = (state["atr"] * (period - 1) + true_range) / period
    return float(state["atr"])


@kernel
def _close_block(memory: Memory, last: int) -> None:
    """Sum a finished block of `flow_window` bars backwards, for the windows that will begin inside it."""
    mask = memory.core["choices"]["ring_mask"]
    volume = 0.0
    squares = 0.0
    pressure = 0.0
    for index in range(last, last - memory.core["choices"]["flow_window"], -1):
        past = memory.ring[index & mask]
        volume += past["volume"]
        squares += past["volume"] * past["volume"]
        pressure += past["pressure"]
        past["later_volume"] = volume
        past["later_squares"] = squares
        past["later_pressure"] = pressure
    state = memory.core["state"]
    state["block_bars"] = 0
    state["block_volume"] = 0.0
    state["block_squares"] = 0.0
    state["block_pressure"] = 0.0


@kernel(inline=True)
def _slide(memory: Memory, now: Now, row: Record) -> None:
    """Sums over the last `flow_window` bars: the tail of the finished block plus the head of the present one.

    Nothing is ever subtracted, so sums do not drift and a window without volume sums to exactly nothing.
    """
    state = memory.core["state"]
    window = memory.core["choices"]["flow_window"]
    past = memory.ring[now.at & memory.core["choices"]["ring_mask"]]
    state["block_volume"] += now.volume
    state["block_squares"] += now.volume * now.volume
    state["block_pressure"] += past["pressure"]
    volume = state["block_volume"]
    squares = state["block_squares"]
    pressure = state["block_pressure"]
    state["block_bars"] += 1
    if state["block_bars"] == window:
        _close_block(memory, now.at)
    elif now.at >= window:
        first = memory.ring[(now.at - window + 1) & memory.core["choices"]["ring_mask"]]
        volume += first["later_volume"]
        squares += first["later_squares"]
        pressure += first["later_pressure"]
    state["window_volume"] = volume
    state["window_squares"] = squares
    if volume > 0.0 and now.at >= window - 1:
        past["money_flow"] = pressure / volume
        row["money_flow"] = pressure / volume


@kernel(inline=True)
def _measure_volume(memory: Memory, now: Now, row: Record) -> None:
    """The bar's volume against the mean and deviation of the `flow_window` bars before it.

    A deviation below a millionth of the mean is none: the volume was constant and the score undefined.
    """
    window = memory.core["choices"]["flow_window"]
    mean = memory.core["state"]["window_volume"] / window
    variance = memory.core["state"]["window_squares"] / window - mean * mean
    if mean > 0.0:
        row["effort"] = now.volume / mean
        if variance > CONSTANT * mean * mean:
            row["volume_z"] = (now.volume - mean) / np.sqrt(variance)


@kernel
def _effort_against_result(memory: Memory, now: Now, row: Record, moved: float) -> None:
    """An unusual volume either drove the price (impulse) or was taken up by the other side (absorption)."""
    choices = memory.core["choices"]
    if np.isnan(row["result"]):
        return
    location = (now.close - now.low) - (now.high - now.close)
    kind = -1
    direction = 0
    if row["result"] >= choices["impulse_result_atr"]:
        kind = IMPULSE
        direction = 1 if moved > 0.0 else -1
        row["impulse"] = direction
    elif row["result"] <= choices["absorption_result_atr"] and location != 0.0:
        kind = ABSORPTION
        direction = 1 if location > 0.0 else -1
        row["absorption"] = direction
    if kind >= 0:
        slot = new_object(memory, kind, direction, now.at, now.at)
        set_prices(memory, slot, now.low, now.high, now.close)
        memory.objects[slot]["strength"] = row["volume_z"]
        stop = now.low if direction > 0 else now.high
        stand(memory, ON_EVENTS, direction, slot, stop, stop)


@kernel(inline=True)
def read_flow(memory: Memory, now: Now, row: Record) -> None:
    """Volume z-score, effort, result and money flow of the bar, and the events they make."""
    before = now.at - 1
    if now.at >= memory.core["choices"]["flow_window"]:
        _measure_volume(memory, now, row)
    _slide(memory, now, row)
    if before < 0:
        return
    moved = now.close - memory.ring[before & memory.core["choices"]["ring_mask"]]["close"]
    row["result"] = in_atr(abs(moved), now.atr_before)
    if row["volume_z"] >= memory.core["choices"]["volume_z"]:
        _effort_against_result(memory, now, row, moved)


@kernel(inline=True)
def read_displacement(memory: Memory, now: Now, row: Record) -> None:
    """A candle whose body is large against the ATR of the bar before and against its own range."""
    choices = memory.core["choices"]
    body = now.close - now.open
    size = abs(body)
    if not now.atr_before > 0.0 or size == 0.0:
        return
    if size < choices["displacement_body_atr"] * now.atr_before:
        return
    if size < choices["displacement_body_share"] * (now.high - now.low):
        return
    direction = 1 if body > 0.0 else -1
    row["displacement"] = direction
    memory.core["sides"][0 if direction > 0 else 1]["push_index"] = now.at
    slot = new_object(memory, DISPLACEMENT, direction, now.at, now.at)
    set_prices(memory, slot, min(now.open, now.close), max(now.open, now.close), now.open + body / 2.0)
    memory.objects[slot]["strength"] = size / now.atr_before
    stand(memory, ON_EVENTS, direction, slot, now.open, now.open)


@kernel(inline=True)
def read_gap(memory: Memory, now: Now, row: Record) -> None:
    """Fair value gap: three bars whose outer two do not overlap, the middle one pointing the way of the gap."""
    if now.run < 3:
        return
    mask = memory.core["choices"]["ring_mask"]
    first = memory.ring[(now.at - 2) & mask]
    middle = memory.ring[(now.at - 1) & mask]
    direction = 0
    low = 0.0
    high = 0.0
    if first["high"] < now.low and middle["close"] > middle["open"]:
        direction, low, high = 1, first["high"], now.low
    elif first["low"] > now.high and middle["close"] < middle["open"]:
        direction, low, high = -1, now.high, first["low"]
    if direction == 0:
        return
    strength = in_atr(high - low, now.atr)
    smallest = memory.core["choices"]["fvg_min_atr"]
    if smallest > 0.0 and not strength >= smallest:
        return
    row["fvg"] = direction
    memory.core["sides"][0 if direction > 0 else 1]["gap_index"] = now.at - 1
    slot = new_object(memory, FVG, direction, now.at - 1, now.at)
    set_prices(memory, slot, low, high, low + (high - low) / 2.0)
    memory.objects[slot]["strength"] = strength
    if direction > 0:
        stand(memory, ON_GAPS, 1, slot, high, low)
    else:
        stand(memory, ON_GAPS, -1, slot, low, high)


@kernel(inline=True)
def _strat_type(now: Now, before: Record) -> int:
    """1 inside, 2 takes out the high only, -2 the low only, 3 both sides of the bar before."""
    above = now.high > before["high"]
    below = now.low < before["low"]
    if above and below:
        return 3
    if above:
        return 2
    if below:
        return -2
    return 1


@kernel(inline=True)
def read_strat(memory: Memory, now: Now, row: Record) -> None:
    """STRAT bar type, and the 2-1-2: a directional bar, an inside bar, and the break of the inside bar."""
    state = memory.core["state"]
    two_back, one_back = state["strat_2"], state["strat_1"]
    present = 0
    if now.run >= 2:
        present = _strat_type(now, memory.ring[(now.at - 1) & memory.core["choices"]["ring_mask"]])
    row["strat"] = present
    state["strat_2"] = one_back if now.run >= 2 else 0
    state["strat_1"] = present
    if now.run < 3 or one_back != 1 or abs(two_back) != 2 or abs(present) != 2:
        return
    direction = 1 if present > 0 else -1
    kind = STRAT_CONTINUATION if present == two_back else STRAT_REVERSAL
    if kind == STRAT_CONTINUATION:
        row["strat_continuation"] = direction
    else:
        row["strat_reversal"] = direction
    inside = memory.ring[(now.at - 1) & memory.core["choices"]["ring_mask"]]
    trigger = inside["high"] if direction > 0 else inside["low"]
    stop = inside["low"] if direction > 0 else inside["high"]
    slot = new_object(memory, kind, direction, now.at - 1, now.at)
    set_prices(memory, slot, inside["low"], inside["high"], trigger)
    memory.objects[slot]["strength"] = in_atr(abs(now.close - trigger), now.atr)
    stand(memory, ON_EVENTS, direction, slot, stop, stop)
