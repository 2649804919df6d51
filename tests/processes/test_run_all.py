"""The whole program from outside: messages in by every local door, traded, told, and unharmed by kill -9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from tests.processes.running import NAMES, Program, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

_PRICES = count(100)
WORKING = ("submitted", "unknown", "open", "partially_filled")


def call(symbol: str, price: int) -> str:
    return (
        f"#{symbol}/USDT LONG\nEntry: {price}\nStop Loss: {price - 2}\nTargets: {price + 1} - {price + 2}\nLeverage: 5x"
    )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("whole")) as running:
        yield running


def follow_to_the_end(program: Program, symbol: str, price: int, signal_id: str) -> dict[str, Any]:
    """Target by target to the close."""
    program.until_position(signal_id, status="open")
    program.tick(f"{symbol}USDT", str(price + 1))
    until(lambda: program.until_position(signal_id)["targets"][0]["hit_at"], 10, "the first target is hit")
    program.tick(f"{symbol}USDT", str(price + 2))
    return program.until_position(signal_id, status="closed")


def thread(program: Program, chat: str, signal_id: str, last: str) -> list[dict[str, Any]]:
    """What the chat shows of a signal, once it has shown how it ended."""

    def told() -> list[dict[str, Any]]:
        found = [message for message in program.room(chat) if message["signal_id"] == signal_id]
        return found if any(last in message["text"] for message in found) else []

    return until(told, 10, f"{chat} shows {last!r} for {signal_id}")


def test_it_starts_with_nothing_but_a_folder(program: Program) -> None:
    health = program.until_healthy()
    assert health["trading"] == "paper"
    assert health["prices"] == "follow"
    assert set(health["processes"]) == set(NAMES)
    assert {row["restarts"] for row in health["processes"].values()} == {0}
    assert health["store"] == {"engine": "sqlite", "ok": True}
    said = program.log.read_text(encoding="utf-8")
    assert said.count(program.token) == 1  # printed once, to whoever starts it the first time
    assert said.count("no TELEGRAM_BOT_TOKEN") == said.count("no TELEGRAM_SESSION") == 1
    assert (program.data_dir / "operator.token").stat().st_mode & 0o777 == 0o600
    assert program.request("GET", "/api/positions")[0] == 200
    assert "Traceback" not in said


@pytest.mark.parametrize(("door", "symbol"), [("http", "BTC"), ("folder", "ETH"), ("terminal", "SOL")])
def test_a_message_is_traded_and_every_step_told_as_a_reply(program: Program, door: str, symbol: str) -> None:
    price = next(_PRICES)
    program.tick(f"{symbol}USDT", str(price))
    text = call(symbol, price)
    if door == "http":
        program.post(text)
    elif door == "folder":
        program.drop(f"{symbol}.txt", text)
    else:
        done = program.cli("say", text)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("accepted: entry"), done.stdout
    found = until(
        lambda: [s for s in program.get("/api/signals")["signals"] if s["symbol"] == f"{symbol}USDT"],
        10,
        "the signal is there",
    )
    signal_id = found[0]["id"]
    closed = follow_to_the_end(program, symbol, price, signal_id)
    assert closed["close_reason"] == "targets"
    assert Decimal(closed["quantity"]) == 0
    assert Decimal(closed["realised_pnl"]) > 0
    assert [target["hit_at"] is not None for target in closed["targets"]] == [True, True]
    for chat in ("local:vip", "local:trial"):
        first, *replies = thread(program, chat, signal_id, "closed at")
        assert f"{symbol}USDT LONG" in first["text"]
        assert first["reply_to"] is None
        assert {reply["reply_to"] for reply in replies} == {str(first["number"])}
        assert [_mark(reply["text"]) for reply in replies] == ["entered", "target 1", "target 2", "closed"]
    first, *replies = thread(program, "local:operator", signal_id, "closed at")
    assert first["reply_to"] is None
    assert {reply["reply_to"] for reply in replies} == {str(first["number"])}
    marks = [_mark(reply["text"]) for reply in replies]
    assert [mark for mark in marks if mark != "stop"] == ["opened", "target 1", "target 2", "closed"]


def _mark(text: str) -> str:
    words = ("entered", "opened", "target 1", "target 2", "closed", "stop")
    return next((word for word in words if word in text), text)


def test_the_inbox_answers_a_repeat_with_the_same(program: Program) -> None:
    price = next(_PRICES)
    first = program.post(call("XRP", price), message_id="twice")
    again = program.post(call("XRP", price), message_id="twice")
    assert first["accepted"]
    assert not first["duplicate"]
    assert again == {**first, "duplicate": True}


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_is_back_and_nothing_is_lost_or_doubled(program: Program, name: str) -> None:
    open_price, new_price = next(_PRICES), next(_PRICES)
    open_symbol, new_symbol = "AVAX", "LINK"
    program.tick(f"{open_symbol}USDT", str(open_price))
    program.tick(f"{new_symbol}USDT", str(new_price))
    opened = program.post(call(open_symbol, open_price))["signal_id"]
    program.until_position(opened, status="open")
    old = program.kill(name)
    posted = program.post(call(new_symbol, new_price))  # a message and a price while it is down
    program.tick(f"{open_symbol}USDT", str(open_price + 1))
    program.until_replaced(name, old, 5)
    for symbol, price, signal_id in ((open_symbol, open_price, opened), (new_symbol, new_price, posted["signal_id"])):
        closed = follow_to_the_end(program, symbol, price, signal_id)
        assert closed["close_reason"] == "targets"
        assert Decimal(closed["quantity"]) == 0
        assert Decimal(closed["realised_pnl"]) > 0
        once_each(program, signal_id)


def once_each(program: Program, signal_id: str) -> None:
    """One position, one entry order filled once, no order left working, every fact told once."""
    for chat in ("local:vip", "local:operator"):
        texts = Counter(message["text"] for message in thread(program, chat, signal_id, "closed at"))
        assert set(texts.values()) == {1}, texts
    with program.store() as store:
        orders = [each for each in store["orders"].all() if each["signal_id"] == signal_id]
        ids = {each["id"] for each in orders}
        fills = [each for each in store["fills"].all() if each["client_order_id"] in ids]
        facts = Counter(e.kind for e in store.journal.read(0, 100_000) if e.body.get("signal_id") == signal_id)
    entries = [each for each in orders if each["role"] == "entry"]
    assert len(entries) == 1
    bought = sum(Decimal(each["quantity"]) for each in fills if each["action"] == "buy")
    sold = sum(Decimal(each["quantity"]) for each in fills if each["action"] == "sell")
    assert bought == sold == Decimal(entries[0]["quantity"])
    assert len({each["id"] for each in fills}) == len(fills)
    assert [each["id"] for each in orders if each["state"] in WORKING] == []
    assert facts["PlanMade"] == facts["PositionOpened"] == facts["PositionClosed"] == facts["SignalReceived"] == 1
    assert facts["TargetHit"] == facts["SignalTargetHit"] == 2
    assert facts["SignalClosed"] == facts["SignalEntered"] == 1


def test_all_killed_at_once_go_on_as_if_nothing_had_been(program: Program) -> None:
    price = next(_PRICES)
    program.tick("DOGEUSDT", str(price))
    signal_id = program.post(call("DOGE", price))["signal_id"]
    program.until_position(signal_id, status="open")
    old = {name: program.kill(name) for name in NAMES}
    for name, pid in old.items():
        program.until_replaced(name, pid, 20)
    assert follow_to_the_end(program, "DOGE", price, signal_id)["close_reason"] == "targets"
    once_each(program, signal_id)


@pytest.mark.parametrize(("name", "base"), [("executor", "DOT"), ("targets", "NEAR")])
def test_a_price_that_came_and_went_while_a_process_was_down_counts(program: Program, name: str, base: str) -> None:
    price = next(_PRICES)
    program.tick(f"{base}USDT", str(price))
    signal_id = program.post(call(base, price))["signal_id"]
    try:
        program.until_position(signal_id, status="open")
        until(lambda: resting(program, signal_id) == {"stop", "target"}, 5, "the exchange has its stop and its targets")
        # At once: a process that is dying may still swallow what it is sent, and never deals with it.
        old = program.kill(name)
        program.tick(f"{base}USDT", f"{price + 1}.5", f"{price}.5")
        program.until_replaced(name, old)
        until(lambda: hits(program, signal_id) == ([1], [1]), 4, "the target counts for the account and for the record")
    finally:
        program.tick(f"{base}USDT", str(price + 2))
        program.until_position(signal_id, status="closed")


def resting(program: Program, signal_id: str) -> set[str]:
    """Roles of the signal's orders that lie at the exchange."""
    with program.store() as store:
        orders = [each for each in store["orders"].all() if each["signal_id"] == signal_id]
    return {each["role"] for each in orders if each["state"] == "open"}


def hits(program: Program, signal_id: str) -> tuple[list[int], list[int]]:
    """Targets reached by the position and by the signal."""
    position = program.until_position(signal_id)
    filled = [number for number, each in enumerate(position["targets"], start=1) if each["hit_at"]]
    signal = program.get(f"/api/signals/{signal_id}")["signal"]
    return filled, [each["number"] for each in signal["targets_hit"]]


def test_nothing_failed_on_the_way(program: Program) -> None:
    said = program.log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert "turn failed" not in said
    with program.store() as store:
        alarms = [e.body for e in store.journal.read(0, 100_000, {"Alarm"})]
        rejected = [each for each in store["orders"].all() if each["state"] == "rejected"]
        assert (alarms, rejected) == ([], [])
        assert store.check() == []
