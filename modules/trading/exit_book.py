"""Many exit programs at once: every open trade of a symbol is stepped by one compiled call per quote.

Rows of one symbol lie side by side in one array. The book holds no truth of its own: a row can always be made anew
from the plan and the position, and a snapshot adds what those don't know (extremes, touched levels, an awake trail).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from modules.domain.errors import Conflict, InvalidInput, NotFound
from modules.domain.instruments import Instrument
from modules.domain.market import Quote
from modules.domain.orders import OrderRole
from modules.trading import exit_program as codes
from modules.trading import exits
from modules.trading.targets import price_out, share_out

_FIRST_ROOM = 8
_LAYOUT = 1
_ARRAYS = ("target", "share", "hit", "touched")


class ExitKind(StrEnum):
    """What happened to a trade. In a resting row TARGET and STOP only say that the level was touched."""

    TARGET = "target"
    STOP = "stop"
    STOP_MOVED = "stop_moved"
    TIME_EXIT = "time_exit"
    CLOSED = "closed"
    FAULT = "fault"


class ExitReason(StrEnum):
    """What put the stop there, or what closed the trade."""

    STOP_LOSS = "stop_loss"
    BREAK_EVEN = "break_even"
    FOLLOW_TARGETS = "follow_targets"
    TRAILING = "trailing"
    MANUAL = "manual"
    TARGETS = "targets"
    TIME = "time"
    ORDER = "order"


_KINDS = {
    codes.TARGET: ExitKind.TARGET,
    codes.STOP: ExitKind.STOP,
    codes.STOP_MOVED: ExitKind.STOP_MOVED,
    codes.TIME_EXIT: ExitKind.TIME_EXIT,
    codes.CLOSED: ExitKind.CLOSED,
    codes.FAULT: ExitKind.FAULT,
}
_REASONS = {
    codes.INITIAL: ExitReason.STOP_LOSS,
    codes.BREAK_EVEN: ExitReason.BREAK_EVEN,
    codes.FOLLOWED: ExitReason.FOLLOW_TARGETS,
    codes.TRAILED: ExitReason.TRAILING,
    codes.BY_HAND: ExitReason.MANUAL,
    codes.BY_TARGETS: ExitReason.TARGETS,
    codes.BY_TIME: ExitReason.TIME,
    codes.BY_ORDER: ExitReason.ORDER,
}
_FILL_ROLES = {OrderRole.TARGET: codes.FILLED_TARGET, OrderRole.STOP: codes.FILLED_STOP}


@dataclass(frozen=True, slots=True)
class ExitEvent:
    """One event of one trade. `share` is of the original size; `level` is the target's number, else 0.

    `price` is None where none belongs to it (a fault, or a close whose price only the fill knows).
    """

    position_id: str
    symbol: str
    kind: ExitKind
    time_ms: int
    price: Decimal | None = None
    share: Decimal = Decimal(0)
    level: int = 0
    reason: ExitReason | None = None


class _Group:
    """The rows of one symbol; `ids[i]` owns `rows[i]`, and rows beyond `len(ids)` are spare room."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.instruments: list[Instrument | None] = []
        self.rows: codes.Rows = np.zeros(_FIRST_ROOM, codes.PROGRAM)
        self.flushed: codes.Rows = np.zeros(_FIRST_ROOM, codes.PROGRAM)
        self.out: codes.Events = codes.event_buffer(_FIRST_ROOM)

    def append(self, position_id: str, program: np.void, instrument: Instrument | None) -> None:
        """Takes one more row in, doubling the room where it is full."""
        index = len(self.ids)
        if index == len(self.rows):
            room = np.zeros(index, codes.PROGRAM)
            self.rows = np.concatenate((self.rows, room))
            self.flushed = np.concatenate((self.flushed, room))
            self.out = codes.event_buffer(2 * index)
        self.rows[index] = program
        self.flushed[index] = np.zeros(1, codes.PROGRAM)[0]
        self.ids.append(position_id)
        self.instruments.append(instrument)

    def drop(self, position_id: str) -> None:
        index, last = self.ids.index(position_id), len(self.ids) - 1
        self.rows[index], self.flushed[index] = self.rows[last], self.flushed[last]
        self.ids[index], self.instruments[index] = self.ids[last], self.instruments[last]
        self.ids.pop()
        self.instruments.pop()

    def changed(self) -> list[str]:
        """Ids whose row differs from what was last flushed, bit for bit."""
        count = len(self.ids)
        now = self.rows[:count].view(np.uint8).reshape(count, -1)
        then = self.flushed[:count].view(np.uint8).reshape(count, -1)
        return [self.ids[index] for index in np.flatnonzero((now != then).any(axis=1))]


class ExitBook:
    """Exit programs of open trades, by symbol. Not thread-safe; one owner steps it."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._symbol_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._symbol_of)

    def __contains__(self, position_id: str) -> bool:
        return position_id in self._symbol_of

    def symbols(self) -> tuple[str, ...]:
        """Symbols that have at least one program."""
        return tuple(self._groups)

    def ids(self, symbol: str) -> tuple[str, ...]:
        """Ids of the programs on `symbol`."""
        group = self._groups.get(symbol)
        return tuple(group.ids) if group else ()

    def add(self, position_id: str, symbol: str, program: np.void, instrument: Instrument | None = None) -> None:
        """Follow a trade from now on. Raises Conflict for an id already followed, InvalidInput for an unsound program."""
        if position_id in self._symbol_of:
            raise Conflict(f"position {position_id} is already followed")
        _require_sound(program)
        self._groups.setdefault(symbol, _Group()).append(position_id, program, instrument)
        self._symbol_of[position_id] = symbol

    def update(self, position_id: str, program: np.void) -> None:
        """Replace a trade's program. Raises NotFound or InvalidInput."""
        _require_sound(program)
        group, index = self._find(position_id)
        group.rows[index] = program

    def remove(self, position_id: str) -> None:
        """Stop following a trade; an unknown id is fine."""
        symbol = self._symbol_of.pop(position_id, None)
        if symbol is None:
            return
        self._groups[symbol].drop(position_id)
        if not self._groups[symbol].ids:
            del self._groups[symbol]

    def program(self, position_id: str) -> np.void:
        """A copy of a trade's program; change it and give it to `update`. Raises NotFound."""
        group, index = self._find(position_id)
        return np.array(group.rows[index : index + 1])[0]  # type: ignore[no-any-return]

    def on_quote(self, symbol: str, quote: Quote) -> list[ExitEvent]:
        """Step every trade on `symbol`; events come in the order they happened within each trade."""
        if symbol not in self._groups:
            return []
        bar = (float(quote.open), float(quote.high), float(quote.low), float(quote.last))
        return self.on_bar(symbol, bar, quote.time_ms)

    def on_bar(self, symbol: str, bar: tuple[float, float, float, float], time_ms: int) -> list[ExitEvent]:
        """The same for (open, high, low, close) of a candle that ends at `time_ms`.

        Raises InvalidInput for prices that can't be; no trade is touched then.
        """
        group = self._groups.get(symbol)
        if group is None:
            return []
        count = exits.step_all(group.rows[: len(group.ids)], bar, time_ms, group.out)
        if count == codes.BAD_PRICE:
            raise InvalidInput(f"{symbol}: impossible prices {bar}", fields={"price": "not a possible bar"})
        return [self._event(group, symbol, group.out[index], time_ms) for index in range(count)]

    def apply_fill(
        self, position_id: str, role: OrderRole, share: Decimal, time_ms: int, level: int = 0, complete: bool = True
    ) -> list[ExitEvent]:
        """Tell a trade of a real exit fill of `share` of the original size; returns what follows from it.

        Entries change the original size: use `targets.rebase` and `update` for them. Raises NotFound, InvalidInput for
        an entry, Conflict for a fill that can't be (an unknown level, or more than is left).
        """
        if role is OrderRole.ENTRY:
            raise InvalidInput("an entry fill changes the size; rebase the program", fields={"role": "entry"})
        group, index = self._find(position_id)
        fill_role = _FILL_ROLES.get(role, codes.FILLED_CLOSE)
        count = exits.apply_fill(group.rows[index], fill_role, level, float(share), complete, group.out)
        if count < 0:
            raise Conflict(f"position {position_id}: a {role} fill of {share} at level {level} can't be")
        group.out["row"][:count] = index
        symbol = self._symbol_of[position_id]
        return [self._event(group, symbol, group.out[at], time_ms) for at in range(count)]

    def move_stop(self, position_id: str, price: Decimal) -> None:
        """Put a stop where a person wants it, tighter or looser. Raises NotFound, InvalidInput for a price of 0 or less."""
        if not price.is_finite() or price <= 0:
            raise InvalidInput("a stop must be above zero", fields={"price": "must be above zero"})
        group, index = self._find(position_id)
        row = group.rows[index]
        row["stop"], row["stop_reason"], row["stop_touched"] = float(price), codes.BY_HAND, 0

    def set_atr(self, symbol: str, atr: float) -> None:
        """Give the newest average true range to every trade on `symbol`; ignored unless finite and above zero."""
        group = self._groups.get(symbol)
        if group is not None and 0.0 < atr < np.inf:
            group.rows["atr"][: len(group.ids)] = atr

    def dirty(self) -> list[str]:
        """Ids whose program changed since the last `flushed`."""
        return [position_id for group in self._groups.values() for position_id in group.changed()]

    def flushed(self) -> None:
        """Everything as it is now has been stored."""
        for group in self._groups.values():
            group.flushed[:] = group.rows

    def symbol(self, position_id: str) -> str:
        """The symbol a trade is followed on. Raises NotFound."""
        self._find(position_id)
        return self._symbol_of[position_id]

    def snapshot(self, position_id: str) -> dict[str, object]:
        """A trade's program as a JSON document; its floats read back exactly. Raises NotFound."""
        group, index = self._find(position_id)
        return document_from(group.rows[index])

    def restore(
        self, position_id: str, symbol: str, document: Mapping[str, object], instrument: Instrument | None = None
    ) -> None:
        """Follow a trade again from its snapshot. Raises as `add` and `program_from_document` do."""
        self.add(position_id, symbol, program_from_document(document), instrument)

    def _find(self, position_id: str) -> tuple[_Group, int]:
        symbol = self._symbol_of.get(position_id)
        if symbol is None:
            raise NotFound(f"position {position_id} is not followed")
        group = self._groups[symbol]
        return group, group.ids.index(position_id)

    def _event(self, group: _Group, symbol: str, event: np.void, time_ms: int) -> ExitEvent:
        index, kind, price = int(event["row"]), _KINDS[int(event["kind"])], float(event["price"])
        return ExitEvent(
            group.ids[index],
            symbol,
            kind,
            time_ms,
            price_out(price, group.instruments[index]) if price > 0.0 else None,
            share_out(float(event["share"])),
            int(event["level"]),
            None if kind in (ExitKind.FAULT, ExitKind.TARGET) else _REASONS[int(event["reason"])],
        )


def document_from(program: np.void) -> dict[str, object]:
    """A program as a JSON document: every field by its name, ladders cut to the levels there are."""
    levels = int(program["levels"])
    document: dict[str, object] = {"layout": _LAYOUT}
    for name in codes.PROGRAM.names or ():
        value = program[name]
        document[name] = value[:levels].tolist() if name in _ARRAYS else value.item()
    return document


def program_from_document(document: Mapping[str, object]) -> np.void:
    """The program in a document. Raises InvalidInput for another layout, a missing field or an unsound program."""
    if document.get("layout") != _LAYOUT:
        raise InvalidInput("not a snapshot of an exit program", fields={"layout": f"expected {_LAYOUT}"})
    row = codes.blank()
    for name in codes.PROGRAM.names or ():
        value = document.get(name)
        if name in _ARRAYS:
            if not isinstance(value, list) or len(value) > codes.MAX_TARGETS:
                raise InvalidInput(f"snapshot: {name} must be a list", fields={name: "not a list"})
            row[name][: len(value)] = value
        elif isinstance(value, int | float):
            row[name] = value
        else:
            raise InvalidInput(f"snapshot: {name} must be a number", fields={name: "not a number"})
    _require_sound(row)
    return row


def _require_sound(program: np.void) -> None:
    if not exits.sound_program(program):
        raise InvalidInput("this exit program can't be followed: check direction, entry, stop and remaining share")
