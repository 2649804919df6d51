"""The words of the stream: what a client may say, and how a message is written. Knows no connection and no clock.

A client's message is one JSON object with an `action`. A server's message is one JSON object with `type`, `topic`, `seq`,
`time` and `data`. It is framed once, as bytes that every connection can take as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from modules.domain.errors import InvalidInput
from modules.domain.market import iso_from_utc

ACTIONS = ("auth", "subscribe", "unsubscribe", "resume", "ping", "stats")
#: A client's longest message and a session's most topics.
MAX_MESSAGE = 64 * 1024
MAX_TOPICS = 64
_LONGEST_TOKEN = 8192
_LONGEST_TOPIC = 100
_SAFE_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Command:
    """What a client asks. `echo` is its own `id`, sent back with the answer."""

    action: str
    token: str = ""
    topics: tuple[str, ...] = ()
    after: int = 0
    echo: str | int | None = None


def read_command(raw: bytes) -> Command:
    """The command in a client's message. Raises InvalidInput, its code saying what is wrong."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("the message is not JSON", code="malformed") from error
    if not isinstance(said, dict):
        raise InvalidInput("the message is not a JSON object", code="malformed")
    action = said.get("action")
    if action not in ACTIONS:
        raise InvalidInput(f"action must be one of {', '.join(ACTIONS)}", code="unknown_action")
    echo = said.get("id")
    if echo is not None and (isinstance(echo, bool) or not isinstance(echo, str | int) or len(str(echo)) > 64):
        raise InvalidInput("id must be a number or a short text")
    match action:
        case "auth":
            return Command(action, token=_text(said, "token", _LONGEST_TOKEN), echo=echo)
        case "subscribe" | "unsubscribe":
            return Command(action, topics=_topics(said), echo=echo)
        case "resume":
            return Command(action, topics=(_text(said, "topic", _LONGEST_TOPIC),), after=_after(said), echo=echo)
        case _:
            return Command(action, echo=echo)


def _topics(said: dict[str, Any]) -> tuple[str, ...]:
    symbol, topics = said.get("symbol"), said.get("topics")
    found: list[str] = []
    if symbol is not None:
        found.append(f"price:{_text(said, 'symbol', _LONGEST_TOPIC)}")
    if topics is not None:
        if not isinstance(topics, list) or not all(isinstance(each, str) for each in topics):
            raise InvalidInput("topics must be a list of texts")
        found += topics
    if not found:
        raise InvalidInput("a symbol or a list of topics is needed")
    if len(found) > MAX_TOPICS or any(not 0 < len(each) <= _LONGEST_TOPIC for each in found):
        raise InvalidInput(
            f"at most {MAX_TOPICS} topics of at most {_LONGEST_TOPIC} characters", code="too_many_topics"
        )
    return tuple(dict.fromkeys(found))


def _text(said: dict[str, Any], name: str, longest: int) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise InvalidInput(f"{name} must be a text of 1 to {longest} characters")
    return value


def _after(said: dict[str, Any]) -> int:
    value = said.get("after")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _SAFE_INTEGER:
        raise InvalidInput("after must be a whole number, the seq last seen")
    return value


def iso_time(at: datetime) -> str:
    """ISO-8601 UTC with milliseconds."""
    return iso_from_utc(at, timespec="milliseconds")


def message(kind: str, topic: str, seq: int, time: str, data: Any, *, merged: int = 1) -> bytes:
    """A topic's message as a frame. `merged` tells of how many it stands for, where that is more than one."""
    said = {"type": kind, "topic": topic, "seq": seq, "time": time, "data": data}
    if merged > 1:
        said["merged"] = merged
    return frame(orjson.dumps(said))


def reply(kind: str, time: str, data: Any, echo: str | int | None = None) -> bytes:
    """An answer to one client, outside of every topic."""
    said: dict[str, Any] = {"type": kind, "time": time, "data": data}
    if echo is not None:
        said["id"] = echo
    return frame(orjson.dumps(said))


def frame(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
