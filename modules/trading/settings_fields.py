"""The settings a user can change: their meaning, range, example, and how each is read from text and shown.

Readers raise InvalidInput with what is wrong; whoever calls them adds the field's name, range and example.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from modules.domain.errors import InvalidInput
from modules.domain.money import HUNDRED, ONE, ZERO, decimal_from, plain
from modules.domain.plans import DcaLevel, OppositeRule, Sizing, Trailing, TrailKind

_OFF = frozenset({"off", "none", "no", "-", ""})
_YES = frozenset({"on", "yes", "true", "1"})
_NO = frozenset({"off", "no", "false", "0"})
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MAX_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name and range for people, and how it is read and shown."""

    type: str
    range: str
    read: Callable[[str], object]
    show: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Editable:
    """One setting. `part` is where it lives: "" the settings themselves, else `exits` or `limits`."""

    name: str
    part: str
    attribute: str
    kind: Kind
    example: str
    meaning: str

    @property
    def type(self) -> str:
        return self.kind.type

    @property
    def range(self) -> str:
        return self.kind.range


def _decimal(text: str, low: Decimal, high: Decimal) -> Decimal:
    number = decimal_from(text.removesuffix("%").strip())
    if not low <= number <= high:
        raise InvalidInput(f"{plain(number)} is out of range")
    return number


def _number(low: str, high: str) -> Kind:
    return Kind("number", f"{low} to {high}", lambda text: _decimal(text, Decimal(low), Decimal(high)), _show)


def _whole(low: int, high: int) -> Kind:
    def read(text: str) -> int:
        number = _decimal(text, Decimal(low), Decimal(high))
        if number != number.to_integral_value():
            raise InvalidInput(f"{plain(number)} is not a whole number")
        return int(number)

    return Kind("whole number", f"{low} to {high}", read, _show)


def _optional(kind: Kind) -> Kind:
    return replace(
        kind, range=f"{kind.range}, or off", read=lambda text: None if text.lower() in _OFF else kind.read(text)
    )


def _or_zero(kind: Kind) -> Kind:
    """Off is stored as zero."""

    def read(text: str) -> object:
        return 0 if text.lower() in _OFF or text == "0" else kind.read(text)

    return replace(kind, range=f"{kind.range}, or off", read=read, show=lambda number: kind.show(number or None))


def _flag(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise InvalidInput(f"{text[:20]!r} is neither on nor off")


def _choice(kind: type[StrEnum]) -> Kind:
    def read(text: str) -> StrEnum:
        word = text.lower().replace("-", "_").replace(" ", "_")
        if word not in {member.value for member in kind}:
            raise InvalidInput(f"{text[:20]!r} is not one of {', '.join(kind)}")
        return kind(word)

    return Kind("choice", ", ".join(kind), read, _show)


def _seconds(low: int, high: int) -> Kind:
    """A duration: seconds, or a number with s, m, h, d or w."""

    def read(text: str) -> int:
        """Seconds of `30m`, `4h`, `2d`; a bare number is seconds. Raises InvalidInput."""
        found = re.fullmatch(r"(\d{1,9})\s*([smhdw]?)", text.lower(), re.ASCII)
        if found is None:
            raise InvalidInput(f"{text[:20]!r} is not a duration")
        seconds = int(found[1]) * _UNITS[found[2] or "s"]
        if not low <= seconds <= high:
            raise InvalidInput(f"{text[:20]} is out of range")
        return seconds

    return Kind("duration", f"{_show_seconds(low)} to {_show_seconds(high)}", read, _show_seconds)


def _items(text: str) -> list[str]:
    items = [item for item in re.split(r"[,\s]+", text.strip()) if item]
    if len(items) > _MAX_ITEMS:
        raise InvalidInput(f"at most {_MAX_ITEMS} entries")
    return items


def _symbols(text: str) -> tuple[str, ...]:
    if text.lower() in _OFF:
        return ()
    symbols = tuple(dict.fromkeys(item.upper().replace("/", "").lstrip("#$") for item in _items(text)))
    for symbol in symbols:
        if not re.fullmatch(r"[A-Z0-9]{1,30}", symbol):
            raise InvalidInput(f"{symbol[:20]!r} is not a symbol")
    return symbols


def _sources(text: str) -> tuple[str, ...]:
    if text.lower() in {"all", "*"}:
        return ("*",)
    return () if text.lower() in _OFF else tuple(dict.fromkeys(_items(text)))


def _shares(text: str) -> tuple[Decimal, ...]:
    """Percentages that sum to 100, as fractions; `even` for none."""
    if text.lower() in {"even", *_OFF}:
        return ()
    shares = tuple(_decimal(item, ZERO, HUNDRED) / HUNDRED for item in re.split(r"[,/\s]+", text))
    if sum(shares, ZERO) != ONE:
        raise InvalidInput(f"the shares sum to {plain(sum(shares, ZERO) * HUNDRED)}, not to 100")
    return shares


def _trailing(text: str) -> Trailing | None:
    """`kind:distance[:step=percent][:activate=percent]`, or off."""
    if text.lower() in _OFF:
        return None
    kind, *rest = text.lower().split(":")
    if not rest or kind not in {member.value for member in TrailKind}:
        raise InvalidInput("a trailing stop is written kind:distance")
    options = {name: amount for name, _, amount in (part.partition("=") for part in rest[1:])}
    if options.keys() - {"step", "activate"}:
        raise InvalidInput("a trailing stop knows step= and activate=")
    high = HUNDRED if kind == TrailKind.PERCENT else Decimal("1e12")
    step, activate = options.get("step"), options.get("activate")
    return Trailing(
        TrailKind(kind),
        _decimal(rest[0], Decimal("1e-12"), high),
        ZERO if step is None else _decimal(step, ZERO, HUNDRED),
        None if activate is None else _decimal(activate, ZERO, Decimal(1000)),
    )


def _dca(text: str) -> tuple[DcaLevel, ...]:
    """`deviation x multiplier` by rung, e.g. 1.5x1,2x1.2, or off."""
    if text.lower() in _OFF:
        return ()
    rungs = []
    for item in _items(text):
        deviation, separator, multiplier = item.lower().partition("x")
        if not separator:
            raise InvalidInput(f"{item[:20]!r} is not deviation x multiplier")
        rungs.append(
            DcaLevel(_decimal(deviation, Decimal("0.01"), Decimal(90)), _decimal(multiplier, Decimal("0.01"), HUNDRED))
        )
    if len(rungs) > 20:
        raise InvalidInput("at most 20 rungs")
    return tuple(rungs)


def _show(value: object) -> str:
    """One value in the words its reader takes."""
    match value:
        case None | ():
            return "off"
        case bool():
            return "on" if value else "off"
        case Decimal():
            return plain(value)
        case tuple():
            return ",".join(str(item) for item in value)
        case Trailing():
            text = f"{value.kind}:{plain(value.distance)}"
            text += f":step={plain(value.step_percent)}" if value.step_percent else ""
            activation = value.activation_percent
            return text if activation is None else f"{text}:activate={plain(activation)}"
        case _:
            return str(value)


def _show_shares(shares: tuple[Decimal, ...]) -> str:
    return ",".join(plain(share * HUNDRED) for share in shares) if shares else "even"


def _show_dca(rungs: tuple[DcaLevel, ...]) -> str:
    return ",".join(f"{plain(r.deviation_percent)}x{plain(r.multiplier)}" for r in rungs) if rungs else "off"


def _show_seconds(seconds: int | None) -> str:
    if seconds is None:
        return "off"
    unit = max((u for u in _UNITS if seconds % _UNITS[u] == 0), key=lambda u: _UNITS[u])
    return f"{seconds // _UNITS[unit]}{unit}"


_FLAG = Kind("switch", "on or off", _flag, _show)
_SYMBOLS = Kind("list", "symbols or coins, with commas, or off", _symbols, _show)
_MONEY_OR_OFF = _optional(_number("1", "1000000000"))
_SHARES = Kind("shares", "percentages that sum to 100, or even", _shares, _show_shares)
_TRAILING = Kind("trailing", "percent|atr|amount:distance[:step=percent][:activate=percent], or off", _trailing, _show)
_DCA = Kind("ladder", "percent from the rung before x size of the first entry, by rung, or off", _dca, _show_dca)

#: Where each setting lives, its kind, an example, and what it means.
_ROWS: tuple[tuple[str, Kind, str, str], ...] = (
    ("autotrade", _FLAG, "on", "Trade signals automatically"),
    ("sources", Kind("list", "names with commas, all, or off", _sources, _show), "all", "Whose signals are traded"),
    (
        "muted_sources",
        Kind("list", "names with commas, or off", _sources, _show),
        "loud-channel",
        "Whose signals are not traded even so",
    ),
    (
        "sizing",
        _choice(Sizing),
        "risk_percent",
        "What size means: percent of equity lost at the stop, percent of equity put in as margin, or fixed margin",
    ),
    ("size", _number("0.01", "1000000000"), "1", "How large a trade is: percent, or quote currency if fixed"),
    ("leverage_cap", _number("1", "200"), "10", "Highest leverage used, whatever a signal says"),
    ("default_leverage", _number("1", "200"), "5", "Leverage where a signal names none"),
    ("entry_shares", _SHARES, "60,40", "Part of the size at each entry, nearest to the market first"),
    ("target_shares", _SHARES, "50,30,20", "Part of the position closed at each target"),
    ("dca", _DCA, "1.5x1,2x1.2", "Further entries beyond the last one, within the same budget"),
    ("require_stop", _FLAG, "on", "Refuse signals without a stop (unless default_stop_percent is set)"),
    ("default_stop_percent", _optional(_number("0.1", "90")), "5", "Stop distance where a signal has no stop"),
    ("entry_window_seconds", _seconds(1, 2_592_000), "4h", "How long entries may wait to be filled"),
    ("max_slippage_percent", _number("0", "50"), "1", "How far past its entry a market signal is still traded"),
    ("allow_symbols", _SYMBOLS, "BTC,ETH", "Trade only these"),
    ("deny_symbols", _SYMBOLS, "DOGE", "Never trade these"),
    ("opposite", _choice(OppositeRule), "close_older", "What a signal against an open trade on its symbol does"),
    ("cancel_entries_after_target", _FLAG, "on", "Drop waiting entries once a target was reached"),
    ("exits.break_even_after", _optional(_whole(1, 50)), "1", "After this target the stop goes to the entry"),
    ("exits.break_even_at_r", _optional(_number("0.1", "100")), "1", "At this multiple of the risk, stop to the entry"),
    ("exits.break_even_offset_percent", _number("0", "10"), "0.1", "How far beyond the entry that stop is set"),
    ("exits.follow_targets", _optional(_whole(1, 50)), "1", "The stop follows this many targets behind"),
    ("exits.trailing", _TRAILING, "percent:2:step=0.5:activate=3", "A stop that follows the best price"),
    ("exits.time_exit_seconds", _optional(_seconds(60, 31_536_000)), "2d", "Close a trade after this time"),
    ("limits.max_open_positions", _optional(_whole(1, 1000)), "20", "Most trades open or waiting at once"),
    ("limits.max_position_value", _MONEY_OR_OFF, "5000", "Highest value of one position, leverage included"),
    ("limits.max_total_exposure_percent", _optional(_number("1", "20000")), "500", "Value of all positions, of equity"),
    (
        "limits.max_symbol_exposure_percent",
        _optional(_number("1", "20000")),
        "200",
        "Value held in a symbol, of equity",
    ),
    ("limits.max_daily_loss_percent", _optional(_number("0.1", "100")), "5", "Loss in a day that stops new trades"),
    ("limits.max_trades_per_day", _optional(_whole(1, 10_000)), "100", "Most new trades in a day (UTC)"),
    ("limits.max_losses_in_row", _optional(_whole(1, 1000)), "5", "Losses in a row that stop new trades for the day"),
    ("limits.cooldown_seconds", _or_zero(_seconds(1, 604_800)), "5m", "Pause between two trades"),
)


def _editable(where: str, kind: Kind, example: str, meaning: str) -> Editable:
    part, _, attribute = where.rpartition(".")
    return Editable(attribute.removesuffix("_seconds"), part, attribute, kind, example, meaning)


#: Every setting by its name; durations drop the `_seconds` of their attribute, for they take units.
EDITABLE: Mapping[str, Editable] = {row.name: row for row in (_editable(*row) for row in _ROWS)}

#: Short names people type, and whose they are.
ALIASES: Mapping[str, str] = {
    "risk": "size",
    "leverage": "leverage_cap",
    "max_positions": "max_open_positions",
    "daily_loss": "max_daily_loss_percent",
    "max_daily_loss": "max_daily_loss_percent",
    "slippage": "max_slippage_percent",
    "stop": "default_stop_percent",
    "targets": "target_shares",
    "entries": "entry_shares",
    "break_even": "break_even_after",
    "allow": "allow_symbols",
    "deny": "deny_symbols",
    "cooldown_seconds": "cooldown",
    "entry_window_seconds": "entry_window",
    "time_exit_seconds": "time_exit",
}
