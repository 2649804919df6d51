"""What is said about trades of the past, of others or of a day to come is never a call, whatever trade and prices it names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.domain.parses import Kind
from modules.signals.parsing import parse

PRICED = {"#SOL/USDT": 150, "BTC": 64000, "$ETH": 3200, "GOLD": 2350, "XAUUSD": 2350, "EURUSD": 1.08, "US30": 39000}
SIDES = st.sampled_from(["LONG", "SHORT", "buy", "sell", "Buy", "Sell"])
REPORTS = (
    "{s} {d} from {a} is now at {b}, +{n} pips",
    "{s} reached {a}, our {d} from {b} is in profit +{n}%",
    "{s} {d} TP{k} done at {a}. SL now {b}",
    "{s} {d} entry {a} → exit {b} = +{n}%",
    "{s} {d} closed at {a}, entry was {b}",
    "Stop hit on {s} {d} {a}, loss {n}%",
    "Recap: {s} {d} {a} TP1 {b} TP2 {b} SL {a} all done",
    "Yesterday's {s} {d}: entry {a}, TP {b}, SL {a} - WIN",
    "{s} {d} was a nice trade. {a} → {b}",
    "{s} {d} limit {a} filled, SL {b}, TP {a}",
    "{s} {d}: закрыл по {a}, вход был {b}",
    "{s} still holding our {d} from {a}, next target {b}",
    "{s} {d}\nEntry: {a}\nTP1 hit: {b}\nTP2 not reached",
    "Missed {s} {d} {a}, tp {b}, no re-entry",
    "{s} {d} so far so good: {a} → {b}",
    "Trade of the week: {s} {d} {a} to {b}",
    "Copy trader John {d} {s} {a} tp {b} sl {a} (closed)",
    "{s} {d} still valid, entry {a} not filled yet, sl {b}",
    "Large {d} order on {s} at {a} worth ${n}M",
    "{s} {d} kapandı {a}, giriş {b} kar {n}%",
)
ORDERS = (
    "Cancel {s} {d} limit {a} sl {b} tp {a}",
    "Close {s} {d} at {a} now, TP {b} unlikely",
    "Secure half of {s} {d} here {a}, SL {b}",
    "Modify {s} {d}: new SL {a} new TP {b}",
)
PLANS = (
    "If {s} breaks {a} we {d} to {b}, stop {a}",
    "Waiting for {s} at {a} to {d}, target would be {b}, SL {a}",
    "Not entering {s} {d} at {a}, waiting lower {b}",
    "No {d} on {s} until {a} breaks, then {b}",
    "Example: {d} {s} entry {a} sl {b} tp {a} with 1% risk",
    "Should I {d} {s} at {a} with SL {b} and TP {a}?",
    "{s} looks bullish above {a}, next resistance {b}, support {a}",
    "Analysts expect {s} to trade between {a} and {b}; {d} target {b}",
    "My {d} on {s} from {a}, stop at {b}, what do you think?",
    "{s} levels to watch: {a} / {b} / {a}. {d} bias",
    "This is not a signal. {d} {s} {a}, SL {b}, TP {a}",
    "{d} {s} {a}, SL {b}, TP {a}. Not a signal!",
    "{d} {s} bei {a}, SL {b}, TP {a}. Das ist kein Signal",
    "Beispielrechnung: {d} {s} {a}, SL {b}, TP {a}",
    "{d} {s} {a}, SL {b}, TP {a} - это не сигнал",
    "{d} {s} {a}, SL {b}, TP {a}. No es una señal",
    "{d} {s} {a}, SL {b}, TP {a}. Bu bir sinyal değildir",
    "{d} {s} {a}, SL {b}, TP {a}. Ini bukan sinyal",
    "Case study: {d} {s} {a}, SL {b}, TP {a}",
    "{d} {s} {a}, SL {b}, TP {a} (hypothetical)",
    "I'm thinking of a {d} on {s} at {a}, SL {b}, TP {a}",
    "Poll: {s} {d} at {a}? SL {b}, TP {a}",
    "Test signal: {s} {d} {a}, SL {b}, TP {a}",
    "Signal result: {s} {d} {a}, TP {b}, SL {a} = +{n} pips",
    "I {d} {s} at {a} twice this week, stop {b}, target {a}",
    "Last month's {s} {d}: entry {a}, TP1 {b} ✅ TP2 {b} ✅ SL {a}",
    "{s} pivot {a}, R1 {b}, R2 {b}, S1 {a}, S2 {a}. Preference: {d}",
)


def priced(symbol: str, share: float) -> str:
    value = PRICED[symbol] * share
    return f"{value:.{0 if value > 5000 else 2 if value > 10 else 4}f}"


@pytest.mark.parametrize("form", REPORTS + ORDERS + PLANS)
@given(
    symbol=st.sampled_from(sorted(PRICED)),
    side=SIDES,
    first=st.floats(0.95, 1.05),
    second=st.floats(0.95, 1.05),
    gain=st.integers(5, 90),
    level=st.integers(1, 4),
)
@settings(max_examples=25)
def test_is_never_a_call(form: str, symbol: str, side: str, first: float, second: float, gain: int, level: int) -> None:
    text = form.format(s=symbol, d=side, a=priced(symbol, first), b=priced(symbol, second), n=gain, k=level)
    got = parse(text)
    assert got.kind is not Kind.ENTRY, (text, got.reason)
