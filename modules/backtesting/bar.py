"""One bar of one symbol: what happens at its open, inside it, and at its close.

The order, which every result states:

1. funding due since the bar before is paid at the open;
2. a position whose exit was signalled is closed at the open;
3. a market entry that was signalled is filled at the open;
4. inside the bar, whole or candle by candle of a lower timeframe: a waiting entry, then rungs of the DCA ladder (unless
   the candle opens beyond the stop or a target), liquidation, and the exit kernel's step: stop before targets, time exit
   at the close, then the stop's next place;
5. at the close the position is marked and the strategy decides; nothing it decides happens before the next open.
"""

from __future__ import annotations

import numpy as np

from modules.analysis.compiled import kernel
from modules.backtesting import words
from modules.backtesting.fills import whole_lots
from modules.backtesting.leaving import add_rung, close_all, liquidate, pay_funding, reduce
from modules.backtesting.opening import open_position
from modules.trading import exit_program as codes
from modules.trading.exits import step, stop_fill, target_fill


@kernel(inline=True, borrows=True)
def read_bar(bar: np.void, feed: words.Feed, place: int, index: int) -> None:
    """Fill `bar` from row `place` of the columns; `index` is its number within its own symbol."""
    bar["index"] = index
    bar["time"] = feed.time[place]
    bar["open"] = feed.open[place]
    bar["high"] = feed.high[place]
    bar["low"] = feed.low[place]
    bar["close"] = feed.close[place]
    bar["volume"] = feed.volume[place]
    bar["atr"] = feed.atr[place] if feed.atr.shape[0] > 0 else 0.0
    bar["atr_before"] = feed.atr[place - 1] if feed.atr.shape[0] > 0 and index > 0 else 0.0
    bar["funding"] = feed.funding[place] if feed.funding.shape[0] > 0 else 0.0


@kernel(borrows=True)
def enter(book: words.Book, raw: float, maker: int, first_bar: int) -> None:
    """Carry out the waiting entry; a refusal is counted by its reason."""
    account, holding = book.account, book.holding
    places = book.terms["max_positions"]
    refusal = words.NO_PLACE
    if places == 0 or account["held"] < places:
        refusal = open_position(book, raw, maker, first_bar)
    if refusal >= 0:
        account["refused"][refusal] += 1
    holding["wanted"] = 0


@kernel(inline=True, borrows=True)
def leave_at_open(book: words.Book) -> None:
    """Points 1 and 2 of the order."""
    if book.holding["direction"] == 0:
        return
    if book.bar["funding"] != 0.0:
        pay_funding(book)
    if book.holding["leaving"] == 1:
        close_all(book, book.bar["open"], words.SIGNAL, words.BY_SIGNAL)


@kernel(inline=True, borrows=True)
def enter_at_open(book: words.Book) -> None:
    """Point 3 of the order."""
    holding = book.holding
    if holding["wanted"] != 0 and holding["direction"] == 0 and not holding["wanted_price"] > 0.0:
        enter(book, book.bar["open"], 0, codes.OWN_PRICE)


@kernel(borrows=True)
def _enter_inside(book: words.Book, open_: float, high: float, low: float, arriving: bool) -> None:
    """A waiting entry whose price is reached. What crosses the market on arrival takes liquidity, what rested makes it."""
    holding = book.holding
    direction, price = holding["wanted"], holding["wanted_price"]
    if book.terms["entry_kind"] == words.LIMIT_ENTRY:
        raw = target_fill(-direction, price, open_, high, low)
        at_open = (price - open_) * direction >= 0.0
        maker = 0 if at_open and arriving else 1
    else:
        raw = stop_fill(-direction, price, open_, high, low)
        at_open = (open_ - price) * direction >= 0.0
        maker = 0
    if raw > 0.0:
        enter(book, raw, maker, codes.OWN_PRICE if at_open else codes.ENTERED_INSIDE)


@kernel(borrows=True)
def _opens_beyond(book: words.Book, open_: float) -> bool:
    """Whether the open alone already decides: at or beyond the stop, the liquidation price or a target."""
    holding, row = book.holding, book.row
    direction = holding["direction"]
    if row["stop"] > 0.0 and (open_ - row["stop"]) * direction <= 0.0:
        return True
    if holding["liquidation"] > 0.0 and (open_ - holding["liquidation"]) * direction <= 0.0:
        return True
    for index in range(row["levels"]):
        if row["touched"][index] == 0 and (open_ - row["target"][index]) * direction >= 0.0:
            return True
    return False


@kernel(borrows=True)
def _take_rungs(book: words.Book, open_: float, high: float, low: float) -> None:
    """Every rung the candle reaches before the stop or the liquidation price; afterwards targets count by the close alone."""
    holding, row = book.holding, book.row
    direction = holding["direction"]
    if _opens_beyond(book, open_):
        return
    while holding["rung_price"] > 0.0:
        rung = holding["rung_price"]
        if row["stop"] > 0.0 and (rung - row["stop"]) * direction <= 0.0:
            holding["rung_price"] = 0.0
            return
        if holding["liquidation"] > 0.0 and (rung - holding["liquidation"]) * direction <= 0.0:
            return
        raw = target_fill(-direction, rung, open_, high, low)
        if not raw > 0.0:
            return
        add_rung(book, raw)
        row["entry_bar"] = codes.ENTERED_INSIDE


@kernel(borrows=True)
def _liquidated(book: words.Book, open_: float, high: float, low: float) -> bool:
    """Whether the candle takes the position over: it opens beyond the price, or reaches it with no stop on the way."""
    holding, row = book.holding, book.row
    direction, price = holding["direction"], holding["liquidation"]
    if not price > 0.0:
        return False
    adverse = low if direction > 0 else high
    if (adverse - price) * direction > 0.0:
        return False
    nearer = row["stop"] > 0.0 and (row["stop"] - price) * direction > 0.0
    if nearer and (open_ - price) * direction > 0.0:
        return False
    liquidate(book)
    return True


@kernel(inline=True, borrows=True)
def _carry_out(book: words.Book, count: int) -> None:
    """Turn the exit kernel's events into fills."""
    holding, row, out = book.holding, book.row, book.out
    for number in range(count):
        if holding["direction"] == 0:
            return
        event = out[number]
        kind, price = event["kind"], event["price"]
        if kind == codes.TARGET:
            last = row["closed"] == 1 and number == count - 2
            quantity = holding["quantity"]
            if not last:
                quantity = min(whole_lots(book.terms, event["share"] * holding["bought"]), quantity)
            if quantity > 0.0:
                reduce(book, words.TARGET, event["level"], price, quantity, codes.BY_TARGETS)
        elif kind == codes.STOP:
            close_all(book, price, words.STOP, event["reason"])
        elif kind == codes.TIME_EXIT:
            close_all(book, price, words.TIME, codes.BY_TIME)


@kernel(borrows=True)
def inside(book: words.Book, prices: tuple[float, float, float, float], first: bool, last: bool) -> None:
    """Point 4 of the order for one candle: the bar itself, or one of those it is made of.

    The exit kernel's clock counts bars here: a bar is over when its last candle is.
    """
    holding, bar = book.holding, book.bar
    open_, high, low, close = prices
    if holding["direction"] == 0:
        if holding["wanted"] == 0:
            return
        _enter_inside(book, open_, high, low, first and bar["index"] == holding["wanted_bar"] + 1)
        if holding["direction"] == 0:
            return
    if holding["rung_price"] > 0.0:
        _take_rungs(book, open_, high, low)
    if _liquidated(book, open_, high, low):
        return
    book.row["atr"] = bar["atr"] if last else bar["atr_before"]
    clock = bar["index"] + 1 if last else bar["index"]
    _carry_out(book, step(book.row, open_, high, low, close, clock, book.out))


@kernel(inline=True, borrows=True)
def through_bar(book: words.Book, feed: words.Feed, place: int) -> None:
    """Point 4 of the order: the whole bar, or the candles of a lower timeframe where they are there."""
    bar = book.bar
    start, end = 0, 0
    if feed.lower_start.shape[0] > 0:
        start, end = feed.lower_start[place], feed.lower_start[place + 1]
    if start == end:
        inside(book, (bar["open"], bar["high"], bar["low"], bar["close"]), True, True)
    for part in range(start, end):
        prices = (feed.lower_open[part], feed.lower_high[part], feed.lower_low[part], feed.lower_close[part])
        inside(book, prices, part == start, part == end - 1)
    book.holding["mark"] = bar["close"]


@kernel(inline=True, borrows=True)
def _wish(book: words.Book, feed: words.Feed, place: int) -> None:
    """Note the entry signalled at the close of this bar."""
    holding = book.holding
    holding["wanted"] = feed.entry[place]
    holding["wanted_bar"] = book.bar["index"]
    holding["wanted_price"] = feed.entry_price[place] if feed.entry_price.shape[0] > 0 else 0.0
    holding["wanted_stop"] = feed.stop[place] if feed.stop.shape[0] > 0 else 0.0
    holding["wanted_atr"] = feed.atr[place] if feed.atr.shape[0] > 0 else 0.0
    holding["wanted_levels"] = -1
    for index in range(feed.targets.shape[1]):
        level = feed.targets[place, index]
        if not level > 0.0:
            break
        holding["wanted_target"][index] = level
        holding["wanted_levels"] = index + 1


@kernel(inline=True, borrows=True)
def decide(book: words.Book, feed: words.Feed, place: int) -> None:
    """Point 5 of the order: exit and entry signals of this bar, for the next open."""
    terms, account, holding = book.terms, book.account, book.holding
    signal, direction = feed.entry[place], holding["direction"]
    if direction != 0:
        holding["leaving"] = feed.exit_long[place] if direction > 0 else feed.exit_short[place]
        if not (holding["leaving"] == 1 and terms["reverse"] == 1 and signal == -direction):
            return
    elif holding["wanted"] != 0:
        given_up = feed.exit_long[place] if holding["wanted"] > 0 else feed.exit_short[place]
        waited = book.bar["index"] - holding["wanted_bar"]
        if given_up or signal != 0 or (terms["entry_bars"] > 0 and waited >= terms["entry_bars"]):
            holding["wanted"] = 0
            account["refused"][words.NOT_REACHED] += 1
    if signal != 0:
        _wish(book, feed, place)


@kernel(inline=True, borrows=True)
def profit_of(holding: np.void, price: float) -> float:
    """Unrealised profit of a position at `price`, before fees; 0 for none."""
    return float(holding["direction"] * holding["quantity"] * (price - holding["average"]))
