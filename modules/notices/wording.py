"""What a person reads: one event, one short text. Pure; markup is Telegram's HTML subset, which every channel can render.

Two voices: the channel's (a signal and what the market made of it) and the account's (what your money did).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from html import escape, unescape
from typing import Any

from modules.domain.events import EventKind
from modules.domain.money import plain
from modules.domain.sides import Side
from modules.domain.signals import Signal

_TAGS = re.compile(r"</?[a-z]+>")
_REASONS = {
    "stop_loss": "stop loss",
    "break_even": "stop at the entry",
    "trailing_stop": "trailing stop",
    "stop_in_profit": "stop moved into profit",
    "trailing": "trailing stop",
    "follow_targets": "stop behind the targets",
    "manual": "stop moved by hand",
    "targets": "all targets reached",
    "time": "time is over",
    "close_by_source": "closed by the source",
    "cancel_by_source": "cancelled by the source",
    "target_before_entry": "a target was reached before the entry",
    "stop_before_entry": "price was beyond the stop before the entry",
    "not_entered_in_time": "the entry was not reached in time",
    "liquidated": "liquidated",
    "source": "by the source",
    "user": "by hand",
}


def signal_post(signal: Signal, *, simulated: bool = False) -> str:
    """The first post of a signal: what to do, at which prices."""
    arrow = "🟢" if signal.side is Side.LONG else "🔴"
    entry = " – ".join(plain(price) for price in signal.entries) if signal.entries else "market"
    if signal.order == "market" and signal.entries:
        entry = f"market (about {entry})"
    lines = [f"{arrow} <b>{escape(signal.symbol)} {signal.side.value}</b>", f"Entry: {entry}"]
    for number, target in enumerate(signal.targets, start=1):
        lines.append(f"Target {number}: {plain(target)}")
    lines.append(f"Stop: {plain(signal.stop_loss)}" if signal.stop_loss is not None else "Stop: none given")
    if signal.leverage is not None:
        lines.append(f"Leverage: up to {plain(signal.leverage)}x")
    if simulated:
        lines.append("<i>Prices are simulated.</i>")
    return "\n".join(lines)


def signal_line(kind: EventKind, body: Mapping[str, Any]) -> str | None:
    """What happened to a signal, as a reply to its post; None for what is not told there."""
    symbol = escape(str(body.get("symbol", "")))
    match kind:
        case EventKind.SIGNAL_ENTERED:
            return f"➡️ {symbol}: entered at {body['price']}"
        case EventKind.SIGNAL_TARGET_HIT:
            after = _duration(body.get("after_seconds"))
            return f"🎯 {symbol}: target {body['number']} of {body['of']} reached, {_percent(body['return_percent'])}{after}"
        case EventKind.SIGNAL_STOP_MOVED:
            return f"🛡 {symbol or 'Signal'}: stop moved to {body['price']} ({_reason(body['reason'])})"
        case EventKind.SIGNAL_CLOSED:
            return _signal_closed(symbol, body)
    return None


def account_line(kind: EventKind, body: Mapping[str, Any]) -> str | None:
    """What happened to an account's money; None for what is not told."""
    told = _ACCOUNT_LINES.get(kind)
    return told(escape(str(body.get("symbol", ""))), body) if told else None


def operator_line(kind: EventKind, body: Mapping[str, Any]) -> str | None:
    """What whoever runs the service must know."""
    told = _OPERATOR_LINES.get(kind)
    return told(body) if told else None


def without_markup(text: str) -> str:
    """The text as a reader sees it."""
    return unescape(_TAGS.sub("", text))


def _plan_made(symbol: str, body: Mapping[str, Any]) -> str:
    entries = ", ".join(body["entries"])
    risk = f", risking {body['risk_amount']} USDT" if body.get("risk_amount") else ""
    notes = "".join(f"\n• {escape(note)}" for note in body.get("notes", ()))
    return f"📝 {symbol} {body['side']}: {body['quantity']} at {entries}, {body['leverage']}x{risk}{notes}"


def _refused(symbol: str, body: Mapping[str, Any]) -> str:
    return f"✋ {symbol}: {_escaped(body['sentence'])}"


def _plan_ended(symbol: str, body: Mapping[str, Any]) -> str:
    return f"⌛ {symbol}: nothing was filled ({_escaped(body['outcome'])})"


def _position_opened(symbol: str, body: Mapping[str, Any]) -> str:
    stop = f", stop {body['stop']}" if body.get("stop") else ", no stop"
    return f"✅ {symbol} {body['side']}: opened {body['quantity']} at {body['price']}{stop}"


def _target_filled(symbol: str, body: Mapping[str, Any]) -> str:
    gained = f"{_money(body['pnl'])} ({_percent(body['return_percent'])})"
    return f"🎯 {symbol}: target {body['number']} of {body['of']} filled, {gained}"


def _stop_moved(symbol: str, body: Mapping[str, Any]) -> str:
    return f"🛡 {symbol or 'Stop'}: stop now {body['price']} ({_reason(body['reason'])})"


def _position_closed(symbol: str, body: Mapping[str, Any]) -> str:
    mark = "💰" if Decimal(body["pnl"]) >= 0 else "🔻"
    r_multiple = f", {body['r_multiple']} R" if body.get("r_multiple") else ""
    made = f"{_money(body['pnl'])}{r_multiple}{_duration(body.get('held_seconds'))}"
    return f"{mark} {symbol}: closed at {body['price']} ({_reason(body['reason'])}), {made}"


def _order_unknown(symbol: str, body: Mapping[str, Any]) -> str:
    at = f" at {body['price']}" if body.get("price") else ""
    order = f"the {body['role']} order{at}" if body.get("role") else "an order"
    return f"❓ {symbol}: the exchange gave no answer to {order}; it is being asked."


_ACCOUNT_LINES: Mapping[EventKind, Callable[[str, Mapping[str, Any]], str]] = {
    EventKind.PLAN_MADE: _plan_made,
    EventKind.TRADE_REFUSED: _refused,
    EventKind.REQUEST_REFUSED: _refused,
    EventKind.PLAN_ENDED: _plan_ended,
    EventKind.POSITION_OPENED: _position_opened,
    EventKind.TARGET_HIT: _target_filled,
    EventKind.STOP_MOVED: _stop_moved,
    EventKind.POSITION_CLOSED: _position_closed,
    EventKind.ORDER_UNKNOWN: _order_unknown,
}


def _signal_refused(body: Mapping[str, Any]) -> str:
    message = f"{_escaped(body['source'])} message {_escaped(body['message_id'])}"
    return f"🚫 {message} is not traded: {_escaped(body['sentence'])}"


def _update_unbound(body: Mapping[str, Any]) -> str:
    return f"❔ {_escaped(body['source'])}: {_escaped(body['sentence'])} Nothing was done."


#: What each stage of the kill switch means, after "for everybody" or the like.
_STAGES = {
    "active": "✅ Trading goes on{scope}, resumed by {by}{why}.",
    "paused": "⏸ Trading is paused{scope} by {by}{why}: no new entries for now.",
    "reducing": "🚨 Trading is stopped{scope} by {by}{why}: no new entries; open positions keep their stops and targets.",
    "flatten": "🚨 Everything is being closed{scope}, ordered by {by}{why}.",
    "locked": "🔒 Trading is locked{scope} by {by}{why}: all was closed, and nothing is entered until somebody resumes.",
}


def _safety_changed(body: Mapping[str, Any]) -> str:
    why = f" ({_escaped(body['reason'])})" if body.get("reason") else ""
    scope = " for everybody" if body["scope"] == "global" else f" for {body['scope']} {_escaped(body['scope_id'])}"
    return _STAGES[body["stage"]].format(scope=scope, by=_escaped(body["by"]), why=why)


def _prices_stale(body: Mapping[str, Any]) -> str:
    return f"⚠️ No fresh price for {', '.join(body['symbols'])}: nothing is decided on old prices."


def _prices_back(body: Mapping[str, Any]) -> str:
    return f"✅ Fresh prices again for {', '.join(body['symbols'])}."


def _reconciled(body: Mapping[str, Any]) -> str:
    drift = " ".join(body.get("drift", [])) or "orders nobody here placed."
    return f"⚠️ Books and exchange differ: {escape(drift)}"


def _alarm(body: Mapping[str, Any]) -> str:
    return f"⚠️ {_escaped(body['sentence'])}"


_OPERATOR_LINES: Mapping[EventKind, Callable[[Mapping[str, Any]], str]] = {
    EventKind.SIGNAL_REFUSED: _signal_refused,
    EventKind.UPDATE_UNBOUND: _update_unbound,
    EventKind.SAFETY_CHANGED: _safety_changed,
    EventKind.PRICES_STALE: _prices_stale,
    EventKind.PRICES_BACK: _prices_back,
    EventKind.RECONCILED: _reconciled,
    EventKind.ALARM: _alarm,
}


def _signal_closed(symbol: str, body: Mapping[str, Any]) -> str:
    if body.get("price") is None or body.get("return_percent") is None:
        return f"⏹ {symbol}: {body['status']}, {_reason(body['reason'])}"
    mark = "🏁" if Decimal(body["return_percent"]) >= 0 else "🔻"
    hits = f", {body['targets_hit']} target(s) reached" if body.get("targets_hit") else ""
    result = _percent(body["return_percent"])
    return f"{mark} {symbol}: closed at {body['price']}, {_reason(body['reason'])}{hits}, {result}{_duration(body.get('after_seconds'))}"


def _escaped(value: object) -> str:
    return escape(str(value))


def _reason(code: object) -> str:
    return escape(_REASONS.get(str(code), str(code).replace("_", " ")))


def _percent(text: object) -> str:
    return f"{Decimal(str(text)):+.2f} %"


def _money(text: object) -> str:
    return f"{Decimal(str(text)):+.2f} USDT"


def _duration(seconds: object) -> str:
    """`, 3 h 12 min`, or nothing where the time isn't known."""
    if not isinstance(seconds, int | float):
        return ""
    minutes = int(seconds) // 60
    if minutes < 1:
        return f", {int(seconds)} s"
    if minutes < 60:
        return f", {minutes} min"
    if minutes < 1440:
        return f", {minutes // 60} h {minutes % 60} min"
    return f", {minutes // 1440} d {minutes % 1440 // 60} h"
