"""Out of a position: reducing and closing it, rungs of a DCA ladder, funding, liquidation, and the record of the trade."""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.fills import liquidation_of, pay, taken_price, whole_lots
from modules.backtesting.opening import affordable


@kernel(inline=True, borrows=True)
def note_price(row: np.void, price: float) -> None:
    """The best and the worst price include every price the trade was left at."""
    direction = row["direction"]
    row["best"] = direction * max(direction * row["best"], direction * price)
    row["worst"] = direction * min(direction * row["worst"], direction * price)


@kernel(borrows=True)
def _tell(book: words.Book, reason: int) -> None:
    """Write the record of a trade that is over."""
    holding, row, bar = book.holding, book.row, book.bar
    if holding["number"] >= book.trades.shape[0]:
        return
    told = book.trades[holding["number"]]
    bought, direction = holding["bought"], holding["direction"]
    average = holding["average"] if holding["entries"] == 1 else holding["opened_value"] / bought
    pnl = holding["profit"] - holding["fees"] - holding["funding"]
    risk = (row["initial_stop"] - average) * -direction * bought
    told["symbol"] = holding["symbol"]
    told["side"] = direction
    told["signal_bar"] = holding["signal_bar"]
    told["entry_bar"] = holding["entry_bar"]
    told["exit_bar"] = bar["index"]
    told["entry_time"] = holding["entry_time"]
    told["exit_time"] = bar["time"]
    told["entry_price"] = average
    told["exit_price"] = holding["closed_value"] / bought
    told["quantity"] = bought
    told["pnl"] = pnl
    told["return"] = pnl / (average * bought)
    told["fees"] = holding["fees"]
    told["funding"] = holding["funding"]
    told["initial_stop"] = row["initial_stop"]
    told["r_multiple"] = pnl / risk if row["initial_stop"] > 0.0 and risk > 0.0 else np.nan
    told["mae"] = (row["worst"] - average) * direction / average
    told["mfe"] = (row["best"] - average) * direction / average
    told["targets_hit"] = row["reached"]
    told["entries"] = holding["entries"]
    told["reason"] = reason


@kernel(borrows=True)
def reduce(book: words.Book, kind: int, level: int, price: float, quantity: float, reason: int) -> None:
    """Close `quantity` at `price`, which is final; when nothing is left the trade is told with `reason`.

    A target is a limit order that rested (maker), a liquidation settles at the bankruptcy price without a further fee.
    """
    account, holding = book.account, book.holding
    direction = holding["direction"]
    whole = quantity >= holding["quantity"]
    if whole:
        quantity = holding["quantity"]
    pay(book, -direction, kind, level, price, quantity, 1 if kind == words.TARGET else 0)
    profit = direction * quantity * (price - holding["average"])
    account["cash"] += profit
    holding["profit"] += profit
    holding["closed_value"] += price * quantity
    released = holding["margin"] if whole else holding["margin"] * (quantity / holding["quantity"])
    account["margin"] -= released
    holding["margin"] -= released
    holding["quantity"] -= quantity
    if whole:
        _tell(book, reason)
        holding["direction"] = 0
        holding["leaving"] = 0
        holding["quantity"] = 0.0
        account["held"] -= 1
        if account["held"] == 0:
            account["margin"] = 0.0


@kernel(borrows=True)
def close_all(book: words.Book, raw: float, kind: int, reason: int) -> None:
    """Close what is left at market: `raw` worsened by spread and slippage."""
    holding = book.holding
    note_price(book.row, raw)
    price = taken_price(book.terms, -holding["direction"], raw, holding["quantity"], book.bar)
    reduce(book, kind, 0, price, holding["quantity"], reason)


@kernel(borrows=True)
def liquidate(book: words.Book) -> None:
    """The margin is gone: settled at the bankruptcy price (`fill_model.bankruptcy_price`)."""
    holding = book.holding
    price = holding["average"] * (1.0 - holding["direction"] / book.terms["leverage"])
    note_price(book.row, price)
    reduce(book, words.LIQUIDATION, 0, price, holding["quantity"], words.BY_LIQUIDATION)


@kernel(borrows=True)
def add_rung(book: words.Book, raw: float) -> None:
    """One rung of the DCA ladder: a market order of a multiple of the first quantity, cut to the free money.

    Stop and targets stay where they are; the average entry, the liquidation price and what the shares are counted from
    change, as they do for a live position.
    """
    terms, account, holding, row = book.terms, book.account, book.holding, book.row
    direction, wanted = holding["direction"], holding["first_quantity"] * terms["rung_factor"][holding["rung"]]
    price = taken_price(terms, direction, raw, wanted, book.bar)
    quantity = whole_lots(terms, min(wanted, affordable(book, price, 0)))
    holding["rung"] += 1
    if holding["rung"] < terms["rungs"]:
        holding["rung_price"] *= 1.0 - direction * terms["rung_drop"][holding["rung"]]
    else:
        holding["rung_price"] = 0.0
    if not quantity > 0.0:
        holding["rung_price"] = 0.0
        return
    pay(book, direction, words.RUNG, holding["rung"], price, quantity, 0)
    held = holding["quantity"] + quantity
    holding["average"] = (holding["average"] * holding["quantity"] + price * quantity) / held
    holding["quantity"] = held
    holding["bought"] += quantity
    holding["opened_value"] += price * quantity
    holding["entries"] += 1
    margin = price * quantity / terms["leverage"]
    holding["margin"] += margin
    account["margin"] += margin
    holding["liquidation"] = liquidation_of(terms, direction, holding["average"])
    row["entry"] = holding["average"]
    row["remaining"] = held / holding["bought"]


@kernel(inline=True, borrows=True)
def pay_funding(book: words.Book) -> None:
    """What a position held into this bar pays for the funding times since the bar before, at this bar's open."""
    holding, bar = book.holding, book.bar
    paid = holding["direction"] * holding["quantity"] * bar["open"] * bar["funding"]
    book.account["cash"] -= paid
    book.account["funding"] += paid
    holding["funding"] += paid
