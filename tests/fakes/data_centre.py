"""A Telegram data centre on loopback, as far as a client that reads channels can tell.

It holds channels with their posts, answers the requests that Telethon makes, pushes posts, edits and deletions, and
can be told to flood, fail, fall silent, hang up, forget the key or declare it used twice. Everything it was asked is
kept in `requests`, so that a test can prove what a client never does.

By hand: `python -m tests.fakes.data_centre --port 4430` prints a session string and then takes lines of JSON on its
standard input: {"post": "text"}, {"edit": [id, "text"]}, {"delete": [id]}, {"flood": ["GetHistory", 5]}, {"drop": 1},
each with an optional "channel" (a name).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import signature
from typing import Any

from telethon.crypto import AuthKey
from telethon.sessions import StringSession
from telethon.tl import TLObject, TLRequest, functions, types

from tests.fakes.mtproto import SALT, Line

KEY_BYTES = 256
SELF = types.User(id=4242, is_self=True, access_hash=99, first_name="Reader", username="reader")
SOMEBODY = types.User(id=7007, access_hash=77, first_name="Ada", username="ada")
_SETTINGS = types.PeerNotifySettings()
# The many limits in Telegram's configuration; no reader cares about their values.
_CONFIG_NUMBERS = [
    name for name, each in signature(types.Config).parameters.items() if each.annotation is int and name != "this_dc"
]
_SILENT = (types.MsgsAck, functions.InvokeWithoutUpdatesRequest)


@dataclass
class Channel:
    """A channel, or a group when `megagroup`. `marked_id` is how the Bot API and Telethon's events write its id."""

    id: int
    title: str
    username: str | None = None
    megagroup: bool = False
    access_hash: int = 31337
    pts: int = 1
    messages: dict[int, types.Message | types.MessageService] = field(default_factory=dict)
    updates: list[tuple[int, TLObject]] = field(default_factory=list)
    last_id: int = 0

    @property
    def marked_id(self) -> int:
        return -(10**12 + self.id)

    @property
    def peer(self) -> types.PeerChannel:
        return types.PeerChannel(self.id)

    def as_chat(self) -> types.Channel:
        return types.Channel(
            id=self.id,
            title=self.title,
            photo=types.ChatPhotoEmpty(),
            date=datetime(2025, 1, 1, tzinfo=UTC),
            broadcast=not self.megagroup,
            megagroup=self.megagroup,
            access_hash=self.access_hash,
            username=self.username,
        )


class RpcRefusal(Exception):
    """An error as Telegram numbers and names it."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.error = types.RpcError(code, name)


class DataCentre:
    """The server; lives in the loop that enters it: `async with DataCentre() as centre`."""

    def __init__(self, port: int = 0, key: bytes | None = None) -> None:
        self.port = port
        self.key = AuthKey(key or bytes(range(KEY_BYTES)))
        self.channels: dict[int, Channel] = {}
        self.requests: list[str] = []
        self.connections = 0
        self.refusing = False
        self.silent = False
        self.forgotten = False
        self._faults: list[tuple[str, RpcRefusal | None, list[int]]] = []
        self._lines: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Condition()

    # ---- life

    async def __aenter__(self) -> DataCentre:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def session(self) -> str:
        """The session string that leads a client here."""
        session = StringSession()
        session.set_dc(2, "127.0.0.1", self.port)
        session.auth_key = self.key
        return session.save()

    # ---- what tests do

    def add_channel(self, title: str, username: str | None = None, *, megagroup: bool = False) -> Channel:
        channel = Channel(1_500_000_000 + len(self.channels), title, username, megagroup)
        self.channels[channel.id] = channel
        return channel

    def post(
        self,
        channel: Channel,
        text: str,
        *,
        reply_to: int | None = None,
        sender: types.User | None = None,
        out: bool = False,
        at: datetime | None = None,
        pushed: bool = True,
    ) -> int:
        """A new post; `pushed=False`: connected clients are not told (as real data centres sometimes do)."""
        channel.last_id += 1
        message = types.Message(
            id=channel.last_id,
            peer_id=channel.peer,
            date=(at or datetime.now(UTC)).replace(microsecond=0),
            message=text,
            out=out,
            post=not channel.megagroup,
            from_id=types.PeerUser(sender.id) if sender else None,
            reply_to=types.MessageReplyHeader(reply_to_msg_id=reply_to) if reply_to else None,
        )
        channel.messages[message.id] = message
        channel.pts += 1
        self._publish(channel, types.UpdateNewChannelMessage(message, channel.pts, 1), pushed)
        return message.id

    def skip(self, channel: Channel) -> None:
        """A post came and went without trace: its number stays empty."""
        channel.last_id += 1

    def pin(self, channel: Channel) -> int:
        """A service message, which is no post."""
        channel.last_id += 1
        message = types.MessageService(
            id=channel.last_id, peer_id=channel.peer, date=datetime.now(UTC), action=types.MessageActionPinMessage()
        )
        channel.messages[message.id] = message
        channel.pts += 1
        self._publish(channel, types.UpdateNewChannelMessage(message, channel.pts, 1), True)
        return message.id

    def edit(self, channel: Channel, number: int, text: str, *, pushed: bool = True) -> None:
        message = channel.messages[number]
        message.message = text
        message.edit_date = datetime.now(UTC).replace(microsecond=0)
        channel.pts += 1
        self._publish(channel, types.UpdateEditChannelMessage(message, channel.pts, 1), pushed)

    def delete(self, channel: Channel, *numbers: int, pushed: bool = True) -> None:
        for number in numbers:
            channel.messages.pop(number, None)
        channel.pts += len(numbers)
        update = types.UpdateDeleteChannelMessages(channel.id, list(numbers), channel.pts, len(numbers))
        self._publish(channel, update, pushed)

    def push_again(self, channel: Channel, number: int) -> None:
        """The same post once more with a number of its own, as happens around reconnects."""
        channel.pts += 1
        self._publish(channel, types.UpdateNewChannelMessage(channel.messages[number], channel.pts, 1), True)

    def flood(self, request: str, seconds: int, times: int = 1) -> None:
        self.fail(request, 420, f"FLOOD_WAIT_{seconds}", times)

    def fail(self, request: str, code: int, name: str, times: int = 1) -> None:
        """Answer `request` (its short name, or "*") with an error so many times."""
        self._faults.append((request, RpcRefusal(code, name), [times]))

    def hang(self, request: str, times: int = 1) -> None:
        """Never answer."""
        self._faults.append((request, None, [times]))

    def drop(self) -> None:
        """Hang up on everybody."""
        for line in list(self._lines):
            line.close()

    async def asked(self, request: str, times: int = 1) -> None:
        """Wait until a request has come so many times."""
        async with self._asked:
            await asyncio.wait_for(self._asked.wait_for(lambda: Counter(self.requests)[request] >= times), 10)

    # ---- the server's side

    def _publish(self, channel: Channel, update: TLObject, pushed: bool) -> None:
        channel.updates.append((channel.pts, update))
        if self.silent or not pushed:
            return
        news = types.Updates([update], [SELF, SOMEBODY], [channel.as_chat()], datetime.now(UTC), 0)
        for line in self._lines:
            if line.greeted:
                line.tell(news)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        line = Line(reader, writer, self.key)
        try:
            if self.refusing:
                return
            await line.open()
            self._lines.add(line)
            while True:
                for message in await line.receive():
                    await self._handle(line, message.msg_id, message.obj)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(line)
            self._tasks.discard(task)
            line.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _handle(self, line: Line, number: int, request: TLObject) -> None:
        while isinstance(request, (functions.InvokeWithLayerRequest, functions.InitConnectionRequest)):
            request = request.query
        if isinstance(request, _SILENT):
            return
        name = type(request).__name__.removesuffix("Request")
        self.requests.append(name)
        async with self._asked:
            self._asked.notify_all()
        if self.forgotten:
            line.transport_error(404)
            return
        if isinstance(request, functions.PingRequest):
            line.tell(types.Pong(number, request.ping_id))
            return
        if not line.greeted:
            line.greeted = True
            line.tell(types.NewSessionCreated(number, 1, SALT), types.UpdatesTooLong())
        try:
            fault = self._next_fault(name)
            if fault is not None:
                if fault[1] is not None:
                    raise fault[1]
                return
            line.answer(number, self._answer(request))
        except RpcRefusal as refusal:
            line.answer(number, refusal.error)

    def _next_fault(self, name: str) -> tuple[str, RpcRefusal | None, list[int]] | None:
        for fault in self._faults:
            if fault[0] in (name, "*") and fault[2][0] != 0:
                fault[2][0] -= 1
                return fault
        return None

    def _answer(self, request: TLRequest) -> Any:
        handler = getattr(self, f"_on_{type(request).__name__.removesuffix('Request').lower()}", None)
        if handler is None:
            raise RpcRefusal(400, "INPUT_METHOD_INVALID")
        return handler(request)

    def _on_getconfig(self, _: TLRequest) -> types.Config:
        now = datetime.now(UTC)
        numbers = dict.fromkeys(_CONFIG_NUMBERS, 1000)
        here = types.DcOption(2, "127.0.0.1", self.port)
        return types.Config(
            date=now,
            expires=now,
            test_mode=False,
            this_dc=2,
            dc_options=[here],
            dc_txt_domain_name="",
            me_url_prefix="",
            **numbers,
        )

    def _on_getusers(self, _: TLRequest) -> list[TLObject]:
        return [SELF]

    def _on_getstate(self, _: TLRequest) -> types.updates.State:
        return types.updates.State(1, 1, datetime.now(UTC), 1, 0)

    def _on_getdifference(self, _: TLRequest) -> TLObject:
        return types.updates.DifferenceEmpty(datetime.now(UTC), 1)

    def _on_getchanneldifference(self, request: TLRequest) -> TLObject:
        channel = self._channel(request.channel)
        missed = [update for pts, update in channel.updates if pts > request.pts]
        if not missed:
            return types.updates.ChannelDifferenceEmpty(channel.pts, final=True)
        fresh = [update.message for update in missed if isinstance(update, types.UpdateNewChannelMessage)]
        other = [update for update in missed if not isinstance(update, types.UpdateNewChannelMessage)]
        return types.updates.ChannelDifference(
            channel.pts, fresh, other, [channel.as_chat()], [SELF, SOMEBODY], final=True
        )

    def _on_resolveusername(self, request: TLRequest) -> TLObject:
        for channel in self.channels.values():
            if channel.username and channel.username.lower() == request.username.lower():
                return types.contacts.ResolvedPeer(channel.peer, [channel.as_chat()], [])
        raise RpcRefusal(400, "USERNAME_NOT_OCCUPIED")

    def _on_getdialogs(self, _: TLRequest) -> TLObject:
        held = [channel for channel in self.channels.values() if channel.messages]
        dialogs = [types.Dialog(c.peer, max(c.messages), 0, 0, 0, 0, 0, 0, _SETTINGS, pts=c.pts) for c in held]
        tops = [c.messages[max(c.messages)] for c in held]
        return types.messages.Dialogs(dialogs, tops, [c.as_chat() for c in held], [SELF])

    def _on_getchannels(self, request: TLRequest) -> TLObject:
        return types.messages.Chats([self._channel(each).as_chat() for each in request.id])

    def _on_gethistory(self, request: TLRequest) -> TLObject:
        channel = self._channel(request.peer)
        newest_first = sorted(channel.messages.values(), key=lambda message: -message.id)
        place = sum(1 for m in newest_first if request.offset_id and m.id >= request.offset_id)
        begin = place + request.add_offset
        chosen = newest_first[max(0, begin) : max(0, begin + request.limit)]
        return self._found(channel, chosen)

    def _on_getmessages(self, request: TLRequest) -> TLObject:
        channel = self._channel(request.channel)
        wanted = [channel.messages.get(each.id, types.MessageEmpty(each.id)) for each in request.id]
        return self._found(channel, wanted)

    def _found(self, channel: Channel, messages: list[Any]) -> types.messages.ChannelMessages:
        return types.messages.ChannelMessages(
            channel.pts, len(channel.messages), messages, [], [channel.as_chat()], [SELF, SOMEBODY]
        )

    def _channel(self, peer: Any) -> Channel:
        channel = self.channels.get(getattr(peer, "channel_id", 0))
        if channel is None or channel.access_hash != peer.access_hash:
            raise RpcRefusal(400, "CHANNEL_INVALID")
        return channel


def obey(centre: DataCentre, order: dict[str, Any]) -> str:
    """Carry out one line of the stand-alone program; says what was done."""
    names = {channel.username: channel for channel in centre.channels.values()}
    channel = names.get(order.pop("channel", None)) or next(iter(centre.channels.values()))
    match order:
        case {"post": str(text)}:
            return f"posted {centre.post(channel, text)}"
        case {"edit": [int(number), str(text)]}:
            centre.edit(channel, number, text)
        case {"delete": list(numbers)}:
            centre.delete(channel, *numbers)
        case {"flood": [str(request), int(seconds)]}:
            centre.flood(request, seconds)
        case {"drop": _}:
            centre.drop()
        case _:
            return f"not understood: {order}"
    return "done"


async def serve(port: int, channels: list[str]) -> None:
    """Serve until the standard input ends."""
    async with DataCentre(port) as centre:
        for name in channels:
            centre.add_channel(name, name)
        print(f"TELEGRAM_SESSION={centre.session}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(obey(centre, json.loads(line)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A Telegram data centre for hand tests")
    parser.add_argument("--port", type=int, default=4430)
    parser.add_argument("--channel", action="append")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.channel or ["signals"]))


if __name__ == "__main__":
    main()
