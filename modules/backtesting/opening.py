"""From a wish to a position: its stop, its targets, its size, and the exit program that will follow it."""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.fills import liquidation_of, on_tick, pay, taken_price, whole_lots
from modules.trading import exit_program as codes


@kernel(borrows=True)
def stop_at(terms: np.void, holding: np.void, entry: float) -> float:
    """Where the first stop of a trade entered at `entry` lies; 0 where it has none, NaN where its ATR is not known."""
    direction = holding["wanted"]
    if holding["wanted_stop"] > 0.0:
        return on_tick(terms, holding["wanted_stop"])
    if terms["stop_fraction"] > 0.0:
        return on_tick(terms, entry * (1.0 - direction * terms["stop_fraction"]))
    if terms["stop_atr"] > 0.0:
        if not 0.0 < holding["wanted_atr"] < np.inf:
            return np.nan
        return max(on_tick(terms, entry - direction * terms["stop_atr"] * holding["wanted_atr"]), 0.0)
    return 0.0


@kernel(borrows=True)
def target_at(terms: np.void, holding: np.void, entry: float, stop: float, index: int) -> float:
    """Price of target `index` (from 0); 0 where what it is measured by is missing."""
    direction, value = holding["wanted"], terms["target_value"][index]
    kind = terms["target_kind"][index]
    if kind == words.TARGET_FRACTION:
        return on_tick(terms, entry * (1.0 + direction * value))
    if kind == words.TARGET_ATR:
        if not 0.0 < holding["wanted_atr"] < np.inf:
            return 0.0
        return on_tick(terms, entry + direction * value * holding["wanted_atr"])
    if not stop > 0.0:
        return 0.0
    return on_tick(terms, entry + value * (entry - stop))


@kernel(borrows=True)
def loss_per_unit(terms: np.void, holding: np.void, price: float, stop: float) -> float:
    """Quote currency one unit loses at its stop, taker fees both ways included; 0 where there is no such stop."""
    direction, out = holding["wanted"], stop
    if terms["size_mode"] == words.BY_ATR:
        multiple = terms["stop_atr"] if terms["stop_atr"] > 0.0 else 1.0
        if not 0.0 < holding["wanted_atr"] < np.inf:
            return 0.0
        out = max(price - direction * multiple * holding["wanted_atr"], 0.0)
    elif not stop > 0.0:
        return 0.0
    return float(abs(price - out) + terms["taker_fee"] * (price + out))


@kernel(borrows=True)
def affordable(book: words.Book, price: float, maker: int) -> float:
    """The largest quantity whose margin and fee the free money covers. Losses of open positions bind money, gains free none."""
    terms, account = book.terms, book.account
    free = account["cash"] + min(account["open_profit"], 0.0) - account["margin"]
    if not free > 0.0:
        return 0.0
    fee = terms["maker_fee"] if maker == 1 else terms["taker_fee"]
    return float(free / (price * (1.0 / terms["leverage"] + max(fee, 0.0))))


@kernel(borrows=True)
def wanted_quantity(book: words.Book, price: float, stop: float) -> float:
    """The size the rules ask for before the money at hand limits it; negative: which refusal it is."""
    terms, mode = book.terms, book.terms["size_mode"]
    equity = book.account["cash"] + book.account["open_profit"]
    if mode == words.BY_QUOTE:
        return float(terms["size_value"] * terms["leverage"] / price)
    if mode == words.BY_EQUITY:
        return float(max(equity, 0.0) * terms["size_value"] * terms["leverage"] / price)
    loss = loss_per_unit(terms, book.holding, price, stop)
    if not loss > 0.0:
        return float(-1 - (words.NO_ATR if mode == words.BY_ATR else words.NO_STOP))
    return float(max(equity, 0.0) * terms["size_value"] / loss)


@kernel(borrows=True)
def _levels_fit(book: words.Book, price: float, stop: float) -> int:
    """Write stop and targets of an entry at `price` into the program; the refusal where one lies on the wrong side, or -1."""
    terms, holding, row = book.terms, book.holding, book.row
    direction = holding["wanted"]
    if stop > 0.0 and not (price - stop) * direction > 0.0:
        return words.WRONG_SIDE
    own = holding["wanted_levels"] >= 0
    levels = holding["wanted_levels"] if own else terms["levels"]
    for index in range(levels):
        level = (
            on_tick(terms, holding["wanted_target"][index]) if own else target_at(terms, holding, price, stop, index)
        )
        if not level > 0.0:
            return words.NO_STOP if terms["target_kind"][index] == words.TARGET_R else words.NO_ATR
        if not (level - price) * direction > 0.0:
            return words.WRONG_SIDE
        row["target"][index] = level
        row["share"][index] = 1.0 / levels if own and terms["equal_shares"] == 1 else terms["target_share"][index]
        row["hit"][index] = 0
        row["touched"][index] = 0
    row["levels"] = levels
    row["stop"] = stop
    row["initial_stop"] = stop
    return -1


@kernel(borrows=True)
def _take_position(book: words.Book, price: float, quantity: float, maker: int) -> None:
    """Book the first fill of a position whose stop and targets are written."""
    terms, account, holding, bar = book.terms, book.account, book.holding, book.bar
    direction = holding["wanted"]
    holding["number"] = account["trades"]
    account["trades"] += 1
    account["held"] += 1
    holding["direction"] = direction
    holding["leaving"] = 0
    holding["signal_bar"] = holding["wanted_bar"]
    holding["entry_bar"] = bar["index"]
    holding["entry_time"] = bar["time"]
    holding["quantity"] = holding["bought"] = holding["first_quantity"] = quantity
    holding["average"] = price
    holding["opened_value"] = price * quantity
    holding["entries"] = 1
    holding["profit"] = holding["closed_value"] = holding["fees"] = holding["funding"] = 0.0
    holding["margin"] = price * quantity / terms["leverage"]
    holding["liquidation"] = liquidation_of(terms, direction, price)
    holding["mark"] = price
    holding["rung"] = 0
    holding["rung_price"] = price * (1.0 - direction * terms["rung_drop"][0]) if terms["rungs"] > 0 else 0.0
    account["margin"] += holding["margin"]
    pay(book, direction, words.ENTRY, 0, price, quantity, maker)


@kernel(borrows=True)
def _start_program(book: words.Book, price: float, first_bar: int) -> None:
    """Set the rest of the exit program; its times are numbers of bars, so that holes in the candles don't count."""
    terms, row, bar = book.terms, book.row, book.bar
    row["direction"] = book.holding["direction"]
    row["resting"] = 0
    row["entry_bar"] = first_bar
    row["closed"] = 0
    row["opened_ms"] = 0
    row["time_exit_ms"] = bar["index"] + terms["time_exit_bars"] if terms["time_exit_bars"] > 0 else 0
    row["timed_out"] = 0
    row["entry"] = row["best"] = row["worst"] = price
    row["stop_reason"] = codes.INITIAL
    row["stop_touched"] = 0
    row["remaining"] = 1.0
    row["reached"] = 0
    row["break_even_after"] = terms["break_even_after"]
    row["trail_kind"] = terms["trail_kind"]
    row["trail_distance"] = terms["trail_distance"]
    row["trail_activation"] = terms["trail_activation"]
    row["trail_active"] = 0
    row["tick_numerator"] = terms["tick_numerator"]
    row["tick_denominator"] = terms["tick_denominator"]


@kernel(borrows=True)
def open_position(book: words.Book, raw: float, maker: int, first_bar: int) -> int:
    """Enter at `raw` (before spread and slippage, which a maker doesn't pay); the refusal, or -1 for a position opened.

    The wish is gone either way. Levels are measured from the price really paid.
    """
    terms, holding = book.terms, book.holding
    direction, bound = holding["wanted"], holding["wanted_price"]
    price = raw if maker == 1 else taken_price(terms, direction, raw, 0.0, book.bar)
    stop = stop_at(terms, holding, price)
    if np.isnan(stop):
        return words.NO_ATR
    quantity = wanted_quantity(book, price, stop)
    if quantity < 0.0:
        return int(-1 - quantity)
    if maker == 0:
        price = taken_price(terms, direction, raw, min(quantity, affordable(book, price, 0)), book.bar)
        if terms["entry_kind"] == words.LIMIT_ENTRY and bound > 0.0:
            price = min(price, bound) if direction > 0 else max(price, bound)
        stop = stop_at(terms, holding, price)
    limit = affordable(book, price, maker)
    quantity = whole_lots(terms, min(quantity, limit))
    if not (quantity > 0.0 and price * quantity >= terms["min_notional"]):
        return words.NO_MONEY if not limit > 0.0 else words.TOO_SMALL
    refusal = _levels_fit(book, price, stop)
    if refusal >= 0:
        return refusal
    _take_position(book, price, quantity, maker)
    _start_program(book, price, first_bar)
    return -1
