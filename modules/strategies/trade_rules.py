"""Size, stop, targets and the other exits of a document: read into `TradeRules` and written back."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any, Final

from modules.strategies.checking import Complaints, items, mapping, number, one_of, only, within
from modules.strategies.conditions import Reading, plain_number
from modules.strategies.decisions import SizeMode, Target, TargetKind, TradeRules
from modules.trading.exit_program import MAX_TARGETS

RULE_FIELDS: Final = (
    "position_size", "stop_loss_pct", "stop_loss_atr", "take_profit_pct", "targets", "trailing", "break_even_after",
    "time_exit_bars", "dca", "leverage",
)  # fmt: skip
MOST_RUNGS: Final = 16
MOST_LEVERAGE: Final = 125
_MODES: Final = {
    "quote": SizeMode.QUOTE,
    "fixed": SizeMode.QUOTE,
    "equity_percent": SizeMode.EQUITY_PERCENT,
    "percent": SizeMode.EQUITY_PERCENT,
    "risk_percent": SizeMode.RISK_PERCENT,
    "risk": SizeMode.RISK_PERCENT,
    "atr_risk": SizeMode.ATR_RISK,
    "atr": SizeMode.ATR_RISK,
}
_AT: Final = "at"
_LARGEST: Final = 1e12
_SLACK: Final = 1e-9

LevelPlaces = list[tuple[str, object]]


def read_rules(body: Mapping[str, Any], reading: Reading, stop_at: bool) -> tuple[TradeRules | None, LevelPlaces]:
    """The rules, and the places of targets at structure with what is said there."""
    wrong = reading.wrong
    before = len(wrong.fields)
    mode, size = _read_size(body.get("position_size", {"mode": "equity_percent", "value": 100}), wrong)
    stop_pct, stop_atr = _read_stop(body, wrong)
    stopped = stop_at or stop_pct is not None or stop_atr is not None
    if mode is SizeMode.RISK_PERCENT and not stopped:
        wrong.add("position_size.mode", "risk_percent needs a stop: stop_loss_pct, stop_loss_atr or stop_loss_at")
    take_profit = _optional(body, "take_profit_pct", wrong, 100_000)
    targets, levels = _read_targets(body.get("targets", []), stopped, wrong)
    if levels and take_profit is not None:
        wrong.add("take_profit_pct", "does not go with targets at structure")
    trail_pct, trail_atr, activate = _read_trailing(body.get("trailing"), wrong)
    rules = TradeRules(
        size_mode=mode or SizeMode.QUOTE,
        size_value=size or 1.0,
        stop_pct=stop_pct,
        stop_atr=stop_atr,
        take_profit_pct=take_profit,
        targets=targets,
        trail_pct=trail_pct,
        trail_atr=trail_atr,
        trail_activate_pct=activate,
        break_even_after=_whole(body, "break_even_after", wrong, MAX_TARGETS),
        time_exit_bars=_whole(body, "time_exit_bars", wrong, 1_000_000),
        dca=_read_dca(body.get("dca", []), wrong),
        leverage=number(body.get("leverage", 1), "leverage", wrong, low=1, high=MOST_LEVERAGE) or 1.0,
    )
    _check_levels(rules, wrong)
    return (rules if len(wrong.fields) == before else None), levels


def _read_stop(body: Mapping[str, Any], wrong: Complaints) -> tuple[float | None, float | None]:
    """The stop's distance in percent, or in average true ranges; both None without such a stop."""
    in_percent = _optional(body, "stop_loss_pct", wrong, 99.99)
    in_atr = _optional(body, "stop_loss_atr", wrong, 100)
    if in_percent is not None and in_atr is not None:
        wrong.add("stop_loss_atr", "a stop is in percent or in average true ranges, not both")
    return in_percent, in_atr


def _read_size(found: object, wrong: Complaints) -> tuple[SizeMode | None, float | None]:
    """A plain number is an amount of quote currency."""
    if not isinstance(found, Mapping):
        return SizeMode.QUOTE, number(found, "position_size", wrong, low=0, high=_LARGEST, open_low=True)
    only(found, ("mode", "value"), "position_size", wrong)
    name = one_of(found.get("mode"), "position_size.mode", tuple(_MODES), wrong)
    mode = None if name is None else _MODES[name]
    most = _LARGEST if mode in (None, SizeMode.QUOTE) else 100.0
    return mode, number(found.get("value"), "position_size.value", wrong, low=0, high=most, open_low=True)


def _optional(body: Mapping[str, Any], name: str, wrong: Complaints, high: float) -> float | None:
    return None if body.get(name) is None else number(body[name], name, wrong, low=0, high=high, open_low=True)


def _whole(body: Mapping[str, Any], name: str, wrong: Complaints, high: float) -> int | None:
    if body.get(name) is None:
        return None
    value = number(body[name], name, wrong, low=1, high=high, whole=True)
    return None if value is None else int(value)


def _read_targets(found: object, stopped: bool, wrong: Complaints) -> tuple[tuple[Target, ...], LevelPlaces]:
    given = items(found, "targets", MAX_TARGETS, wrong)
    targets: list[Target] = []
    levels: LevelPlaces = []
    for index, each in enumerate(given):
        place = f"targets[{index}]"
        body = mapping(each, place, wrong)
        if body is None:
            continue
        share = number(body.get("share", 1 / len(given)), within(place, "share"), wrong, low=0, high=1, open_low=True)
        if _AT in body:
            only(body, (_AT, "share"), place, wrong)
            levels.append((within(place, _AT), body[_AT]))
            targets.append(Target(TargetKind.R, float(index + 1), share or 0.0))
            continue
        target = _read_target(body, place, stopped, share, wrong)
        if target is not None:
            targets.append(target)
    if levels and len(levels) != len(given):
        wrong.add("targets", "lie all at structure, or none does")
    if fsum(target.share for target in targets) > 1 + _SLACK:
        wrong.add("targets", "may have shares of at most 1 together")
    return tuple(targets), levels


def _read_target(
    body: Mapping[str, Any], place: str, stopped: bool, share: float | None, wrong: Complaints
) -> Target | None:
    kinds = [kind for kind in TargetKind if kind.value in body]
    only(body, (*TargetKind, _AT, "share"), place, wrong)
    if len(kinds) != 1:
        wrong.add(place, "a target has exactly one of pct, atr, r and at")
        return None
    kind = kinds[0]
    if kind is TargetKind.R and not stopped:
        wrong.add(within(place, "r"), "needs a stop to measure by")
    value = number(body[kind.value], within(place, kind.value), wrong, low=0, high=100_000, open_low=True)
    return None if value is None or share is None else Target(kind, value, share)


def _read_trailing(found: object, wrong: Complaints) -> tuple[float | None, float | None, float | None]:
    """Distance in percent or in average true ranges, and the gain from which it follows."""
    if found is None:
        return None, None, None
    body = mapping(found, "trailing", wrong) or {}
    only(body, ("pct", "atr", "activate_pct"), "trailing", wrong)
    if ("pct" in body) == ("atr" in body):
        wrong.add("trailing", "has exactly one of pct and atr")
        return None, None, None
    name, high = ("pct", 99.99) if "pct" in body else ("atr", 100.0)
    distance = number(body[name], f"trailing.{name}", wrong, low=0, high=high, open_low=True)
    activate = None
    if body.get("activate_pct") is not None:
        activate = number(body["activate_pct"], "trailing.activate_pct", wrong, low=0, high=100_000)
    return (distance, None, activate) if name == "pct" else (None, distance, activate)


def _read_dca(found: object, wrong: Complaints) -> tuple[tuple[float, float], ...]:
    read: list[tuple[float, float]] = []
    for index, each in enumerate(items(found, "dca", MOST_RUNGS, wrong)):
        place = f"dca[{index}]"
        body = mapping(each, place, wrong)
        if body is None:
            continue
        only(body, ("drop_pct", "factor"), place, wrong)
        drop = number(body.get("drop_pct"), within(place, "drop_pct"), wrong, low=0, high=99.99, open_low=True)
        factor = number(body.get("factor", 1), within(place, "factor"), wrong, low=0, high=100, open_low=True)
        if drop is not None and factor is not None:
            read.append((drop, factor))
    return tuple(read)


def _check_levels(rules: TradeRules, wrong: Complaints) -> None:
    """The take profit is the last level of a ladder."""
    levels = len(rules.targets) + (rules.take_profit_pct is not None)
    if levels > MAX_TARGETS:
        wrong.add("targets", f"may have at most {MAX_TARGETS} levels, the take profit included")
    if rules.break_even_after is not None and rules.break_even_after > levels:
        wrong.add("break_even_after", f"names target {rules.break_even_after}, there are {levels}")


def write_rules(rules: TradeRules, levels: list[dict[str, Any]]) -> dict[str, Any]:
    """The long form; `levels` are the targets at structure, already written."""
    body: dict[str, Any] = {
        "position_size": {"mode": rules.size_mode.value, "value": plain_number(rules.size_value)},
        "leverage": plain_number(rules.leverage),
    }
    singles = {
        "stop_loss_pct": rules.stop_pct,
        "stop_loss_atr": rules.stop_atr,
        "take_profit_pct": rules.take_profit_pct,
        "break_even_after": rules.break_even_after,
        "time_exit_bars": rules.time_exit_bars,
    }
    body |= {name: plain_number(value) for name, value in singles.items() if value is not None}
    if levels:
        shares = [target.share for target in rules.targets]
        body["targets"] = [{_AT: level, "share": share} for level, share in zip(levels, shares, strict=True)]
    elif rules.targets:
        body["targets"] = [{t.kind.value: plain_number(t.value), "share": t.share} for t in rules.targets]
    trail = {"pct": rules.trail_pct, "atr": rules.trail_atr, "activate_pct": rules.trail_activate_pct}
    if rules.trail_pct is not None or rules.trail_atr is not None:
        body["trailing"] = {name: plain_number(value) for name, value in trail.items() if value is not None}
    if rules.dca:
        body["dca"] = [{"drop_pct": plain_number(drop), "factor": plain_number(factor)} for drop, factor in rules.dca]
    return body
