"""A slow backtester in plain Python, written from the rules in words: the oracle of the compiled one.

It knows nothing of records, programs or stretches: a trade is an object with lists, every bar is played in full, and longs
and shorts are told apart by `better` and `worse` in place of signs where that is how people say it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from modules.analysis.candles import Candles
from modules.backtesting.assumptions import Assumptions, EntryOrder
from modules.strategies.decisions import Decisions, TradeRules

DUST = 1e-9


@dataclass
class Level:
    price: float
    share: float
    done: bool = False


@dataclass
class Trade:
    long: bool
    signal_bar: int
    entry_bar: int
    average: float
    left: float
    bought: float
    opened_value: float
    margin: float
    first_stop: float | None
    stop: float | None
    why: str
    ladder: list[Level]
    rungs: list[tuple[float, float]]
    best: float
    worst: float
    fresh: str | None
    awake: bool = False
    reached: int = 0
    entries: int = 1
    profit: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    closed_value: float = 0.0
    share_left: float = 1.0
    exit_bar: int = -1
    reason: str = ""

    @property
    def sign(self) -> int:
        return 1 if self.long else -1

    def beyond(self, a: float, b: float) -> bool:
        """Whether `a` is as far as `b` in the trade's favour, or further."""
        return a >= b if self.long else a <= b

    def note(self, price: float) -> None:
        if self.long:
            self.best, self.worst = max(self.best, price), min(self.worst, price)
        else:
            self.best, self.worst = min(self.best, price), max(self.worst, price)


@dataclass
class Wish:
    long: bool
    bar: int
    price: float | None
    stop: float | None
    atr: float | None
    targets: list[float]


def known(column, row) -> float | None:
    if column is None or not column[row] > 0:
        return None
    return float(column[row])


@dataclass
class Told:
    trades: list[Trade]
    fills: list[tuple]
    equity: list[float]
    refused: dict[str, int]
    bars_held: int


@dataclass
class Notebook:
    candles: Candles
    decisions: Decisions
    rules: TradeRules
    assumed: Assumptions
    funding: list[float] | None = None
    inner: dict[int, list[tuple[float, float, float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.assumed.capital
        self.trade: Trade | None = None
        self.wish: Wish | None = None
        self.leaving = False
        self.told = Told([], [], [], {}, 0)
        self.t = 0

    # -- the days ---------------------------------------------------------------------------------------------------

    def replay(self) -> Told:
        count = len(self.candles)
        for self.t in range(count):
            bar = self.candles[self.t]
            held = self.trade is not None
            trades = len(self.told.trades)
            self.at_open(bar.open)
            for number, part in enumerate(self.parts(bar)):
                self.inside(part, first=number == 0, last=number == len(self.parts(bar)) - 1)
            if held or len(self.told.trades) > trades:
                self.told.bars_held += 1
            if self.t == count - 1:
                if self.trade is not None:
                    self.market_out(bar.close, "end", 7)
                self.told.equity.append(self.cash)
            else:
                self.told.equity.append(self.cash + self.unrealised(bar.close))
                self.decide()
        return self.told

    def parts(self, bar):
        return self.inner.get(self.t) or [(bar.open, bar.high, bar.low, bar.close)]

    def unrealised(self, price: float) -> float:
        trade = self.trade
        if trade is None:
            return 0.0
        return trade.left * (price - trade.average) if trade.long else trade.left * (trade.average - price)

    def atr(self, row: int) -> float | None:
        return known(self.decisions.atr, row) if row >= 0 else None

    # -- open -------------------------------------------------------------------------------------------------------

    def at_open(self, price: float) -> None:
        trade = self.trade
        if trade is not None and self.funding is not None and self.funding[self.t]:
            paid = trade.left * price * self.funding[self.t] * (1 if trade.long else -1)
            trade.funding += paid
            self.cash -= paid
        if trade is not None and self.leaving:
            self.market_out(price, "signal", 5)
        if self.wish is not None and self.trade is None and self.wish.price is None:
            self.enter(price, maker=False, fresh="own")

    def refuse(self, why: str) -> None:
        self.told.refused[why] = self.told.refused.get(why, 0) + 1

    # -- prices -----------------------------------------------------------------------------------------------------

    def worsened(self, buy: bool, price: float, quantity: float) -> float:
        price = price + price * (self.assumed.spread_bps / 10_000 / 2) * (1 if buy else -1)
        size, name = self.assumed.slippage_size, self.assumed.slippage.value
        moved = 0.0
        if name == "bps":
            moved = price * size / 10_000
        volume = float(self.candles.volume[self.t])
        if name == "volume_share" and volume > 0:
            moved = price * size * (quantity / volume) ** 2
        if name == "atr_share":
            moved = (self.atr(self.t - 1) or 0.0) * size
        price = price + moved if buy else price - moved
        if self.assumed.tick_size is None:
            return price
        tick = self.assumed.tick_size.as_integer_ratio()
        ticks = price * tick[1] / tick[0]
        ticks = math.ceil(ticks - 1e-6) if buy else math.floor(ticks + 1e-6)
        return max(ticks, 1) * tick[0] / tick[1]

    def ticked(self, price: float) -> float:
        if self.assumed.tick_size is None or price <= 0:
            return price
        tick = self.assumed.tick_size.as_integer_ratio()
        return max(round(price * tick[1] / tick[0]), 1) * tick[0] / tick[1]

    def lots(self, quantity: float) -> float:
        if self.assumed.lot_size is None:
            return quantity
        lot = self.assumed.lot_size.as_integer_ratio()
        return math.floor(quantity * lot[1] / lot[0] + 1e-9) * lot[0] / lot[1]

    def fee(self, trade: Trade, buy: bool, kind: int, level: int, price: float, quantity: float, maker: bool) -> None:
        rate = self.assumed.maker_fee if maker else self.assumed.taker_fee
        fee = 0.0 if kind == 6 else price * quantity * rate
        trade.fees += fee
        self.cash -= fee
        number = next(n for n, each in enumerate(self.told.trades) if each is trade)
        self.told.fills.append((number, self.t, 1 if buy else -1, kind, level, price, quantity, fee, maker))

    # -- in ---------------------------------------------------------------------------------------------------------

    def enter(self, raw: float, *, maker: bool, fresh: str | None) -> None:
        wish, self.wish = self.wish, None
        refusal = self.try_to_enter(wish, raw, maker, fresh)
        if refusal:
            self.refuse(refusal)

    def first_stop(self, wish: Wish, price: float) -> float | str | None:
        down = -1 if wish.long else 1
        if wish.stop is not None:
            return self.ticked(wish.stop)
        if self.rules.stop_pct is not None:
            return self.ticked(price * (1 + down * (self.rules.stop_pct / 100)))
        if self.rules.stop_atr is not None:
            if wish.atr is None:
                return "no_atr"
            stop = self.ticked(price + down * self.rules.stop_atr * wish.atr)
            return stop if stop > 0 else None
        return None

    def ladder(self, wish: Wish, price: float, stop: float | None) -> list[Level] | str:
        up = 1 if wish.long else -1
        given = [t.share for t in self.rules.targets]
        if wish.targets:
            columns = self.decisions.targets.shape[1]
            equal = columns > len(given)
            return [
                Level(self.ticked(p), 1 / len(wish.targets) if equal else given[n]) for n, p in enumerate(wish.targets)
            ]
        levels = []
        for target in self.rules.targets:
            match target.kind.value:
                case "pct":
                    at = price * (1 + up * (target.value / 100))
                case "atr":
                    if wish.atr is None:
                        return "no_atr"
                    at = price + up * target.value * wish.atr
                case _:
                    if stop is None:
                        return "no_stop"
                    at = price + target.value * (price - stop)
            levels.append(Level(self.ticked(at), target.share))
        rest = 1.0
        for share in given:
            rest -= share
        if self.rules.take_profit_pct is not None and rest > DUST:
            levels.append(Level(self.ticked(price * (1 + up * (self.rules.take_profit_pct / 100))), rest))
        return levels

    def wanted(self, wish: Wish, price: float, stop: float | None) -> float | str:
        mode, value, leverage = self.rules.size_mode.value, self.rules.size_value, self.rules.leverage
        if mode == "quote":
            return value * leverage / price
        if mode == "equity_percent":
            return self.cash * (value / 100) * leverage / price
        out = stop
        if mode == "atr_risk":
            if wish.atr is None:
                return "no_atr"
            away = (self.rules.stop_atr or 1.0) * wish.atr
            out = max(price - away if wish.long else price + away, 0.0)
        elif stop is None:
            return "no_stop"
        loss = abs(price - out) + self.assumed.taker_fee * (price + out)
        if not loss > 0:
            return "no_atr" if mode == "atr_risk" else "no_stop"
        return self.cash * (value / 100) / loss

    def money_for(self, price: float, maker: bool) -> float:
        rate = self.assumed.maker_fee if maker else self.assumed.taker_fee
        free = self.cash - (self.trade.margin if self.trade else 0.0)
        return max(free, 0.0) / (price * (1 / self.rules.leverage + rate))

    def try_to_enter(self, wish: Wish, raw: float, maker: bool, fresh: str | None) -> str | None:
        price = raw if maker else self.worsened(wish.long, raw, 0.0)
        stop = self.first_stop(wish, price)
        if isinstance(stop, str):
            return stop
        quantity = self.wanted(wish, price, stop)
        if isinstance(quantity, str):
            return quantity
        if not maker:
            price = self.worsened(wish.long, raw, min(quantity, self.money_for(price, False)))
            if wish.price is not None and self.assumed.entry_order is EntryOrder.LIMIT:
                price = min(price, wish.price) if wish.long else max(price, wish.price)
            stop = self.first_stop(wish, price)
        most = self.money_for(price, maker)
        quantity = self.lots(min(quantity, most))
        if quantity <= 0 or price * quantity < self.assumed.min_notional:
            return "too_small" if most > 0 else "no_money"
        better = (lambda a, b: a > b) if wish.long else (lambda a, b: a < b)
        if stop is not None and not better(price, stop):
            return "wrong_side"
        levels = self.ladder(wish, price, stop)
        if isinstance(levels, str):
            return levels
        if any(not better(level.price, price) for level in levels):
            return "wrong_side"
        rungs, at = [], price
        for drop, factor in self.rules.dca:
            at *= 1 - drop / 100 if wish.long else 1 + drop / 100
            rungs.append((at, quantity * factor))
        margin = price * quantity / self.rules.leverage
        self.trade = Trade(
            wish.long, wish.bar, self.t, price, quantity, quantity, price * quantity, margin, stop, stop, "stop_loss",
            levels, rungs, price, price, fresh,
        )  # fmt: skip
        self.told.trades.append(self.trade)
        self.leaving = False
        self.fee(self.trade, wish.long, 0, 0, price, quantity, maker)
        return None

    # -- out --------------------------------------------------------------------------------------------------------

    def out(self, price: float, quantity: float, reason: str, kind: int, level: int = 0) -> None:
        trade = self.trade
        self.fee(trade, not trade.long, kind, level, price, quantity, kind == 2)
        gain = quantity * (price - trade.average) if trade.long else quantity * (trade.average - price)
        trade.profit += gain
        self.cash += gain
        trade.closed_value += price * quantity
        trade.margin *= 1 - quantity / trade.left
        trade.left -= quantity
        if trade.left <= 0:
            trade.exit_bar, trade.reason = self.t, reason
            self.trade, self.leaving = None, False

    def market_out(self, raw: float, reason: str, kind: int) -> None:
        trade = self.trade
        trade.note(raw)
        self.out(self.worsened(not trade.long, raw, trade.left), trade.left, reason, kind)

    # -- inside -----------------------------------------------------------------------------------------------------

    def inside(self, part, *, first: bool, last: bool) -> None:
        opened, high, low, _ = part
        if self.trade is None and self.wish is not None and self.wish.price is not None:
            self.waiting_entry(opened, high, low, arriving=first and self.t == self.wish.bar + 1)
        if self.trade is None:
            return
        self.take_rungs(opened, high, low)
        if self.liquidated(opened, high, low):
            return
        self.levels(part, last)

    def waiting_entry(self, opened: float, high: float, low: float, *, arriving: bool) -> None:
        wish = self.wish
        limit = self.assumed.entry_order is EntryOrder.LIMIT
        from_above = wish.long == limit  # the market must come down to the price
        if (low > wish.price) if from_above else (high < wish.price):
            return
        at_open = opened <= wish.price if from_above else opened >= wish.price
        maker = limit and not (at_open and arriving)
        self.enter(opened if at_open else wish.price, maker=maker, fresh="own" if at_open else "inside")

    def liquidation(self) -> float | None:
        trade, leverage = self.trade, self.rules.leverage
        if trade.long:
            if leverage <= 1:
                return None
            return max(trade.average * (1 - (1 / leverage - self.assumed.maintenance_margin)), 0.0)
        return trade.average * (1 + (1 / leverage - self.assumed.maintenance_margin))

    def take_rungs(self, opened: float, high: float, low: float) -> None:
        trade = self.trade
        if not trade.rungs:
            return
        taken_over = self.liquidation()
        worse = [price for price in (trade.stop, taken_over) if price is not None]
        if any(trade.beyond(price, opened) for price in worse):
            return
        if any(trade.beyond(opened, level.price) for level in trade.ladder if not level.done):
            return
        while trade.rungs:
            price, wanted = trade.rungs[0]
            if trade.stop is not None and trade.beyond(trade.stop, price):
                trade.rungs.clear()
                return
            taken_over = self.liquidation()
            if taken_over is not None and trade.beyond(taken_over, price):
                return
            if not trade.beyond(price, low if trade.long else high):
                return
            raw = opened if trade.beyond(price, opened) else price
            at = self.worsened(trade.long, raw, wanted)
            quantity = self.lots(min(wanted, self.money_for(at, False)))
            trade.rungs.pop(0)
            if quantity <= 0:
                trade.rungs.clear()
                trade.fresh = "inside"
                return
            self.fee(trade, trade.long, 1, len(self.rules.dca) - len(trade.rungs), at, quantity, False)
            trade.average = (trade.average * trade.left + at * quantity) / (trade.left + quantity)
            trade.left += quantity
            trade.bought += quantity
            trade.opened_value += at * quantity
            trade.margin += at * quantity / self.rules.leverage
            trade.entries += 1
            trade.share_left = trade.left / trade.bought
            trade.fresh = "inside"

    def liquidated(self, opened: float, high: float, low: float) -> bool:
        trade, price = self.trade, self.liquidation()
        if price is None or price <= 0 or not trade.beyond(price, low if trade.long else high):
            return False
        stopped_before = trade.stop is not None and trade.stop != price and trade.beyond(trade.stop, price)
        if stopped_before and not trade.beyond(price, opened):
            return False
        empty = trade.average * (1 - 1 / self.rules.leverage if trade.long else 1 + 1 / self.rules.leverage)
        trade.note(empty)
        self.out(empty, trade.left, "liquidation", 6)
        return True

    def levels(self, part, last: bool) -> None:
        """The exit rules: stop, targets, time, then the stop's next place."""
        trade = self.trade
        opened, high, low, close = part
        fresh, trade.fresh = trade.fresh, None
        adverse = low if trade.long else high
        if trade.stop is not None and trade.beyond(trade.stop, adverse):
            price = trade.stop
            if fresh is None and trade.beyond(price, opened):
                price = opened
            self.market_out(min(max(price, low), high), trade.why, 3)
            return
        reach = high if trade.long else low
        if fresh == "inside":
            reach = close
        trade.note(adverse)
        self.targets(opened, reach, low, high, fresh)
        if self.trade is None:
            return
        trade.note(reach)
        if last and self.rules.time_exit_bars and self.t - trade.entry_bar + 1 >= self.rules.time_exit_bars:
            self.market_out(close, "time", 4)
            return
        self.move_stop(self.atr(self.t if last else self.t - 1))

    def targets(self, opened: float, reach: float, low: float, high: float, fresh: str | None) -> None:
        trade = self.trade
        for number, level in enumerate(trade.ladder, start=1):
            if level.done or not trade.beyond(reach, level.price):
                continue
            price = level.price
            if fresh is None and trade.beyond(opened, price):
                price = opened
            level.done = True
            trade.reached = max(trade.reached, number)
            last = trade.share_left - level.share <= DUST
            trade.share_left -= level.share
            quantity = trade.left if last else min(self.lots(level.share * trade.bought), trade.left)
            if last:
                trade.note(price)
            if quantity > 0:
                self.out(price, quantity, "targets", 2, number)
            if self.trade is None:
                return

    def move_stop(self, atr: float | None) -> None:
        trade, wishes = self.trade, []
        if self.rules.break_even_after and trade.reached >= self.rules.break_even_after:
            wishes.append((self.ticked(trade.average), "break_even"))
        if self.rules.trail_pct is not None or self.rules.trail_atr is not None:
            needed = (self.rules.trail_activate_pct or 0.0) / 100 * trade.average
            gained = trade.best - trade.average if trade.long else trade.average - trade.best
            trade.awake = trade.awake or gained >= needed
            away = self.rules.trail_pct / 100 * trade.best if self.rules.trail_pct else None
            if self.rules.trail_atr is not None and atr is not None:
                away = self.rules.trail_atr * atr
            if trade.awake and away is not None:
                wishes.append((self.ticked(trade.best - away if trade.long else trade.best + away), "trailing"))
        for price, why in wishes:
            if price > 0 and (trade.stop is None or (trade.beyond(price, trade.stop) and price != trade.stop)):
                trade.stop, trade.why = price, why

    # -- close ------------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        d, t = self.decisions, self.t
        signal = int(d.entry[t])
        if self.trade is not None:
            self.leaving = bool(d.exit_long[t] if self.trade.long else d.exit_short[t])
            against = signal == (-1 if self.trade.long else 1)
            if not (self.leaving and self.assumed.reverse and against):
                return
        elif self.wish is not None:
            given_up = d.exit_long[t] if self.wish.long else d.exit_short[t]
            late = self.assumed.entry_bars and t - self.wish.bar >= self.assumed.entry_bars
            if given_up or late or signal:
                self.wish = None
                self.refuse("not_reached")
        if signal:
            targets = []
            for price in d.targets[t] if d.targets is not None else ():
                if not price > 0:
                    break
                targets.append(float(price))
            self.wish = Wish(signal > 0, t, known(d.entry_price, t), known(d.stop, t), known(d.atr, t), targets)
