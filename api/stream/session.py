"""One listener: who they are, what they hear, and what happens when they read too slowly.

While the connection takes no more bytes, ordered messages queue up to a bound and conflated ones are joined. Past the
bound the connection is closed with 1013: the listener comes back and resumes. Nothing is left out without being told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from api.stream import protocol
from api.stream.hub import Channel, Hub, Joined, content_data, joined
from api.stream.protocol import Command
from api.stream.tickets import Admission, Tickets
from api.stream.topics import admit
from modules.domain.errors import InvalidInput, NotAllowed, Trouble
from modules.domain.people import Principal

Authenticate = Callable[[str], Principal | None]

#: What may wait for a listener that reads too slowly, and how often one may fail to sign in.
MOST_WAITING_BYTES = 256 * 1024
MOST_WAITING = 1_000
_MOST_FAILURES = 3

TRY_AGAIN_LATER = 1013
POLICY = 1008


class Wire(Protocol):
    """The connection under a session."""

    def write(self, frame: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


def _into_nothing(_frame: bytes) -> None:
    """Where a session writes that has ended."""


class Session:
    """`received` takes what the client says; `blocked` and `released` say whether the connection takes bytes."""

    def __init__(self, hub: Hub, wire: Wire, authenticate: Authenticate, tickets: Tickets) -> None:
        self.who: Principal | None = None
        self._hub = hub
        self._wire = wire
        self._write: Callable[[bytes], None] = wire.write
        self._authenticate = authenticate
        self._tickets = tickets
        self._token: str | None = None
        self._failures = 0
        self._topics: dict[str, tuple[tuple[str, str], ...]] = {}
        self._blocked = False
        self._ended = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._joined: dict[str, Joined] = {}
        hub.sessions.add(self)

    # ---- what the hub hands over --------------------------------------------------------------------------------

    def give(self, frame: bytes) -> None:
        """One message of an ordered channel."""
        if not self._blocked:
            self._write(frame)
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        if self._waiting_bytes > MOST_WAITING_BYTES or len(self._waiting) > MOST_WAITING:
            self.end(TRY_AGAIN_LATER, "reading too slowly; come back and resume")

    def give_latest(self, channel: Channel, frame: bytes, content: Any) -> None:
        """One message of a conflated channel, as a frame and as what it says."""
        if not self._blocked:
            self._write(frame)
        elif (before := self._joined.get(channel.key)) is None:
            self._joined[channel.key] = Joined(content, channel.seq)
        else:
            before.content = joined(before.content, content)
            before.seq = channel.seq
            before.count += 1

    def blocked(self) -> None:
        """The connection takes no more for now."""
        self._blocked = True

    def released(self) -> None:
        """The connection takes bytes again: first what queued up, then what was joined meanwhile."""
        self._blocked = False
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if waiting:
            self._write(b"".join(waiting))
        latest, self._joined = self._joined, {}
        for key, each in latest.items():
            if (channel := self._hub.find(key)) is None or self not in channel.listeners:
                continue
            data = content_data(each.content)
            self.give(
                protocol.message(channel.kind, channel.topic, each.seq, self._hub.time(), data, merged=each.count)
            )

    # ---- what the client says -----------------------------------------------------------------------------------

    def welcome(self, ticket: str | None) -> None:
        """The connection is open; with a ticket, its owner is signed in."""
        if ticket is None:
            return
        admission = self._tickets.redeem(ticket)
        if admission is not None and admission.token is not None:  # they may have been signed out since
            present = self._authenticate(admission.token)
            admission = Admission(present, admission.token) if present is not None else None
        if admission is None:
            self._fail("the ticket is unknown, used or too old", None)
        else:
            self._sign_in(admission, None)

    def received(self, raw: bytes) -> None:
        """One message of the client. Whatever it is, it is answered."""
        try:
            command = protocol.read_command(raw)
        except InvalidInput as wrong:
            self._refuse(wrong)
            return
        try:
            self._obey(command)
        except Trouble as refusal:
            self._refuse(refusal, command)

    def _obey(self, command: Command) -> None:
        match command.action:
            case "auth":
                who = self._authenticate(command.token)
                if who is None:
                    self._fail("the token is not valid", command.echo)
                else:
                    self._sign_in(Admission(who, command.token), command.echo)
            case "subscribe":
                self._subscribe(command)
            case "unsubscribe":
                self._unsubscribe(command)
            case "resume":
                self._resume(command)
            case "ping":
                self._answer("pong", {}, command)
            case _:
                self._answer("stats", self._stats(), command)

    def _sign_in(self, admission: Admission, echo: str | int | None) -> None:
        """A sign-in as somebody else ends what was heard as the one before."""
        if self.who is not None and self.who.user_id != admission.who.user_id:
            self._hear_nothing()
        self.who, self._token, self._failures = admission.who, admission.token, 0
        data = {"user_id": admission.who.user_id, "role": admission.who.role.value}
        self.give(protocol.reply("authenticated", self._hub.time(), data, echo))

    def _fail(self, message: str, echo: str | int | None) -> None:
        self._failures += 1
        self._refuse(NotAllowed(message, code="not_signed_in"), Command("auth", echo=echo))
        if self._failures >= _MOST_FAILURES:
            self.end(POLICY, "too many failed sign-ins")

    def _subscribe(self, command: Command) -> None:
        """All or nothing: a topic that is refused leaves everything as it was."""
        wanted = dict(self._hub.admit(each, self.who) for each in command.topics)
        if len(self._topics.keys() | wanted.keys()) > protocol.MAX_TOPICS:
            raise InvalidInput(f"at most {protocol.MAX_TOPICS} topics at a time", code="too_many_topics")
        already = self._heard()
        news: list[Channel] = []
        numbers: dict[str, int] = {}
        for name, pairs in wanted.items():
            self._topics[name] = pairs
            for topic, key in pairs:
                channel = self._hub.hear(self, topic, key)
                numbers[topic] = channel.seq
                if key not in already and channel.conflated and channel.past:
                    news.append(channel)
        self._answer("subscribed", {"topics": list(wanted), "seq": numbers}, command)
        for channel in news:
            self.give(channel.past[-1][1])

    def _unsubscribe(self, command: Command) -> None:
        named = [admit(each, self.who)[0] for each in command.topics]
        dropped: set[str] = set()
        for name in named:
            dropped |= {key for _, key in self._topics.pop(name, ())}
        for key in dropped - self._heard():
            self._joined.pop(key, None)
            self._hub.leave(self, key)
        self._answer("unsubscribed", {"topics": named}, command)

    def _resume(self, command: Command) -> None:
        """Hears the topic from the number on, or learns that what was missed is not known any more."""
        name, pairs = self._hub.admit(command.topics[0], self.who)
        if name not in self._topics and len(self._topics) >= protocol.MAX_TOPICS:
            raise InvalidInput(f"at most {protocol.MAX_TOPICS} topics at a time", code="too_many_topics")
        self._topics[name] = pairs
        channels = [self._hub.hear(self, topic, key) for topic, key in pairs]
        missed = channels[0].since(command.after)
        numbers = {channel.topic: channel.seq for channel in channels}
        if missed is None:
            reset = protocol.message("reset", name, channels[0].seq, self._hub.time(), {"after": command.after})
            self.give(reset)
            if channels[0].conflated and channels[0].past:
                self.give(channels[0].past[-1][1])
            return
        self._answer("resumed", {"topics": [name], "seq": numbers, "missed": len(missed)}, command)
        if missed:
            self.give(b"".join(missed))

    def _stats(self) -> dict[str, Any]:
        return {
            "topics": sorted(self._topics),
            "signed_in": self.who is not None,
            "connections": len(self._hub.sessions),
            "messages": self._hub.told,
            "waiting": len(self._waiting) + len(self._joined),
        }

    def _answer(self, kind: str, data: Any, command: Command) -> None:
        self.give(protocol.reply(kind, self._hub.time(), data, command.echo))

    def _refuse(self, why: Trouble, command: Command | None = None) -> None:
        data = {"code": why.code, "message": why.message}
        if command is not None:
            data["action"] = command.action
        self.give(protocol.reply("error", self._hub.time(), data, command.echo if command else None))

    # ---- its end ------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nobody signed in and nothing heard: a connection without a purpose."""
        return self.who is None and not self._topics

    def check(self) -> None:
        """Asks again who the token stands for; ends the session of somebody who was signed out or may other things now."""
        if self._token is None or self._ended or self.who is None:
            return
        present = self._authenticate(self._token)
        if present is None:
            self.end(POLICY, "signed out")
        elif (present.role, present.scopes) != (self.who.role, self.who.scopes):
            self.end(POLICY, "permissions changed")

    def end(self, code: int, reason: str) -> None:
        """Closes the connection; what waited is given up, which the code says."""
        if not self._ended:
            self.gone()
            self._wire.close(code, reason)

    def gone(self) -> None:
        """The connection is no more."""
        self._ended = True
        self._write = _into_nothing
        self._hear_nothing()
        self._waiting, self._waiting_bytes = [], 0
        self._hub.sessions.discard(self)

    def _hear_nothing(self) -> None:
        heard, self._topics = self._heard(), {}
        self._joined.clear()
        for key in heard:
            self._hub.leave(self, key)

    def _heard(self) -> set[str]:
        return {key for pairs in self._topics.values() for _, key in pairs}
