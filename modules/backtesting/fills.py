"""What an execution costs: price after spread and slippage, fee, whole ticks and lots, and the records of it.

Triggers are the exit kernel's, slippage and ticks the fill model's; this file only applies them to the account.
"""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.trading.fill_model import slippage_amount, worse_price


@kernel(inline=True, borrows=True)
def taken_price(terms: np.void, action: int, price: float, quantity: float, bar: np.void) -> float:
    """Price of an order that takes liquidity (+1 buy, -1 sell): half the spread and the slippage worse than `price`."""
    base = price + action * price * terms["half_spread"]
    share = quantity / bar["volume"] if bar["volume"] > 0.0 else 0.0
    amount = slippage_amount(terms["slip_kind"], terms["slip_size"], base, share, bar["atr_before"])
    return float(worse_price(action, base, amount, terms["tick_numerator"], terms["tick_denominator"]))


@kernel(inline=True, borrows=True)
def on_tick(terms: np.void, price: float) -> float:
    """The nearest tick, as the exit kernel rounds a moved stop."""
    denominator = terms["tick_denominator"]
    if not (denominator > 0.0 and 0.0 < price < np.inf):
        return price
    numerator = terms["tick_numerator"]
    ticks = float(np.rint(price * denominator / numerator))
    return float(max(ticks, 1.0) * numerator / denominator)


@kernel(inline=True, borrows=True)
def whole_lots(terms: np.void, quantity: float) -> float:
    """Down to whole lots; dust of the float does not cost a lot."""
    denominator = terms["lot_denominator"]
    if not denominator > 0.0:
        return float(quantity)
    numerator = terms["lot_numerator"]
    lots = quantity * denominator / numerator
    return float(np.floor(lots + 1e-9 + abs(lots) * 1e-15) * numerator / denominator)


@kernel(inline=True, borrows=True)
def liquidation_of(terms: np.void, direction: int, average: float) -> float:
    """Price at which the position is taken over, 0 for one that can't be: a long that was paid in full.

    The formula is `fill_model.liquidation_price`.
    """
    leverage = terms["leverage"]
    if direction > 0 and leverage <= 1.0:
        return 0.0
    return float(max(average * (1.0 - direction * (1.0 / leverage - terms["maintenance"])), 0.0))


@kernel(inline=True, borrows=True)
def pay(book: words.Book, action: int, kind: int, level: int, price: float, quantity: float, maker: int) -> float:
    """Book one fill (+1 bought, -1 sold) to the account and tell of it; returns its fee.

    Without room in the book's `fills` the fill is booked all the same, which is how a sweep keeps none.
    """
    account, holding = book.account, book.holding
    value = price * quantity
    fee = value * (book.terms["maker_fee"] if maker == 1 else book.terms["taker_fee"])
    if kind == words.LIQUIDATION:
        fee = 0.0  # settled with the margin
    account["cash"] -= fee
    account["fees"] += fee
    account["turnover"] += value
    holding["fees"] += fee
    at = account["fills"]
    account["fills"] = at + 1
    if at < book.fills.shape[0]:
        told = book.fills[at]
        told["symbol"] = holding["symbol"]
        told["trade"] = holding["number"]
        told["bar"] = book.bar["index"]
        told["time"] = book.bar["time"]
        told["action"] = action
        told["kind"] = kind
        told["level"] = level
        told["price"] = price
        told["quantity"] = quantity
        told["fee"] = fee
        told["maker"] = maker
    return float(fee)
