"""What people read: every kind of fact has words, numbers as they are, and nothing from outside becomes markup."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from modules.domain.events import EventKind
from modules.domain.sides import Side
from modules.domain.signals import Signal
from modules.notices import outbox
from modules.notices.wording import account_line, operator_line, signal_line, signal_post, without_markup
from modules.trading.safety import Stage

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)


def signal(**fields: Any) -> Signal:
    given: dict[str, Any] = {
        "id": "s",
        "source": "test",
        "message_id": "1",
        "symbol": "BTCUSDT",
        "side": Side.LONG,
        "order": "limit",
        "entries": (Decimal(60000), Decimal("59500.50")),
        "entry_range": True,
        "targets": (Decimal(61000), Decimal("62000.0")),
        "stop_loss": Decimal(59000),
        "leverage": Decimal(10),
        "text": "",
        "said_at": NOW,
        "received_at": NOW,
        "expires_at": NOW,
        "confidence": 1.0,
        "late": False,
    }
    return Signal(**{**given, **fields})


def test_a_signal_names_side_prices_and_leverage() -> None:
    assert signal_post(signal()).splitlines() == [
        "🟢 <b>BTCUSDT LONG</b>",
        "Entry: 60000 – 59500.5",
        "Target 1: 61000",
        "Target 2: 62000",
        "Stop: 59000",
        "Leverage: up to 10x",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"entries": (), "order": "market"}, "Entry: market"),
        ({"entries": (Decimal(60000),), "order": "market"}, "Entry: market (about 60000)"),
        ({"stop_loss": None}, "Stop: none given"),
        ({"side": Side.SHORT}, "🔴 <b>BTCUSDT SHORT</b>"),
        ({"symbol": "<B&C>USDT"}, "🟢 <b>&lt;B&amp;C&gt;USDT LONG</b>"),
    ],
)
def test_what_a_signal_leaves_open_is_said(fields: dict[str, Any], line: str) -> None:
    assert line in signal_post(signal(**fields)).splitlines()


def test_a_simulated_market_is_named() -> None:
    assert signal_post(signal(), simulated=True).endswith("Prices are simulated.</i>")


SIGNAL_LINES = [
    (EventKind.SIGNAL_ENTERED, {"price": "60000"}, "➡️ BTCUSDT: entered at 60000"),
    (
        EventKind.SIGNAL_TARGET_HIT,
        {"number": 2, "of": 3, "return_percent": "4.1", "after_seconds": 11520},
        "🎯 BTCUSDT: target 2 of 3 reached, +4.10 %, 3 h 12 min",
    ),
    (
        EventKind.SIGNAL_STOP_MOVED,
        {"price": "60000", "reason": "break_even"},
        "🛡 BTCUSDT: stop moved to 60000 (stop at the entry)",
    ),
    (
        EventKind.SIGNAL_CLOSED,
        {"status": "closed", "price": "59000", "return_percent": "-1.67", "reason": "stop_loss", "after_seconds": 59},
        "🔻 BTCUSDT: closed at 59000, stop loss, -1.67 %, 59 s",
    ),
    (
        EventKind.SIGNAL_CLOSED,
        {"status": "closed", "price": "63000", "return_percent": "0", "reason": "targets", "targets_hit": 3},
        "🏁 BTCUSDT: closed at 63000, all targets reached, 3 target(s) reached, +0.00 %",
    ),
    (
        EventKind.SIGNAL_CLOSED,
        {"status": "expired", "price": None, "return_percent": None, "reason": "not_entered_in_time"},
        "⏹ BTCUSDT: expired, the entry was not reached in time",
    ),
]
ACCOUNT_LINES = [
    (
        EventKind.PLAN_MADE,
        {
            "side": "LONG",
            "quantity": "0.1",
            "entries": ["60000"],
            "leverage": "10",
            "risk_amount": "100",
            "notes": ["<capped>"],
        },
        "📝 BTCUSDT LONG: 0.1 at 60000, 10x, risking 100 USDT\n• &lt;capped&gt;",
    ),
    (EventKind.TRADE_REFUSED, {"sentence": "Too <large>."}, "✋ BTCUSDT: Too &lt;large&gt;."),
    (EventKind.REQUEST_REFUSED, {"sentence": "No."}, "✋ BTCUSDT: No."),
    (EventKind.PLAN_ENDED, {"outcome": "expired"}, "⌛ BTCUSDT: nothing was filled (expired)"),
    (
        EventKind.POSITION_OPENED,
        {"side": "LONG", "quantity": "0.1", "price": "60000", "stop": None},
        "✅ BTCUSDT LONG: opened 0.1 at 60000, no stop",
    ),
    (
        EventKind.TARGET_HIT,
        {"number": 1, "of": 3, "pnl": "31.066", "return_percent": "1.667"},
        "🎯 BTCUSDT: target 1 of 3 filled, +31.07 USDT (+1.67 %)",
    ),
    (EventKind.STOP_MOVED, {"price": "60000", "reason": "trailing"}, "🛡 BTCUSDT: stop now 60000 (trailing stop)"),
    (
        EventKind.POSITION_CLOSED,
        {"price": "59000", "reason": "stop_loss", "pnl": "-101.2", "r_multiple": "-1.01", "held_seconds": 93600},
        "🔻 BTCUSDT: closed at 59000 (stop loss), -101.20 USDT, -1.01 R, 1 d 2 h",
    ),
    (EventKind.ORDER_UNKNOWN, {}, "❓ BTCUSDT: the exchange gave no answer to an order; it is being asked."),
    (
        EventKind.ORDER_UNKNOWN,
        {"symbol": "BTCUSDT", "role": "stop", "price": "59000"},
        "❓ BTCUSDT: the exchange gave no answer to the stop order at 59000; it is being asked.",
    ),
]
OPERATOR_LINES = [
    (
        EventKind.SIGNAL_REFUSED,
        {"source": "<chan>", "message_id": "7", "sentence": "Stop beyond entry."},
        "🚫 &lt;chan&gt; message 7 is not traded: Stop beyond entry.",
    ),
    (
        EventKind.UPDATE_UNBOUND,
        {"source": "chan", "sentence": "No such signal."},
        "❔ chan: No such signal. Nothing was done.",
    ),
    (
        EventKind.SAFETY_CHANGED,
        {"scope": "global", "scope_id": "", "stage": "flatten", "by": "cli", "reason": "drill"},
        "🚨 Everything is being closed for everybody, ordered by cli (drill).",
    ),
    (
        EventKind.SAFETY_CHANGED,
        {"scope": "user", "scope_id": "u<1>", "stage": "reducing", "by": "x", "reason": ""},
        "🚨 Trading is stopped for user u&lt;1&gt; by x: no new entries; open positions keep their stops and targets.",
    ),
    (EventKind.PRICES_STALE, {"symbols": ["A", "B"]}, "⚠️ No fresh price for A, B: nothing is decided on old prices."),
    (EventKind.PRICES_BACK, {"symbols": ["A"]}, "✅ Fresh prices again for A."),
    (EventKind.RECONCILED, {"drift": ["one", "two"]}, "⚠️ Books and exchange differ: one two"),
    (EventKind.RECONCILED, {}, "⚠️ Books and exchange differ: orders nobody here placed."),
    (EventKind.ALARM, {"sentence": "<Fire>"}, "⚠️ &lt;Fire&gt;"),
]


@pytest.mark.parametrize(("kind", "body", "text"), SIGNAL_LINES)
def test_the_channels_voice(kind: EventKind, body: dict[str, Any], text: str) -> None:
    assert signal_line(kind, {"symbol": "BTCUSDT", **body}) == text


@pytest.mark.parametrize(("kind", "body", "text"), ACCOUNT_LINES)
def test_the_accounts_voice(kind: EventKind, body: dict[str, Any], text: str) -> None:
    assert account_line(kind, {"symbol": "BTCUSDT", **body}) == text


@pytest.mark.parametrize(("kind", "body", "text"), OPERATOR_LINES)
def test_what_an_operator_must_know(kind: EventKind, body: dict[str, Any], text: str) -> None:
    assert operator_line(kind, body) == text


def test_every_kind_that_is_told_has_words() -> None:
    told = {kind for kind, _, _ in [*SIGNAL_LINES, *ACCOUNT_LINES, *OPERATOR_LINES]} | {EventKind.SIGNAL_RECEIVED}
    assert told == {*outbox._SIGNAL_KINDS, *outbox.ACCOUNT_KINDS, *outbox._OPERATOR_KINDS}


def test_other_kinds_are_not_told() -> None:
    for line in (signal_line, account_line, operator_line):
        assert line(EventKind.ORDER_OPENED, {"symbol": "BTCUSDT"}) is None


@pytest.mark.parametrize(
    ("html", "text"), [("<b>a</b> &lt;b&gt;", "a <b>"), ("<pre>1\n2</pre>", "1\n2"), ("a < b", "a < b")]
)
def test_without_markup(html: str, text: str) -> None:
    assert without_markup(html) == text


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_of_the_kill_switch_has_words(stage: Stage) -> None:
    body = {"scope": "global", "scope_id": "", "stage": stage.value, "by": "boss", "reason": "drill"}
    told = operator_line(EventKind.SAFETY_CHANGED, body)
    assert told is not None
    assert "for everybody" in told
    assert "by boss (drill)" in told
