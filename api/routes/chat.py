"""The local chat over HTTP: what is in one's room, writing into it, pictures. Answers come from the process of the chats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import send_file
from flask_openapi3 import APIBlueprint, Tag
from tinydb import where

from api.bodies.chat import ChatMessage, ChatQuery, PicturePath
from api.gate import current, needs
from api.platform.description import file_answer
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb, may
from modules.domain.errors import InvalidInput, NotAllowed, NotFound
from modules.domain.market import iso_from_ms
from modules.domain.people import Principal
from modules.notices.questions import ask, pending, room_of

Answer = tuple[Any, int]


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("chat", __name__, url_prefix="/api/chat", abp_tags=[Tag(name="chat")])

    @blueprint.get("", summary="Messages of a local room, oldest first")
    @needs(Verb.OWN_PROFILE)
    def messages(query: ChatQuery) -> Answer:
        who = current()
        room = _room(query.room, who)
        found, more = _page(rooms, room, query)
        return answer(
            {
                "messages": [_message(each, who) for each in found],
                "next_cursor": str(found[-1]["number"]) if more and found else None,
                "waiting": pending(rooms.store, room),
            }
        )

    @blueprint.post("", summary="Write into one's room; the answer appears there", responses={202: None})
    @needs(Verb.OWN_PROFILE)
    def write(body: ChatMessage) -> Answer:
        who = current()
        if who.scopes is not None:
            raise NotAllowed("An API key with scopes can't use the chat: commands reach further than its scopes.")
        return answer({"number": ask(rooms.store, who, body.text, rooms.clock.now())}, 202)

    @blueprint.get(
        "/pictures/<room>/<int:number>", summary="The picture of a message (PNG)", responses=file_answer("image/png")
    )
    @needs(Verb.OWN_PROFILE)
    def picture(path: PicturePath) -> Any:
        room = _room(path.room, current())
        message = rooms.store["local_messages"].get(key=f"{room}/{path.number}")
        return send_file(_picture(rooms, message), mimetype="image/png", max_age=0)

    return blueprint


def _room(name: str, who: Principal) -> str:
    """The room somebody means. Raises NotAllowed for rooms of groups, which only staff may look into."""
    if name == "own":
        return room_of(who.user_id)
    if not may(who, Verb.READ_SYSTEM):
        raise NotAllowed("Only staff may look into the rooms of the groups.")
    return f"local:{name}"


def _page(rooms: Rooms, room: str, query: ChatQuery) -> tuple[list[dict[str, Any]], bool]:
    """The messages asked for, oldest first, and whether more follow in that direction."""
    if query.after is not None and query.before is not None:
        raise InvalidInput("ask for what is after a number or before one, not both", fields={"before": "with after"})
    wanted = where("chat") == room
    if query.after is not None:
        wanted &= where("number") > query.after
    if query.before is not None:
        wanted &= where("number") < query.before
    forward = query.after is not None
    found = rooms.store["local_messages"].search(
        wanted, order_by="number", descending=not forward, limit=query.limit + 1
    )
    shown = list(found[: query.limit])
    return shown if forward else shown[::-1], forward and len(found) > query.limit


def _message(message: Mapping[str, Any], who: Principal) -> dict[str, Any]:
    """A message as clients see it. `markup` says whether the text is Telegram's HTML or plain."""
    return {
        "number": message["number"],
        "author": "you" if message["author"] == who.user_id else "service",
        "text": message["text"],
        "markup": message["author"] == "bot",
        "reply_to": int(message["reply_to"]) if message["reply_to"] else None,
        "at": iso_from_ms(message["at"]),
        "buttons": message.get("buttons") or [],
        "picture": bool(message.get("picture")),
        "signal_id": message.get("signal_id"),
    }


def _picture(rooms: Rooms, message: Mapping[str, Any] | None) -> Path:
    """Where the message's picture lies: only ever in the folder of pictures. Raises NotFound."""
    kept = message.get("picture") if message else None
    folder = (rooms.settings.data_dir / "pictures").resolve()
    path = Path(kept).resolve() if kept else folder
    if not path.is_relative_to(folder) or not path.is_file():
        raise NotFound("This message has no picture.")
    return path
