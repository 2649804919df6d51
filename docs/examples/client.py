"""A small client for the API: signs in, keeps itself signed in, repeats only what is safe to repeat, and follows the stream.

    with Client("https://verzek.example", api_key="vzk_k_…") as api:
        for position in api.pages("/api/positions", "positions", status="open"):
            print(position["symbol"], position["quantity"])

Needs httpx, and websockets for the stream.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

Json = dict[str, Any]

TRIES = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0
#: Topics whose messages are the present state: there is nothing to be made up for.
_STATES = frozenset({"positions:live", "system:processes"})
_SAFE = frozenset({"GET", "HEAD"})
_WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})


class ApiError(Exception):
    """A no: `status` and `code` are for programs, the message is for people, `fields` says what was wrong where."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = dict(fields or {})


@dataclass(frozen=True)
class StreamMessage:
    """One message of the stream. `type` is `reset` where something was missed: read the present state over HTTP then."""

    type: str
    topic: str
    seq: int
    data: Json


class Client:
    """One user's connection to the API. Not for use by several threads at once.

    Give an `api_key`, or call `sign_in`. `sleep` waits between tries.
    """

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 15.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = address.rstrip("/")
        self._http = httpx.Client(base_url=self._address, timeout=timeout_seconds)
        self._api_key = api_key
        self._access_token: str | None = None
        self._refresh_token: str | None = None
        self._sleep = sleep

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; the sign-in stays as it is."""
        self._http.close()

    # ---- who asks -------------------------------------------------------------------------------------------------

    def sign_in(self, email: str, password: str, totp: str | None = None) -> None:
        """Signs in. Raises ApiError with code `totp_required` where a code of the authenticator is needed."""
        body = {"email": email, "password": password, **({"totp": totp} if totp else {})}
        self._take_tokens(self._answer(self._http.post("/api/auth/login", json=body)))

    def sign_out(self) -> None:
        """Ends this sign-in, here and at the server."""
        if self._refresh_token is not None:
            self._answer(self._http.post("/api/auth/logout", json={"refresh_token": self._refresh_token}))
        self._access_token = self._refresh_token = None

    # ---- requests -------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Json:
        """Reads something; repeated where the server or the way there is busy."""
        return self._request("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Json:
        """Does something. With a `key` (see `new_key`) the server does it once, however often it is asked; so it is repeated.

        Paths that trade take a key; others are asked once only.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return self._request("POST", path, json=dict(body or {}), headers=headers)

    def put(self, path: str, body: Mapping[str, Any]) -> Json:
        """Replaces something."""
        return self._request("PUT", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """Changes something."""
        return self._request("PATCH", path, json=dict(body))

    def delete(self, path: str) -> Json:
        """Removes something."""
        return self._request("DELETE", path)

    def pages(self, path: str, name: str, **query: Any) -> Iterator[Json]:
        """Every row of a list, page after page; `name` is the list's name in the answer."""
        cursor: str | None = None
        while True:
            page = self.get(path, **query, cursor=cursor)
            yield from page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    # ---- trading --------------------------------------------------------------------------------------------------

    def hand_in(self, source: str, message_id: str, text: str) -> Json:
        """Hands in one message of a source. The ids make repeating it harmless."""
        return self.post("/api/signals/inbox", {"source": source, "message_id": message_id, "text": text})

    def open_position(self, symbol: str, side: str, **terms: Any) -> Json:
        """Opens a trade; what it answers is a plan, or raises ApiError with the limit that forbids it."""
        return self.post("/api/positions", {"symbol": symbol, "side": side, **terms}, key=new_key())

    def close_position(self, position_id: str, **part: Any) -> Json:
        """Closes a position at the market, or a `percent` of it."""
        return self.post(f"/api/positions/{position_id}/close", part, key=new_key())

    # ---- the stream -----------------------------------------------------------------------------------------------

    async def stream(self, topics: Iterable[str]) -> AsyncIterator[StreamMessage]:
        """Messages of these topics for ever: reconnects by itself and hears what it missed."""
        from websockets.exceptions import ConnectionClosed, InvalidHandshake

        following = _Following(tuple(topics))
        failures = 0
        while True:
            try:
                async for message in self._listen(following):
                    failures = 0
                    yield message
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError, httpx.TransportError):
                failures += 1
                await asyncio.sleep(_pause(failures))

    async def _listen(self, following: _Following) -> AsyncIterator[StreamMessage]:
        """One connection: signs in, asks for what was missed, then hears."""
        from websockets.asyncio.client import connect

        address = self._address.replace("http", "ws", 1) + "/api/ws"
        async with connect(address) as connection:
            token = await asyncio.to_thread(self._stream_token, following.connected)
            following.connected = True
            if token is not None:
                await connection.send(json.dumps({"action": "auth", "token": token}))
            for asked in following.questions():
                await connection.send(json.dumps(asked))
            async for text in connection:
                message = following.take(json.loads(text))
                if message is not None:
                    yield message

    def _stream_token(self, again: bool) -> str | None:
        """The token to sign in with. Before coming back it is renewed: an old one may be why the connection ended."""
        if again and self._refresh_token is not None:
            self._refresh()
        return self._api_key or self._access_token

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _request(self, method: str, path: str, **options: Any) -> Json:
        repeatable = method in _SAFE or "Idempotency-Key" in options.get("headers", {})
        renewed = False
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES or not repeatable
            try:
                response = self._http.request(method, path, **self._with_proof(options))
            except httpx.TransportError:
                if last:
                    raise
                self._sleep(_pause(attempt))
                continue
            if response.status_code == 401 and self._refresh_token is not None and not renewed:
                renewed = True
                self._refresh()
                response = self._http.request(method, path, **self._with_proof(options))
            if response.status_code not in _WORTH_ANOTHER_TRY or last:
                return self._answer(response)
            self._sleep(_wait_told(response) or _pause(attempt))
        raise AssertionError("the last try returns or raises")

    def _with_proof(self, options: Json) -> Json:
        proof = {}
        if self._api_key is not None:
            proof = {"X-API-Key": self._api_key}
        elif self._access_token is not None:
            proof = {"Authorization": f"Bearer {self._access_token}"}
        return {**options, "headers": {**options.get("headers", {}), **proof}}

    def _refresh(self) -> None:
        """The next pair of tokens. A refresh token is good once, so this is never repeated."""
        body = {"refresh_token": self._refresh_token}
        self._take_tokens(self._answer(self._http.post("/api/auth/refresh", json=body)))

    def _take_tokens(self, answer: Json) -> None:
        self._access_token = str(answer["access_token"])
        self._refresh_token = str(answer["refresh_token"])

    @staticmethod
    def _answer(response: httpx.Response) -> Json:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ApiError(response.status_code, "no_json", "The answer is not JSON; is the address right?")
        if body.get("success"):
            return body
        error = body.get("error", {})
        raise ApiError(response.status_code, error.get("code", ""), error.get("message", ""), error.get("fields"))


@dataclass
class _Following:
    """What of each topic was heard last, over all connections."""

    topics: tuple[str, ...]
    connected: bool = False
    last: dict[str, int] = field(default_factory=dict)

    def questions(self) -> list[Json]:
        """What a new connection asks: the missed first, then everything that comes."""
        resumed = [{"action": "resume", "topic": topic, "after": seq} for topic, seq in self.last.items()]
        return [*resumed, {"action": "subscribe", "topics": list(self.topics)}]

    def take(self, said: Json) -> StreamMessage | None:
        """The message in what was said; None for the stream's own answers. Raises ApiError for a no."""
        data: Json = said.get("data", {})
        if said["type"] == "error":
            raise ApiError(0, str(data.get("code", "")), str(data.get("message", "")))
        if "topic" not in said:
            for topic, seq in data.get("seq", {}).items():
                if not topic.startswith("price:") and topic not in _STATES:
                    self.last.setdefault(topic, int(seq))
            return None
        if said["type"] == "resumed":
            return None
        message = StreamMessage(said["type"], said["topic"], int(said["seq"]), data)
        if message.topic in self.last:
            self.last[message.topic] = message.seq
        return message


def new_key() -> str:
    """A key for one deed; keep it to ask again for the same deed."""
    return str(uuid.uuid4())


def _pause(attempt: int) -> float:
    """Longer each time, and never the same for two clients."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311


def _wait_told(response: httpx.Response) -> float | None:
    """How long the server asks to wait."""
    said = response.headers.get("retry-after", "")
    return min(float(said), LONGEST_WAIT_SECONDS) if said.isdigit() else None
