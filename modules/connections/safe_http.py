"""Requests to addresses that users named: only to public hosts, never anywhere inside.

A name is resolved once, every address it has is checked, and the connection is made to a checked address under the name's own
Host and TLS name: a name that resolves differently a moment later (rebinding) gains nothing. No redirect is followed, no
proxy of the environment used, and only the first bytes of an answer are read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlunsplit

import httpx

from modules.domain.errors import InvalidInput, Unavailable
from modules.notices.webhook_rules import OutboundRules, Target, is_public, target_of
from modules.runtime.settings import Settings

Resolve = Callable[[str, int], Awaitable[list[str]]]
TIMEOUT_SECONDS = 10.0
_ADDRESSES = 3
_EXCERPT_BYTES = 2_000
_EXCERPT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, how long it took, and the first 500 characters of the answer."""

    status: int
    milliseconds: int
    excerpt: str
    headers: Mapping[str, str]


def outbound_rules(settings: Settings) -> OutboundRules:
    """Where this installation may send what users asked for."""
    return OutboundRules(
        allow_http=settings.allow_http_webhooks,
        allow_private=settings.allow_private_webhooks,
        ports=frozenset(settings.webhook_ports),
    )


async def system_addresses(host: str, port: int) -> list[str]:
    """The addresses that the machine's resolver gives a name. Raises Unavailable when it gives none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"the name {host} is not known") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class SafeHttp:
    """A client for addresses that users named. `resolve` gives a name's addresses; `verify` is how TLS is checked."""

    def __init__(
        self,
        rules: OutboundRules,
        *,
        resolve: Resolve = system_addresses,
        timeout_seconds: float = TIMEOUT_SECONDS,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._timeout = timeout_seconds
        self._client = httpx.AsyncClient(
            verify=verify or ssl.create_default_context(),
            follow_redirects=False,
            trust_env=False,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Sends `body` there, whatever the status of the answer.

        Raises InvalidInput (`forbidden_url`) where nothing may be sent, Unavailable where nobody answered in time.
        """
        target = target_of(url, self._rules)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._checked_addresses(target)
                status, answered, start = await self._first_of(target, addresses, body, headers)
        except TimeoutError as error:
            raise Unavailable(f"no answer within {self._timeout:g} seconds", code="timeout") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{type(error).__name__}: {error}"[:300], code="unreachable") from error
        excerpt = start.decode("utf-8", "replace").replace("\x00", "")[:_EXCERPT_CHARACTERS]
        return Reply(status, round((time.monotonic() - began) * 1000), excerpt, answered)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()

    async def _checked_addresses(self, target: Target) -> list[str]:
        """Where to connect to. One forbidden address among several forbids the name."""
        found = await self._resolve(target.host, target.port)
        if not found:
            raise Unavailable(f"the name {target.host} has no address")
        if not self._rules.allow_private and not all(is_public(each) for each in found):
            why = "leads to an address that is not public"
            raise InvalidInput(f"The address {why}.", code="forbidden_url", fields={"url": why})
        return found[:_ADDRESSES]

    async def _first_of(
        self, target: Target, addresses: list[str], body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The answer of the first address that lets us connect; nothing was sent to one that does not."""
        for address in addresses[:-1]:
            try:
                return await self._exchange(target, address, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._exchange(target, addresses[-1], body, headers)

    async def _exchange(
        self, target: Target, address: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        host = f"[{address}]" if ":" in address else address
        request = self._client.build_request(
            "POST",
            urlunsplit((target.scheme, f"{host}:{target.port}", *target.path.partition("?")[::2], "")),
            content=body,
            headers={"Accept-Encoding": "identity", **headers, "Host": target.authority},
            extensions={"sni_hostname": target.host.rstrip(".")},
        )
        response = await self._client.send(request, stream=True)
        try:
            start = b""
            async for chunk in response.aiter_raw():
                start += chunk
                if len(start) >= _EXCERPT_BYTES:
                    break
        finally:
            await response.aclose()
        return response.status_code, response.headers, start[:_EXCERPT_BYTES]
