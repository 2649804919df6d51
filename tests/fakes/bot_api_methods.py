"""What the Bot API double does for each method: its chats and messages, and what it refuses as Telegram would."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.bot_api_text import problem_with_text

BOT_USER = {"id": 110201543, "is_bot": True, "first_name": "Broadcast", "username": "broadcast_test_bot"}


@dataclass
class Call:
    """One request as it arrived: `params` decoded, `files` by field name, `at` on the monotonic clock."""

    method: str
    params: dict[str, Any]
    files: dict[str, bytes]
    at: float
    status: int = 0
    result: Any = None

    @property
    def chat_id(self) -> int | str | None:
        return chat_key(self.params.get("chat_id"))


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, status: int, description: str, parameters: dict[str, int] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
        if parameters:
            self.body["parameters"] = parameters


@dataclass
class Webhook:
    url: str = ""
    secret: str | None = None
    replies: list[int] = field(default_factory=list)
    last_error: str | None = None


class BotApiMethods:
    """One method of the API per `_on_…`; the server around it takes requests, scripts faults and holds the lock."""

    webhook: Webhook
    commands: list[dict[str, str]]
    limit: tuple[int, float] | None
    chats: dict[int | str, dict[int, dict[str, Any]]]
    names: dict[str, int]
    members: dict[tuple[int | str, int], str]
    called: Callable[[str], list[Call]]
    accepted: Callable[..., list[Call]]
    _updates: list[dict[str, Any]]
    _post: asyncio.Event
    _lock: threading.RLock

    def _store(self, chat: dict[str, Any], **content: Any) -> dict[str, Any]:
        with self._lock:
            messages = self.chats[chat["id"]]
            number = max(messages, default=0) + 1
            message = {"message_id": number, "date": int(time.time()), "chat": chat, **content}
            messages[number] = message
            return message

    # ---- methods (named as Telegram names them, in lower case)

    def _on_getme(self, call: Call) -> dict[str, Any]:
        return {**BOT_USER, "can_join_groups": True, "can_read_all_group_messages": True}

    def _on_setwebhook(self, call: Call) -> bool:
        self.webhook.url = call.params.get("url", "")
        self.webhook.secret = call.params.get("secret_token")
        self._post.set()
        return True

    def _on_deletewebhook(self, call: Call) -> bool:
        self.webhook.url = ""
        if call.params.get("drop_pending_updates") in (True, "true"):
            self._updates.clear()
        return True

    def _on_getwebhookinfo(self, call: Call) -> dict[str, Any]:
        info: dict[str, Any] = {
            "url": self.webhook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates),
        }
        if self.webhook.last_error:
            info |= {"last_error_message": self.webhook.last_error, "last_error_date": int(time.time())}
        return info

    def _on_sendmessage(self, call: Call) -> dict[str, Any]:
        return self._send(call, "text", 4096)

    def _on_sendphoto(self, call: Call) -> dict[str, Any]:
        picture = next(iter(call.files.values()), None)
        if picture is None:
            raise ApiError(400, "Bad Request: there is no photo in the request")
        photo = [{"file_id": f"photo-{len(picture)}", "file_unique_id": "u", "width": 1, "height": 1}]
        return self._send(call, "caption", 1024, photo=photo)

    def _send(self, call: Call, part: str, longest: int, **more: Any) -> dict[str, Any]:
        self._hold_to_limit(call)
        problem = problem_with_text(call.params.get(part, ""), call.params.get("parse_mode"), longest, part)
        if problem:
            raise ApiError(400, f"Bad Request: {problem}")
        chat = self._chat(call)
        content: dict[str, Any] = {"from": BOT_USER, **more}
        if call.params.get(part):
            content[part] = call.params[part]
        reply = call.params.get("reply_parameters")
        if reply and reply["message_id"] in self.chats[chat["id"]]:
            content["reply_to_message"] = {"message_id": reply["message_id"], "date": 0, "chat": chat}
        elif reply and not reply.get("allow_sending_without_reply"):
            raise ApiError(400, "Bad Request: message to be replied not found")
        if "reply_markup" in call.params:
            content["reply_markup"] = call.params["reply_markup"]
        if "message_thread_id" in call.params:
            content["message_thread_id"] = call.params["message_thread_id"]
        return self._store(chat, **content)

    def _hold_to_limit(self, call: Call) -> None:
        if self.limit is None:
            return
        count, seconds = self.limit
        recent = [c for c in self.accepted() if c.at > call.at - seconds]
        if len(recent) >= count:
            raise ApiError(429, "Too Many Requests: retry after 1", {"retry_after": 1})

    def _chat(self, call: Call) -> dict[str, Any]:
        key = chat_key(call.params.get("chat_id"))
        if key is None:
            raise ApiError(400, "Bad Request: chat_id is empty")
        if isinstance(key, str):
            key = self.names.setdefault(key, -1009000 - len(self.names))
        if key > 0:
            return {"id": key, "type": "private", "first_name": "Ada"}
        return {"id": key, "type": "supergroup", "title": "Traders"}

    def _known(self, call: Call) -> dict[str, Any]:
        chat = self._chat(call)
        message = self.chats[chat["id"]].get(int(call.params.get("message_id", 0)))
        if message is None:
            raise ApiError(400, "Bad Request: message to edit not found")
        return message

    def _edit(self, message: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        if all(message.get(key) == value for key, value in changes.items()):
            raise ApiError(400, "Bad Request: message is not modified: specified new message content is the same")
        message |= {**changes, "edit_date": int(time.time())}
        return message

    def _on_editmessagetext(self, call: Call) -> dict[str, Any]:
        message = self._known(call)
        if "text" not in message:
            raise ApiError(400, "Bad Request: there is no text in the message to edit")
        problem = problem_with_text(call.params.get("text", ""), call.params.get("parse_mode"), 4096, "text")
        if problem:
            raise ApiError(400, f"Bad Request: {problem}")
        return self._edit(message, {"text": call.params["text"], "reply_markup": call.params.get("reply_markup")})

    def _on_editmessagecaption(self, call: Call) -> dict[str, Any]:
        caption = call.params.get("caption", "")
        return self._edit(self._known(call), {"caption": caption, "reply_markup": call.params.get("reply_markup")})

    def _on_editmessagemedia(self, call: Call) -> dict[str, Any]:
        media = call.params["media"]
        picture = next(iter(call.files.values()))
        photo = [{"file_id": f"photo-{len(picture)}", "file_unique_id": "u", "width": 1, "height": 1}]
        return self._edit(self._known(call), {"caption": media.get("caption", ""), "photo": photo})

    def _on_editmessagereplymarkup(self, call: Call) -> dict[str, Any]:
        return self._edit(self._known(call), {"reply_markup": call.params.get("reply_markup")})

    def _on_deletemessage(self, call: Call) -> bool:
        chat = self._chat(call)
        if self.chats[chat["id"]].pop(int(call.params["message_id"]), None) is None:
            raise ApiError(400, "Bad Request: message to delete not found")
        return True

    def _on_answercallbackquery(self, call: Call) -> bool:
        return True

    def _on_sendchataction(self, call: Call) -> bool:
        return True

    def _on_setmycommands(self, call: Call) -> bool:
        self.commands = call.params["commands"]
        return True

    def _on_getchat(self, call: Call) -> dict[str, Any]:
        return {**self._chat(call), "accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": _NO_GIFTS}

    def _on_getchatmember(self, call: Call) -> dict[str, Any]:
        user = int(call.params["user_id"])
        status = self.members.get((chat_key(call.params["chat_id"]) or 0, user), "left")
        return {"status": status, "user": {"id": user, "is_bot": False, "first_name": "Ada"}}

    def _on_createchatinvitelink(self, call: Call) -> dict[str, Any]:
        number = len(self.called("createChatInviteLink"))
        on_request = call.params.get("creates_join_request") in (True, "true")
        return {
            "invite_link": f"https://t.me/+invite{number}",
            "creator": BOT_USER,
            "creates_join_request": on_request,
            "is_primary": False,
            "is_revoked": False,
        }

    def _on_revokechatinvitelink(self, call: Call) -> dict[str, Any]:
        link = self._on_createchatinvitelink(call)
        return {**link, "invite_link": call.params["invite_link"], "is_revoked": True}

    def _set_member(self, call: Call, status: str) -> bool:
        self.members[(chat_key(call.params["chat_id"]) or 0, int(call.params["user_id"]))] = status
        return True

    def _on_approvechatjoinrequest(self, call: Call) -> bool:
        return self._set_member(call, "member")

    def _on_declinechatjoinrequest(self, call: Call) -> bool:
        return self._set_member(call, "left")

    def _on_banchatmember(self, call: Call) -> bool:
        return self._set_member(call, "kicked")

    def _on_unbanchatmember(self, call: Call) -> bool:
        return self._set_member(call, "left")


_NO_GIFTS = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
)


def chat_key(value: Any) -> Any:
    """Numbers sent as text are numbers; names stay text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return value
