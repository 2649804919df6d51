"""Which trades were seen before, and which are missing: the two ways exchanges number their trades."""

from __future__ import annotations

from enum import Enum

_MOST_GAPS = 256
_GENERATION = 4096


class Arrival(Enum):
    """What a trade is, seen from those before it."""

    NEXT = "next"
    LATE = "late"
    DUPLICATE = "duplicate"


class TradeNumbers:
    """Numbers that count up by one per trade (Binance): a duplicate, a late one and a gap are told exactly.

    `missing` are the gaps as (first, last), oldest first; `lost` counts trades nobody waits for any more.
    """

    __slots__ = ("lost", "missing", "next")

    def __init__(self) -> None:
        self.next: int = -1
        self.missing: list[tuple[int, int]] = []
        self.lost = 0

    def place(self, number: int) -> Arrival:
        """Take note of one trade number."""
        if number >= self.next:
            if 0 <= self.next < number:
                self.missing.append((self.next, number - 1))
                if len(self.missing) > _MOST_GAPS:
                    self._give_up(self.missing.pop(0))
            self.next = number + 1
            return Arrival.NEXT
        for at, (first, last) in enumerate(self.missing):
            if first <= number <= last:
                self.missing[at : at + 1] = [
                    gap for gap in ((first, number - 1), (number + 1, last)) if gap[0] <= gap[1]
                ]
                return Arrival.LATE
        return Arrival.DUPLICATE

    def restart(self, number: int) -> None:
        """The exchange numbers anew (a reset test network): this is the first trade."""
        self.next, self.missing = number + 1, []

    def give_up(self) -> int:
        """Stop waiting for what is missing; how many trades that was."""
        before = self.lost
        for gap in self.missing:
            self._give_up(gap)
        self.missing = []
        return self.lost - before

    def _give_up(self, gap: tuple[int, int]) -> None:
        self.lost += gap[1] - gap[0] + 1


class TradeNames:
    """Names without order (Bybit): the recent ones are remembered, as hashes, in two generations."""

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def is_new(self, name: str) -> bool:
        """Take note of one trade name; False when it was seen among the last several thousand."""
        key = hash(name)
        if key in self._recent or key in self._older:
            return False
        self._recent.add(key)
        if len(self._recent) >= _GENERATION:
            self._older, self._recent = self._recent, set()
        return True
