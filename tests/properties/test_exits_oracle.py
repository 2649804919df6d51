"""The exit kernel against a slow trader with a notebook: the same rules written a second time, in exact fractions.

The notebook knows nothing of records, signs or buffers: a long and a short are written out separately, line by line, from the
rules in words. Both must agree on every event of every bar.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings

from modules.trading import exit_program as codes
from modules.trading import exits
from tests.properties.exit_programs import Bar, Event, Rules, bars, rules, run


class Notebook:
    def __init__(self, words: Rules) -> None:
        self.long = words.direction > 0
        self.entry = Fraction(words.entry)
        self.stop = Fraction(words.stop) if words.stop else None
        self.risk = abs(self.entry - self.stop) if self.stop is not None else None
        self.why = codes.INITIAL
        self.all_targets = {n: Fraction(price) for n, price in enumerate(words.targets, start=1)}
        self.ladder = dict(self.all_targets)
        self.shares = dict(enumerate(words.shares, start=1))
        self.left, self.reached, self.best = 1.0, 0, self.entry
        self.rule = dict(words.numbers)
        self.first, self.awake, self.over = True, False, False
        self.found = self.stop

    def bar(self, prices: Bar, time: int) -> list[Event]:
        if self.over:
            return []
        self.found = self.stop
        opened, high, low, close = map(Fraction, prices)
        how, self.first = (self.rule["entry_bar"] if self.first else codes.ANY_BAR), False
        if how == codes.CLOSE_ONLY:
            opened = high = low = close
        own = how in (codes.OWN_PRICE, codes.ENTERED_INSIDE)
        told = self.stopped(opened, high, low, own)
        if told:
            return told
        if how == codes.ENTERED_INSIDE and self.long:
            high = close
        if how == codes.ENTERED_INSIDE and not self.long:
            low = close
        told = self.targets(opened, high, low, own)
        if self.over:
            return told
        self.best = max(self.best, high) if self.long else min(self.best, low)
        if self.rule["time_exit_ms"] and time >= self.rule["time_exit_ms"]:
            told.append((codes.TIME_EXIT, 0, codes.BY_TIME, float(close), self.left))
            return told + self.finished(codes.BY_TIME, close)
        return told + self.moved()

    def stopped(self, opened: Fraction, high: Fraction, low: Fraction, own: bool) -> list[Event]:
        if self.stop is None:
            return []
        if self.long:
            if low > self.stop:
                return []
            price = min(opened, self.stop)
        else:
            if high < self.stop:
                return []
            price = max(opened, self.stop)
        if own:
            price = min(max(self.stop, low), high)
        return [(codes.STOP, 0, self.why, float(price), self.left), *self.finished(self.why, price)]

    def targets(self, opened: Fraction, high: Fraction, low: Fraction, own: bool) -> list[Event]:
        told: list[Event] = []
        for number in sorted(self.ladder):
            level = self.ladder[number]
            if (self.long and high < level) or (not self.long and low > level):
                continue
            price = max(opened, level) if self.long else min(opened, level)
            if own:
                price = min(max(level, low), high)
            share = min(self.shares[number], self.left)
            if self.left - share < 1e-9:
                share = self.left
            told.append((codes.TARGET, number, 0, float(price), share))
            self.left -= share
            self.reached = max(self.reached, number)
            if self.left < 1e-9:
                return told + self.finished(codes.BY_TARGETS, price)
        for event in told:
            del self.ladder[event[1]]
        return told

    def moved(self) -> list[Event]:
        wishes = [
            (self.break_even(), codes.BREAK_EVEN),
            (self.following(), codes.FOLLOWED),
            (self.trailing(), codes.TRAILED),
        ]
        before = self.stop
        for price, why in wishes:
            if price is None or price <= 0:
                continue
            if self.stop is None or (price > self.stop if self.long else price < self.stop):
                self.stop, self.why = price, why
        if self.stop == before or self.stop is None:
            return []
        return [(codes.STOP_MOVED, 0, self.why, float(self.stop), self.left)]

    def break_even(self) -> Fraction | None:
        after, at_r = self.rule["break_even_after"], Fraction(self.rule["break_even_at_r"])
        gained = self.best - self.entry if self.long else self.entry - self.best
        by_targets = after > 0 and self.reached >= after
        by_r = at_r > 0 and self.risk is not None and gained >= at_r * self.risk
        if not (by_targets or by_r):
            return None
        offset = self.entry * Fraction(self.rule["break_even_offset"])
        return self.entry + offset if self.long else self.entry - offset

    def following(self) -> Fraction | None:
        if not self.rule["follow"] or not self.reached:
            return None
        number = self.reached - int(self.rule["follow"])
        return self.entry if number < 1 else self.all_targets[number]

    def trailing(self) -> Fraction | None:
        kind, distance = self.rule["trail_kind"], Fraction(self.rule["trail_distance"])
        if kind == codes.TRAIL_NONE:
            return None
        gained = self.best - self.entry if self.long else self.entry - self.best
        self.awake = self.awake or gained >= Fraction(self.rule["trail_activation"]) * self.entry
        if not self.awake:
            return None
        if kind == codes.TRAIL_PERCENT:
            distance *= self.best
        if kind == codes.TRAIL_ATR:
            distance *= Fraction(self.rule["atr"])
        price = self.best - distance if self.long else self.best + distance
        # The step is counted from the stop as the bar found it.
        if self.found is not None:
            way = price - self.found if self.long else self.found - price
            if way < Fraction(self.rule["trail_step"]) * self.best:
                return None
        return price

    def finished(self, why: int, price: Fraction) -> list[Event]:
        self.over = True
        return [(codes.CLOSED, 0, why, float(price), 0.0)]


@given(rules(), bars(20))
@settings(deadline=None, max_examples=500)
def test_kernel_and_notebook_agree_on_every_event(words, path):
    notebook = Notebook(words)
    expected = [notebook.bar(prices, time) for time, prices in enumerate(path, start=1)]
    assert run(exits, words.row(), path) == expected
