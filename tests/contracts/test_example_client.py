"""The example client against the real application on a port: what it repeats, what it never repeats, and how it comes back."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.contracts.real_port import EMAIL, PASSWORD, RealPort
from tests.flows.world import ENTRY

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def load(name: str) -> ModuleType:
    """A program of docs/examples as a module."""
    found = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


example = load("client")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[RealPort]:
    made = RealPort(tmp_path)
    made.world.price("BTCUSDT", "60000")
    yield made
    made.close()


@pytest.fixture
def ann(port: RealPort) -> Iterator[Any]:
    with example.Client(port.address, sleep=lambda _seconds: None) as client:
        client.sign_in(EMAIL, PASSWORD)
        yield client


def test_it_signs_in_asks_and_signs_out(port: RealPort, ann: Any) -> None:
    assert ann.get("/api/auth/me")["user"]["id"] == port.user_id
    ann.sign_out()
    with pytest.raises(example.ApiError) as refused:
        ann.get("/api/auth/me")
    assert (refused.value.status, refused.value.code) == (401, "not_signed_in")
    with pytest.raises(example.ApiError) as wrong:
        ann.sign_in(EMAIL, "another")
    assert wrong.value.status == 401


def test_an_access_token_that_ran_out_is_renewed_unseen(port: RealPort, ann: Any) -> None:
    port.world.clock.advance(3600)
    assert ann.get("/api/auth/me")["user"]["id"] == port.user_id
    port.world.clock.advance(3600)
    assert ann.patch("/api/users/me", {"name": "Anna"})["user"]["name"] == "Anna"


def test_a_problem_says_which_field_is_wrong(ann: Any) -> None:
    with pytest.raises(example.ApiError) as refused:
        ann.post("/api/hooks", {"url": "http://10.0.0.1/", "events": ["*"]})
    assert (refused.value.status, refused.value.code) == (422, "forbidden_url")
    assert "url" in refused.value.fields


def test_trading_by_the_client(port: RealPort, ann: Any) -> None:
    opened = ann.open_position("BTCUSDT", "LONG", quantity="0.01", stop_loss="59000")
    (position,) = ann.pages("/api/positions", "positions")
    assert position["id"] == opened["position_id"]
    ann.close_position(position["id"])
    assert list(ann.pages("/api/positions", "positions")) == []
    with pytest.raises(example.ApiError):
        ann.close_position(position["id"])


def test_pages_follow_one_another(port: RealPort, ann: Any) -> None:
    with example.Client(port.address, api_key=None) as boss:
        boss._access_token = port.operator_token
        for number in range(5):
            text = ENTRY.replace("60000", str(60_001 + number))
            assert boss.hand_in("channel", str(number), text)["accepted"]
            assert boss.hand_in("channel", str(number), text)["duplicate"]
    rows = list(ann.pages("/api/signals", "signals", limit=2, source="channel"))
    assert [row["message_id"] for row in rows] == ["4", "3", "2", "1", "0"]


def test_an_api_key_is_enough(port: RealPort, ann: Any) -> None:
    made = ann.post("/api/keys", {"name": "reader", "scopes": ["signals.read"]})
    with example.Client(port.address, api_key=made["key"]) as reader:
        assert reader.get("/api/signals")["signals"] == []
        with pytest.raises(example.ApiError) as refused:
            reader.get("/api/positions")
    assert refused.value.status == 403


class Unsteady(httpx.BaseTransport):
    """A way to the server that fails as told before it works: a status, or None for a broken connection after sending."""

    def __init__(self, *failures: int | None) -> None:
        self.failures = list(failures)
        self.sent: list[httpx.Request] = []
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if not self.failures:
            return self._real.handle_request(request)
        failure = self.failures.pop(0)
        if failure is None:
            answer = self._real.handle_request(request)  # it arrived; only the answer is lost
            answer.read()
            answer.close()
            raise httpx.ReadError("the connection broke", request=request)
        error = {"success": False, "error": {"code": "busy", "message": "Later."}}
        return httpx.Response(failure, json=error, headers={"Retry-After": "7"})

    def close(self) -> None:
        self._real.close()


def _over(client: Any, transport: Unsteady, slept: list[float]) -> None:
    client._http.close()
    client._http = httpx.Client(base_url=client._address, transport=transport)
    client._sleep = slept.append


def test_reading_is_repeated_and_the_servers_hint_kept(ann: Any) -> None:
    slept: list[float] = []
    way = Unsteady(429, None, 503)
    _over(ann, way, slept)
    assert ann.get("/api/positions")["positions"] == []
    assert len(way.sent) == 4
    assert (slept[0], slept[2]) == (7.0, 7.0)
    assert 0 < slept[1] <= 1.0


def test_a_reader_gives_up_after_a_few_tries(ann: Any) -> None:
    way = Unsteady(*[503] * 10)
    _over(ann, way, [])
    with pytest.raises(example.ApiError) as refused:
        ann.get("/api/positions")
    assert (refused.value.status, len(way.sent)) == (503, 4)


def test_a_trade_whose_answer_was_lost_is_asked_for_again_and_done_once(port: RealPort, ann: Any) -> None:
    way = Unsteady(None, None)
    _over(ann, way, [])
    ann.open_position("BTCUSDT", "LONG", quantity="0.01", stop_loss="59000")
    assert len(way.sent) == 3
    assert len({each.headers["Idempotency-Key"] for each in way.sent}) == 1
    assert len(list(ann.pages("/api/positions", "positions"))) == 1
    assert len(port.world.store["plans"].all()) == 1


@pytest.mark.parametrize("failure", [503, None])
def test_what_is_not_safe_is_never_repeated(ann: Any, failure: int | None) -> None:
    way = Unsteady(failure)
    _over(ann, way, [])
    with pytest.raises((example.ApiError, httpx.TransportError)):
        ann.post("/api/hooks", {"url": "https://example.com/", "events": ["*"]})
    assert len(way.sent) == 1


async def _next(messages: AsyncIterator[Any], kind: str) -> Any:
    async with asyncio.timeout(20):
        async for message in messages:
            if message.type in (kind, "reset"):
                return message
    raise AssertionError("the stream ended")


async def test_the_stream_is_followed_over_a_break_without_a_gap(
    port: RealPort, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "_pause", lambda _attempt: 0.01)
    messages = ann.stream(["signals"])
    hearing = asyncio.create_task(_next(messages, "signal"))
    async with asyncio.timeout(20):
        while not port.stream.hub.sessions or not any(each._topics for each in port.stream.hub.sessions):
            await asyncio.sleep(0.01)
    await asyncio.to_thread(port.world.say, ENTRY)
    first = await hearing
    assert (first.topic, first.data["event"], first.seq) == ("signals", "SignalReceived", 1)
    port.break_connections()
    for number in range(3):  # said while nobody listens, or just after: heard all the same
        await asyncio.to_thread(port.world.say, ENTRY.replace("60000", str(60_010 + number)), str(number + 2))
    assert [(await _next(messages, "signal")).seq for _ in range(3)] == [2, 3, 4]
    await messages.aclose()


async def test_a_stream_that_is_refused_says_why(port: RealPort) -> None:
    with example.Client(port.address) as nobody, pytest.raises(example.ApiError) as refused:
        await _next(nobody.stream(["positions"]), "position")
    assert refused.value.code == "not_signed_in"
