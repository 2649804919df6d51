"""A Bot API server on loopback: strict where Telegram is strict, and able to fail on request.

It keeps chats, messages and updates in memory, records every call, answers long polls, posts webhooks with their
secret, and can be told to limit, block, refuse, stall or hang up. It runs in a thread of its own, so that tests with
or without a loop can use it: `with BotApi() as api: ... api.base_url`.

By hand: `python -m tests.fakes.bot_api --port 8081 --state calls.json`; then POST a JSON body to `/control/update`
(an update), `/control/say`, `/control/post` or `/control/fault` (the arguments of `say`, `channel_post`, `fail`), and
GET `/control/state`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import web

from tests.fakes.bot_api_methods import ApiError, BotApiMethods, Call, Webhook, chat_key

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@dataclass
class Fault:
    """What goes wrong, for which method and chat, and how many times (None = always)."""

    method: str | None = None
    chat_id: int | str | None = None
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    migrate_to: int | None = None
    hang_up: str | None = None  # "before" or "after" the request was carried out
    delay: float = 0.0
    raw: str | None = None  # a body that is not JSON, as a gateway in between would send
    times: int | None = 1

    def meets(self, call: Call) -> bool:
        return (
            self.times != 0
            and self.method in (None, call.method)
            and self.chat_id in (None, call.chat_id, call.params.get("chat_id"))
        )

    def used(self) -> None:
        if self.times is not None:
            self.times -= 1


class BotApi(BotApiMethods):
    """The server. Everything public may be called from any thread."""

    def __init__(self, token: str = TOKEN, port: int = 0, state: Path | None = None) -> None:
        self.token = token
        self.port = port
        self.calls: list[Call] = []
        self.chats: dict[int | str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.names: dict[str, int] = {}
        self.members: dict[tuple[int | str, int], str] = {}
        self.webhook = Webhook()
        self.commands: list[dict[str, str]] = []
        self.limit: tuple[int, float] | None = None  # messages per seconds over all chats, answered with 429 beyond
        self._state = state
        self._faults: list[Fault] = []
        self._updates: list[dict[str, Any]] = []
        self._update_id = 1000
        self._poll_number = 0
        self._ready = threading.Event()
        self._lock = threading.RLock()

    # ---- life

    def __enter__(self) -> BotApi:
        self._thread = threading.Thread(target=self._serve, name="bot-api", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the Bot API double did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._news = asyncio.Condition()
        self._post = asyncio.Event()
        app = web.Application(client_max_size=60 * 2**20)
        app.router.add_route("*", "/bot{token}/{method}", self._api)
        app.router.add_route("*", "/control/{verb}", self._control)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        poster = asyncio.create_task(self._post_webhooks())
        self._ready.set()
        await self._closing.wait()
        poster.cancel()
        async with self._news:
            self._news.notify_all()
        await asyncio.gather(poster, return_exceptions=True)
        await runner.cleanup()

    # ---- what tests say and ask

    def fail(self, method: str | None = None, chat_id: int | str | None = None, **what: Any) -> Fault:
        """Script a fault; see `Fault` for the words."""
        fault = Fault(method, chat_id, **what)
        with self._lock:
            self._faults.append(fault)
        return fault

    def limited(self, chat_id: int | str | None, seconds: int, times: int | None = 1) -> Fault:
        text = f"Too Many Requests: retry after {seconds}"
        return self.fail(None, chat_id, status=429, description=text, retry_after=seconds, times=times)

    def blocked_by(self, chat_id: int) -> Fault:
        text = "Forbidden: bot was blocked by the user"
        return self.fail(None, chat_id, status=403, description=text, times=None)

    def called(self, method: str) -> list[Call]:
        with self._lock:
            return [call for call in self.calls if call.method == method]

    def accepted(self, *methods: str) -> list[Call]:
        """Calls that were carried out."""
        wanted = methods or ("sendMessage", "sendPhoto")
        with self._lock:
            return [call for call in self.calls if call.method in wanted and call.status == 200]

    def messages(self, chat_id: int | str) -> list[dict[str, Any]]:
        """The chat as a member sees it now."""
        with self._lock:
            return [dict(message) for _, message in sorted(self.chats[chat_key(chat_id)].items())]

    def inject(self, update: dict[str, Any]) -> int:
        """Make an update happen; its id is returned."""
        with self._lock:
            self._update_id += 1
            self._updates.append({"update_id": self._update_id, **update})
            number = self._update_id
        self._loop.call_soon_threadsafe(self._wake)
        return number

    def say(self, text: str, chat_id: int = 501, user_id: int = 501, **more: Any) -> dict[str, Any]:
        """A person writes to the bot, or in a group when `chat_id` is negative."""
        chat: dict[str, Any] = {"id": chat_id, "type": "private", "first_name": "Ada"}
        if chat_id < 0:
            chat = {"id": chat_id, "type": "supergroup", "title": "Traders"}
        person = {"id": user_id, "is_bot": False, "first_name": "Ada", "username": "ada"}
        message = self._store(chat, text=text, **{"from": person}, **more)
        self.inject({"message": message})
        return message

    def channel_post(self, text: str, chat_id: int = -1001, **more: Any) -> dict[str, Any]:
        message = self._store({"id": chat_id, "type": "channel", "title": "Calls"}, text=text, **more)
        self.inject({"channel_post": message})
        return message

    def edit_post(self, message: dict[str, Any], text: str, kind: str = "edited_channel_post") -> None:
        message = {**message, "text": text, "edit_date": int(time.time())}
        self.inject({kind: message})

    def press(self, data: str, message: dict[str, Any], user_id: int = 501) -> str:
        number = f"press-{self._update_id}"
        person = {"id": user_id, "is_bot": False, "first_name": "Ada", "username": "ada"}
        query = {"id": number, "from": person, "chat_instance": "1", "data": data, "message": message}
        self.inject({"callback_query": query})
        return number

    @property
    def pending(self) -> list[int]:
        """Ids of updates nobody has confirmed."""
        with self._lock:
            return [update["update_id"] for update in self._updates]

    def _wake(self) -> None:
        self._post.set()
        self._loop.create_task(self._tell_pollers())

    async def _tell_pollers(self) -> None:
        async with self._news:
            self._news.notify_all()

    # ---- the server's side

    async def _control(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        if verb == "state":
            return web.json_response(self.snapshot())
        body = await request.json()
        actions: dict[str, Callable[[], object]] = {
            "update": lambda: self.inject(body),
            "fault": lambda: self.fail(**body),
            "say": lambda: self.say(**body),
            "post": lambda: self.channel_post(**body),
        }
        if verb not in actions:
            return web.json_response({"ok": False}, status=404)
        actions[verb]()
        return web.json_response({"ok": True})

    def snapshot(self) -> dict[str, Any]:
        """Everything recorded, as JSON."""
        with self._lock:
            calls = [
                {"method": c.method, "params": c.params, "files": sorted(c.files), "status": c.status}
                for c in self.calls
                if c.method != "getUpdates"
            ]
            chats = {str(chat): list(messages.values()) for chat, messages in self.chats.items()}
            return {"calls": calls, "chats": chats, "webhook": self.webhook.url, "pending": self.pending}

    async def _api(self, request: web.Request) -> web.StreamResponse:
        params, files = await _decoded(request)
        call = Call(request.match_info["method"], params, files, time.monotonic())
        with self._lock:
            self.calls.append(call)
            fault = next((fault for fault in self._faults if fault.meets(call)), None)
            if fault:
                fault.used()
        try:
            if request.match_info["token"] != self.token:
                raise ApiError(401, "Unauthorized")
            if fault:
                await self._misbehave(request, fault)
            call.result = await self._answer(call)
            call.status = 200
            body: dict[str, Any] = {"ok": True, "result": call.result}
        except ApiError as error:
            call.status, body = error.status, error.body
        self._save()
        if fault and fault.hang_up == "after":
            _hang_up(request)
        if fault and fault.raw is not None:
            call.status = fault.status
            return web.Response(text=fault.raw, status=fault.status)
        return web.json_response(body, status=call.status)

    async def _misbehave(self, request: web.Request, fault: Fault) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hang_up == "before":
            _hang_up(request)
        if fault.hang_up or fault.delay:
            return
        parameters = {}
        if fault.retry_after is not None:
            parameters["retry_after"] = fault.retry_after
        if fault.migrate_to is not None:
            parameters["migrate_to_chat_id"] = fault.migrate_to
        raise ApiError(fault.status, fault.description, parameters)

    def _save(self) -> None:
        if self._state:
            half = self._state.with_name(self._state.name + ".half")
            half.write_text(json.dumps(self.snapshot(), indent=1, default=str), encoding="utf-8")
            half.replace(self._state)

    async def _answer(self, call: Call) -> Any:
        if call.method == "getUpdates":
            return await self._get_updates(call)
        handler = getattr(self, f"_on_{call.method.lower()}", None)
        if handler is None:
            raise ApiError(404, "Not Found: method not found")
        with self._lock:
            return handler(call)

    async def _get_updates(self, call: Call) -> list[dict[str, Any]]:
        if self.webhook.url:
            raise ApiError(409, "Conflict: can't use getUpdates method while webhook is active")
        self._poll_number += 1
        mine = self._poll_number
        with self._lock:
            offset = int(call.params.get("offset", 0))
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
        await self._tell_pollers()
        deadline = self._loop.time() + float(call.params.get("timeout", 0))
        while not self._updates and not self._closing.is_set():
            if mine != self._poll_number:
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
            remaining = deadline - self._loop.time()
            if remaining <= 0:
                break
            async with self._news:
                try:
                    await asyncio.wait_for(self._news.wait(), remaining)
                except TimeoutError:
                    break
        with self._lock:
            return list(self._updates)

    async def _post_webhooks(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                await self._post.wait()
                self._post.clear()
                while self.webhook.url and self._updates:
                    if await self._delivered(session, self._updates[0]):
                        with self._lock:
                            self._updates.pop(0)
                    else:
                        await asyncio.sleep(0.05)

    async def _delivered(self, session: aiohttp.ClientSession, update: dict[str, Any]) -> bool:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.secret} if self.webhook.secret else {}
        try:
            async with session.post(self.webhook.url, json=update, headers=headers) as reply:
                self.webhook.replies.append(reply.status)
                if reply.status != 200:
                    self.webhook.last_error = f"Wrong response from the webhook: {reply.status}"
                return reply.status == 200
        except aiohttp.ClientError as error:
            self.webhook.last_error = str(error)
            return False


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


async def _decoded(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    params: dict[str, Any] = dict(request.query)
    files: dict[str, bytes] = {}
    if request.content_type == "application/json":
        params |= await request.json()
        return params, files
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = value.file.read()
        elif isinstance(value, str) and value[:1] in "[{" and name not in ("text", "caption"):
            params[name] = json.loads(value)
        else:
            params[name] = value
    return params, files


async def eventually(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Poll the state of a server in another thread until it is as expected."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A Bot API server for hand tests")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    with BotApi(options.token, options.port, options.state) as api:
        print(f"TELEGRAM_BOT_API={api.base_url} TELEGRAM_BOT_TOKEN={api.token}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped", flush=True)


if __name__ == "__main__":
    main()
