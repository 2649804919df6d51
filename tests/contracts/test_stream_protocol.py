"""What a client may say to the stream, and what it hears: sign-in, tickets, topics, privacy, nonsense."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from modules.domain.errors import Trouble
from modules.domain.events import EventKind
from tests.contracts.stream_house import House, open_position


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


async def test_a_price_needs_no_sign_in_and_takes_the_old_form(house: House) -> None:
    client = await house.client()
    answer = await client.ask("subscribed", action="subscribe", symbol="BTCUSDT", id=7)
    assert answer["data"]["topics"] == ["price:BTCUSDT"]
    assert answer["id"] == 7
    assert house.symbols_asked.is_set()
    assert house.stream.hub.watched_symbols() == {"BTCUSDT"}
    house.price("BTCUSDT", "60000.5")
    house.price("ETHUSDT", "3000")
    said = await client.hear("price")
    assert set(said) == {"type", "topic", "seq", "time", "data"}
    assert said["topic"] == "price:BTCUSDT"
    assert said["seq"] == answer["data"]["seq"]["price:BTCUSDT"] + 1
    assert said["data"]["price"] == "60000.5"
    assert said["time"].endswith("Z")
    await client.silent()


async def test_symbols_are_read_as_people_write_them(house: House) -> None:
    client = await house.client()
    assert (await client.subscribe("price:btc/usdt"))["topics"] == ["price:BTCUSDT"]


async def test_a_late_listener_hears_the_last_price_at_once(house: House) -> None:
    first, second = await house.client(), await house.client()
    await first.subscribe("price:BTCUSDT")
    house.price("BTCUSDT", "60000")
    heard = await first.hear("price")
    assert (await second.subscribe("price:BTCUSDT"))["seq"]["price:BTCUSDT"] == heard["seq"]
    assert await second.hear("price") == heard


async def test_prices_are_joined_and_keep_their_range(tmp_path: Path) -> None:
    async with House(tmp_path, price_seconds=0.05) as house:
        client = await house.client()
        await client.subscribe("price:BTCUSDT")
        house.price("BTCUSDT", "100")
        for last, high, low in (("101", "109", "101"), ("99", "99", "91"), ("100.5", "100.5", "100.5")):
            house.price("BTCUSDT", last, high=high, low=low)
        assert (await client.hear("price"))["data"]["price"] == "100"
        rest = await client.hear("price")
        assert {name: rest["data"][name] for name in ("price", "open", "high", "low", "volume", "trades")} == {
            "price": "100.5", "open": "101", "high": "109", "low": "91", "volume": "3", "trades": 3,
        }  # fmt: skip
        await client.silent()


async def test_unsubscribing_ends_it(house: House) -> None:
    client = await house.client()
    await client.subscribe("price:BTCUSDT", "price:ETHUSDT")
    await client.ask("unsubscribed", action="unsubscribe", symbol="BTCUSDT")
    assert house.stream.hub.watched_symbols() == {"ETHUSDT"}
    house.price("BTCUSDT", "1")
    house.price("ETHUSDT", "2")
    assert (await client.hear("price"))["topic"] == "price:ETHUSDT"


@pytest.mark.parametrize("topic", ["signals", "positions", "orders", "scanner", "system", "positions:all", "jobs:1"])
async def test_everything_else_needs_a_sign_in(house: House, topic: str) -> None:
    client = await house.client()
    answer = await client.ask("error", action="subscribe", topics=[topic, "price:BTCUSDT"])
    assert answer["data"]["code"] == "not_signed_in"
    assert (await client.ask("stats", action="stats"))["data"]["topics"] == []  # all or nothing


async def test_a_sign_in_opens_ones_own_topics(house: House) -> None:
    client = await house.client()
    assert (await client.auth("ann"))["data"] == {"user_id": "ann", "role": "subscriber"}
    await client.subscribe("price:BTCUSDT", "signals", "positions", "scanner", "system")
    house.fact(EventKind.SIGNAL_RECEIVED, source="s", symbol="BTCUSDT", side="long")
    signal = await client.hear("signal")
    assert (signal["topic"], signal["seq"]) == ("signals", 1)
    assert signal["data"]["event"] == "SignalReceived"
    house.fact(EventKind.POSITION_OPENED, "ann", symbol="BTCUSDT", quantity="1")
    assert (await client.hear("position"))["data"]["symbol"] == "BTCUSDT"
    house.fact(EventKind.SAFETY_CHANGED, scope="global", scope_id="", stage="reducing", by="zoe", reason="")
    assert (await client.hear("system"))["data"]["stage"] == "reducing"
    house.stream.publish("scanner", "scan", {"symbol": "BTCUSDT", "score": 81})
    assert (await client.hear("scan"))["data"]["score"] == 81


async def test_signals_of_a_private_source_reach_their_owner_alone(house: House) -> None:
    ann, bob = await house.client("ann"), await house.client("bob")
    for each in (ann, bob):
        await each.subscribe("signals")
    house.fact(EventKind.SIGNAL_RECEIVED, source="webhook:tv", symbol="ETHUSDT", side="long", owner="ann")
    house.fact(EventKind.SIGNAL_RECEIVED, source="s", symbol="BTCUSDT", side="long")
    assert {(said["topic"], said["seq"]) for said in [await ann.hear(), await ann.hear()]} == {
        ("signals", 1),
        ("signals:own", 1),
    }
    heard = await bob.hear("signal")
    assert (heard["topic"], heard["seq"], heard["data"]["symbol"]) == ("signals", 1, "BTCUSDT")


async def test_private_topics_never_reach_another_user(house: House) -> None:
    ann, bob, zoe = await house.client("ann"), await house.client("bob"), await house.client("zoe")
    for each in (ann, bob, zoe):
        await each.subscribe("positions", "orders")
    house.fact(EventKind.POSITION_OPENED, "ann", symbol="BTCUSDT")
    house.fact(EventKind.ORDER_FILLED, "ann", price="1")
    house.fact(EventKind.ORDER_FILLED, "bob", price="2")
    assert [(await ann.hear())["type"] for _ in range(2)] == ["position", "order"]
    assert (await bob.hear("order"))["data"]["price"] == "2"
    for each in (ann, bob, zoe):  # staff hear others' only where they ask for it
        await each.silent()
    await zoe.subscribe("orders:all")
    house.fact(EventKind.ORDER_FILLED, "bob", price="3")
    assert (await zoe.hear("order"))["topic"] == "orders:all"


@pytest.mark.parametrize("topic", ["positions:all", "orders:all", "system:all"])
async def test_only_staff_hear_all(house: House, topic: str) -> None:
    ann = await house.client("ann")
    assert (await ann.ask("error", action="subscribe", topics=[topic]))["data"]["code"] == "not_allowed"
    assert (await ann.ask("error", action="resume", topic=topic, after=0))["data"]["code"] == "not_allowed"


async def test_a_users_own_number_grows_by_one_whatever_others_do(house: House) -> None:
    ann = await house.client("ann")
    await ann.subscribe("positions")
    for number in range(1, 5):
        house.fact(EventKind.POSITION_OPENED, "bob", symbol="X")
        house.fact(EventKind.TARGET_HIT, "ann", number=number)
        assert (await ann.hear("position"))["seq"] == number


async def test_signing_in_as_somebody_else_ends_what_was_heard(house: House) -> None:
    client = await house.client("ann")
    await client.subscribe("positions")
    await client.auth("bob")
    house.fact(EventKind.POSITION_OPENED, "ann", symbol="X")
    await client.silent()


async def test_a_job_tells_its_owner_its_progress(house: House) -> None:
    ann, bob = await house.client("ann"), await house.client("bob")
    for each in (ann, bob):
        await each.subscribe("jobs:backtest-1")
    house.stream.publish("jobs:backtest-1", "backtest", {"done": 0.5}, "ann")
    house.stream.publish("jobs:backtest-1", "backtest", {"done": 1.0}, "ann")
    first, second = await ann.hear("backtest"), await ann.hear("backtest")
    assert (first["data"]["done"], second["data"]["done"]) == (0.5, 1.0)
    assert second["seq"] == first["seq"] + 1
    await bob.silent()


@pytest.mark.parametrize(
    ("topic", "user"),
    [("jobs:1", None), ("scanner", "ann"), ("signals", None), ("price:BTCUSDT", None), ("weather", None)],
)
def test_what_may_not_be_published_is_refused(house: House, topic: str, user: str | None) -> None:
    with pytest.raises(Trouble):
        house.stream.publish(topic, "x", {}, user)


async def test_open_positions_tell_their_worth_every_second(house: House) -> None:
    ann, bob = await house.client("ann"), await house.client("bob")
    for each in (ann, bob):
        await each.subscribe("positions")
    house.store["positions"].insert(open_position("acc-ann"))
    house.fact(EventKind.POSITION_OPENED, "ann", symbol="BTCUSDT")
    await ann.hear("position")
    house.price("BTCUSDT", "60500")
    house.clock.advance(1)
    house.turn()
    said = await ann.hear("position")
    while said["data"]["positions"][0]["current_price"] is None:  # told before there was a price
        said = await ann.hear("position")
    assert said["topic"] == "positions:live"
    (row,) = said["data"]["positions"]
    assert (row["current_price"], row["unrealised_pnl"]) == ("60500", "500")
    house.turn()  # the same second
    house.clock.advance(1)
    house.turn()  # nothing changed
    await ann.silent()
    await bob.silent()


async def test_a_restarted_process_and_a_lost_hub_are_told(house: House) -> None:
    run = house.folder / "executor.beat"
    beat: dict[str, Any] = {"process": "executor", "pid": 1, "state": "up", "at_ms": 0, "started_ms": 1}

    def beats(**changed: Any) -> None:
        house.clock.advance(1)
        beat.update({"at_ms": round(house.clock.now().timestamp() * 1000), **changed})
        run.write_text(json.dumps(beat), encoding="utf-8")
        house.turn()

    ann = await house.client("ann")
    await ann.subscribe("system")
    beats()
    beats()
    await ann.silent()
    beats(started_ms=2, pid=2)
    assert (await ann.hear("system"))["data"] == {"process": "executor", "state": "restarted"}
    house.board.connected = False
    beats()
    assert (await ann.hear("system"))["data"] == {"process": "prices", "state": "disconnected"}
    house.clock.advance(30)
    house.turn()
    assert (await ann.hear("system"))["data"] == {"process": "executor", "state": "silent"}


# ---- sign-in ------------------------------------------------------------------------------------------------------------


async def test_a_wrong_token_is_refused_and_the_third_closes(house: House) -> None:
    client = await house.client()
    for _ in range(3):
        assert (await client.ask("error", action="auth", token="wrong"))["data"]["code"] == "not_signed_in"
    assert await client.closed() == 1008


def _ticket(port: int, user: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer token-{user}"}
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/ws/ticket", b"", headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


async def test_a_ticket_signs_in_once(house: House) -> None:
    status, answer = await asyncio.to_thread(_ticket, house.listener.port, "ann")
    assert (status, answer["expires_in"]) == (201, 30)
    client = await house.client(ticket=answer["ticket"])
    assert (await client.hear("authenticated"))["data"]["user_id"] == "ann"
    again = await house.client(ticket=answer["ticket"])
    assert (await again.hear("error"))["data"]["code"] == "not_signed_in"


async def test_a_ticket_grows_old_and_strangers_get_none(house: House) -> None:
    assert (await asyncio.to_thread(_ticket, house.listener.port, "nobody"))[0] == 401
    _, answer = await asyncio.to_thread(_ticket, house.listener.port, "ann")
    house.clock.advance(31)
    client = await house.client(ticket=answer["ticket"])
    assert (await client.hear("error"))["data"]["code"] == "not_signed_in"


async def test_who_is_signed_out_is_sent_away(house: House) -> None:
    _, answer = await asyncio.to_thread(_ticket, house.listener.port, "bob")
    ann, bob = await house.client("ann"), await house.client(ticket=answer["ticket"])
    await bob.hear("authenticated")
    house.signed_out = {"ann", "bob"}
    house.clock.advance(31)
    house.turn()
    assert (await ann.closed(), await bob.closed()) == (1008, 1008)


async def test_a_connection_without_a_purpose_is_sent_away(house: House) -> None:
    idle, ann, listening = await house.client(), await house.client("ann"), await house.client()
    await listening.subscribe("price:BTCUSDT")
    await idle.silent()
    for _ in range(2):
        house.clock.advance(31)
        house.turn()
    assert await idle.closed() == 1008
    await ann.silent()
    await listening.silent()


# ---- nonsense -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "malformed"), ("{", "malformed"), ("[]", "malformed"), ("null", "malformed"), ('"x"', "malformed"),
        ("NaN", "malformed"), ("[" * 50_000, "malformed"), ("{}", "unknown_action"), ('{"action":"fly"}', "unknown_action"),
        ('{"action":["auth"]}', "unknown_action"), ('{"action":"auth"}', "invalid_input"),
        ('{"action":"auth","token":1}', "invalid_input"), ('{"action":"subscribe"}', "invalid_input"),
        ('{"action":"subscribe","topics":[]}', "invalid_input"), ('{"action":"subscribe","topics":"price:A"}', "invalid_input"),
        ('{"action":"subscribe","topics":[1]}', "invalid_input"), ('{"action":"subscribe","symbol":"\\u0000"}', "unknown_topic"),
        ('{"action":"subscribe","topics":["weather"]}', "unknown_topic"), ('{"action":"subscribe","topics":["jobs:"]}', "unknown_topic"),
        ('{"action":"subscribe","topics":["price:"]}', "unknown_topic"), ('{"action":"subscribe","topics":["positions@bob"]}', "unknown_topic"),
        ('{"action":"subscribe","topics":["jobs:1@bob"]}', "unknown_topic"),
        ('{"action":"subscribe","symbol":"NOSUCHCOIN"}', "unknown_symbol"),
        ('{"action":"resume","topic":"price:BTCUSDT"}', "invalid_input"), ('{"action":"resume","topic":"signals","after":-1}', "invalid_input"),
        ('{"action":"resume","topic":"signals","after":true}', "invalid_input"), ('{"action":"ping","id":{}}', "invalid_input"),
    ],
    ids=lambda value: value[:40] or "empty",
)  # fmt: skip
async def test_nonsense_is_answered_and_does_no_harm(house: House, raw: str, code: str) -> None:
    client = await house.client("ann")
    await client.connection.send(raw)
    assert (await client.hear("error"))["data"]["code"] == code
    await client.silent()


async def test_sixty_four_topics_and_no_more(house: House) -> None:
    client = await house.client()
    await client.subscribe(*(f"price:COIN{number}" for number in range(64)))
    assert (await client.ask("error", action="subscribe", symbol="BTCUSDT"))["data"]["code"] == "too_many_topics"
    answer = await client.ask("error", action="resume", topic="price:BTCUSDT", after=1)
    assert answer["data"]["code"] == "too_many_topics"
    await client.ask("unsubscribed", action="unsubscribe", symbol="COIN7")
    await client.subscribe("price:BTCUSDT")
