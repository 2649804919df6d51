"""Requests to addresses that users named: none of them reaches anything inside, however the name is written or resolved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from modules.connections.safe_http import SafeHttp, system_addresses
from modules.domain.errors import InvalidInput, Unavailable
from modules.notices.webhook_rules import OutboundRules
from tests.fakes.web_receiver import Receiver, certificate


class Names:
    """A resolver that gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = await Receiver().start()
    yield made
    await made.stop()


@asynccontextmanager
async def _client(
    port: int, names: Callable[..., Any], *, private: bool = False, **more: Any
) -> AsyncIterator[SafeHttp]:
    rules = OutboundRules(allow_http=True, allow_private=private, ports=frozenset({80, 443, port}))
    client = SafeHttp(rules, resolve=names, **more)
    try:
        yield client
    finally:
        await client.close()


async def test_a_permitted_address_gets_the_request_under_its_own_name(receiver: Receiver) -> None:
    names = Names(["127.0.0.1"])
    async with _client(receiver.port, names, private=True) as client:
        reply = await client.post(f"http://hooks.test:{receiver.port}/a/b?c=%20d", b"body", {"X-One": "1"})
    assert (reply.status, reply.excerpt) == (200, "thanks")
    (request,) = receiver.requests
    assert request.line == "POST /a/b?c=%20d HTTP/1.1"
    assert request.headers["host"] == f"hooks.test:{receiver.port}"
    assert (request.headers["x-one"], request.body) == ("1", b"body")
    assert names.asked == ["hooks.test"]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.1.2.3"], ["192.168.0.1"], ["172.16.0.1"], ["169.254.169.254"], ["100.64.0.1"], ["0.0.0.0"],
        ["224.0.0.1"], ["255.255.255.255"], ["::1"], ["::"], ["fe80::1"], ["fe80::1%1"], ["fc00::1"], ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"], ["::ffff:10.0.0.1"], ["2002:7f00:1::"], ["64:ff9b::7f00:1"], ["2001:0:7f00:1::1"], ["ff02::1"],
        ["168.63.129.16"], ["93.184.215.14", "127.0.0.1"], ["nonsense"],
    ],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_refused_before_any_connection(
    receiver: Receiver, addresses: list[str]
) -> None:
    async with _client(receiver.port, Names(addresses)) as client:
        with pytest.raises(InvalidInput) as refused:
            await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
    assert refused.value.code == "forbidden_url"
    assert receiver.connections == 0


async def test_a_resolver_that_lies_the_second_time_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when it is checked, loopback a moment later: it is asked once, and the number it gave is connected to."""
    connected: list[Any] = []

    async def connect(_self: Any, host: str, port: int, **_options: Any) -> Any:
        connected.append((host, port))
        raise OSError("no network in tests")

    monkeypatch.setattr(anyio, "connect_tcp", lambda **named: connect(None, named["remote_host"], named["remote_port"]))
    names = Names(["93.184.215.14"], ["127.0.0.1"])
    async with _client(443, names) as client:
        with pytest.raises(Unavailable):
            await client.post("https://hooks.test/", b"", {})
    assert connected == [("93.184.215.14", 443)]
    assert names.asked == ["hooks.test"]


async def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [(302, "Location: http://169.254.169.254/latest/meta-data\r\n", b"")]
    async with _client(receiver.port, Names(["127.0.0.1"]), private=True) as client:
        reply = await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
    assert reply.status == 302
    assert len(receiver.requests) == 1


async def test_an_endless_answer_is_cut(receiver: Receiver) -> None:
    receiver.answers = [(500, "", "ä".encode() * 200_000)]
    async with _client(receiver.port, Names(["127.0.0.1"]), private=True) as client:
        reply = await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
    assert (reply.status, reply.excerpt) == (500, "ä" * 500)


async def test_silence_ends_with_the_timeout(receiver: Receiver) -> None:
    receiver.answers = [None]
    async with _client(receiver.port, Names(["127.0.0.1"]), private=True, timeout_seconds=0.05) as client:
        with pytest.raises(Unavailable) as silence:
            await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
    assert silence.value.code == "timeout"


async def test_a_resolver_that_hangs_ends_with_the_timeout() -> None:
    async def hang(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async with _client(443, hang, timeout_seconds=0.05) as client:
        with pytest.raises(Unavailable):
            await client.post("https://hooks.test/", b"", {})


async def test_a_dead_address_is_passed_over_for_the_next(receiver: Receiver) -> None:
    async with _client(receiver.port, Names(["127.0.0.3", "127.0.0.1"]), private=True) as client:
        reply = await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
    assert reply.status == 200


async def test_tls_is_checked_against_the_name_and_not_the_number(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "hooks.test")
    receiver = await Receiver().start(server)
    try:
        async with _client(receiver.port, Names(["127.0.0.1"]), private=True, verify=trusting) as client:
            assert (await client.post(f"https://hooks.test:{receiver.port}/", b"x", {})).status == 200
            with pytest.raises(Unavailable, match="certificate"):
                await client.post(f"https://other.test:{receiver.port}/", b"x", {})
        assert receiver.names[0] == "hooks.test"
        assert len(receiver.requests) == 1
    finally:
        await receiver.stop()


async def test_an_untrusted_certificate_gets_nothing(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, "hooks.test")
    receiver = await Receiver().start(server)
    try:
        async with _client(receiver.port, Names(["127.0.0.1"]), private=True) as client:
            with pytest.raises(Unavailable, match="certificate"):
                await client.post(f"https://hooks.test:{receiver.port}/", b"x", {})
        assert receiver.requests == []
    finally:
        await receiver.stop()


async def test_the_environment_s_proxy_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = await Receiver().start()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
    try:
        async with _client(receiver.port, Names(["127.0.0.1"]), private=True) as client:
            await client.post(f"http://hooks.test:{receiver.port}/", b"", {})
        assert (len(receiver.requests), proxy.connections) == (1, 0)
    finally:
        await proxy.stop()


async def test_the_machine_s_resolver_is_asked_for_numbers() -> None:
    assert await system_addresses("127.0.0.1", 80) == ["127.0.0.1"]
    assert "127.0.0.1" in await system_addresses("2130706433", 80)  # a number written otherwise is still that address
