"""The sending side of the bot: one message out, with Telegram's limits kept and its answers put into our words.

It decides nothing about who gets what and keeps no queue: whoever calls it has a durable row per message and repeats
on `Unavailable`. What Telegram refuses for good is a value (`Undeliverable`), because it is an expected answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from telegram import (
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from modules.connections.telegram_limits import Limits, SendLimiter
from modules.connections.telegram_requests import (
    OFFICIAL_API,
    BotRequest,
    RequestSettings,
    check_token,
    make_bot,
    seconds_of,
    translated,
)
from modules.connections.telegram_text import LONGEST_CAPTION, LONGEST_TEXT, split_text, visible_units
from modules.domain.errors import InvalidInput, Trouble
from modules.domain.ports import Clock

_LONGEST_CALLBACK_BYTES = 64
_CONNECTIONS = 32
_BLOCKED = ("blocked", "deactivated")
_NO_CHAT = ("chat not found", "user not found", "peer_id_invalid", "group chat was deleted")
_NO_RIGHT = ("not enough rights", "have no rights", "need administrator rights", "chat_write_forbidden")

Reason = Literal["blocked", "chat_not_found", "forbidden", "bad_request"]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: it sends `data` back (at most 64 bytes) or opens `url`."""

    text: str
    data: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if (self.data is None) == (self.url is None):
            raise InvalidInput("a button has either data or an address", fields={"button": self.text})
        if self.data is not None and not 1 <= len(self.data.encode()) <= _LONGEST_CALLBACK_BYTES:
            raise InvalidInput("a button's data has 1 to 64 bytes", fields={"button": self.text})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to be sent, or to take the place of `edit_message`. `text` is Telegram's HTML unless `html` is off."""

    chat_id: int | str
    text: str
    reply_to: int | None = None
    buttons: tuple[tuple[Button, ...], ...] = ()
    picture: bytes | None = None
    silent: bool = False
    topic: int | None = None
    edit_message: int | None = None
    html: bool = True

    def __post_init__(self) -> None:
        if not self.text.strip() and self.picture is None and self.edit_message is None:
            raise InvalidInput("a message needs a text or a picture", fields={"text": "empty"})


@dataclass(frozen=True, slots=True)
class Delivered:
    """It is in the chat. A long text may need several messages: `message_id` is the first, to which updates reply.

    `rest` is what could not be sent after the first part was out: a message of its own, to be queued by the caller.
    `moved_to` is the chat's new id when Telegram has turned the group into a supergroup.
    """

    message_id: int
    rest: Outgoing | None = None
    moved_to: int | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Telegram will never take it; trying again changes nothing."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Who the bot is, and whether it sees what is written in its groups."""

    id: int
    username: str
    name: str
    reads_groups: bool


class BotSender:
    """Sends through python-telegram-bot. Safe to call from many tasks of one loop at once.

    Every call may raise `Unavailable` (it did not happen; wait `retry_after_seconds`), `OutcomeUnknown` (the
    connection broke after the request was sent) or `Misconfigured` (the token is wrong).
    """

    def __init__(
        self,
        token: str,
        clock: Clock,
        *,
        base_url: str = OFFICIAL_API,
        limits: Limits | None = None,
        requests: RequestSettings | None = None,
    ) -> None:
        check_token(token)
        requests = requests or RequestSettings()
        request = BotRequest(token, requests, _CONNECTIONS)
        self._bot = make_bot(base_url, request, BotRequest(token, requests, 1))
        self._limiter = SendLimiter(limits or Limits(), clock.monotonic)
        self._chat_ids: dict[str, int] = {}
        self._moved: dict[int | str, int] = {}

    async def start(self) -> None:
        """Open the connections and prove the token."""
        await self._plain(self._bot.initialize)

    async def close(self) -> None:
        """Close the connections. Calls that are under way end with an error."""
        await self._bot.shutdown()

    async def me(self) -> BotIdentity:
        user = await self._plain(self._bot.get_me)
        return BotIdentity(user.id, user.username or "", user.full_name, bool(user.can_read_all_group_messages))

    async def send(self, message: Outgoing) -> Delivered | Undeliverable:
        """Send one message, in order with the others to that chat. See the class for what it raises."""
        if message.edit_message is not None:
            return await self._edit(message, message.edit_message)
        first, following = _parts(message)
        outcome = await self._deliver(first)
        if isinstance(outcome, Undeliverable):
            return outcome
        for place, part in enumerate(following):
            part = replace(part, chat_id=outcome.moved_to or message.chat_id, reply_to=outcome.message_id)
            try:
                more: Delivered | Undeliverable | None = await self._deliver(part)
            except Trouble:
                more = None
            if not isinstance(more, Delivered):
                # The first part is out: repeating the whole would show it twice.
                return replace(outcome, rest=_joined(part, following[place + 1 :]))
        return outcome

    async def answer_callback(self, callback_id: str, text: str | None = None, *, alert: bool = False) -> bool:
        """Stop the waiting mark on a pressed button; False when Telegram holds the press for too old."""
        try:
            await self._plain(lambda: self._bot.answer_callback_query(callback_id, text, show_alert=alert))
        except BadRequest:
            return False
        return True

    async def set_commands(self, commands: Sequence[tuple[str, str]], language: str | None = None) -> None:
        """The list that Telegram shows behind the "/" button: names without the stroke, and what they do."""
        listed = [BotCommand(name, description[:256]) for name, description in commands]
        await self._plain(lambda: self._bot.set_my_commands(listed, language_code=language))

    async def invite_link(
        self, chat_id: int | str, name: str, expires_at: datetime, *, by_request: bool = False
    ) -> str:
        """A link into a group for one person (or one that asks to be let in). Raises `InvalidInput` when not allowed."""
        limit = None if by_request else 1
        link = await self._group(
            lambda: self._bot.create_chat_invite_link(
                chat_id, expire_date=expires_at, member_limit=limit, name=name[:32], creates_join_request=by_request
            )
        )
        return str(link.invite_link)

    async def revoke_link(self, chat_id: int | str, link: str) -> None:
        await self._group(lambda: self._bot.revoke_chat_invite_link(chat_id, link))

    async def answer_join_request(self, chat_id: int | str, user_id: int, *, admit: bool) -> None:
        verb = self._bot.approve_chat_join_request if admit else self._bot.decline_chat_join_request
        await self._group(lambda: verb(chat_id, user_id))

    async def remove_member(self, chat_id: int | str, user_id: int) -> None:
        """Put somebody out of a group; the ban is lifted at once, so that a new link lets them in again."""
        await self._group(lambda: self._bot.ban_chat_member(chat_id, user_id))
        await self._group(lambda: self._bot.unban_chat_member(chat_id, user_id, only_if_banned=True))

    async def is_member(self, chat_id: int | str, user_id: int) -> bool:
        member = await self._group(lambda: self._bot.get_chat_member(chat_id, user_id))
        return member.status not in ("left", "kicked")

    async def _deliver(self, message: Outgoing) -> Delivered | Undeliverable:
        chat = self._moved.get(message.chat_id, message.chat_id)
        try:
            sent = await self._paced(chat, lambda: self._request(replace(message, chat_id=chat)), repeatable=False)
        except ChatMigrated as error:
            # The group became a supergroup: nothing was sent, and the old id is gone for good.
            self._moved[message.chat_id] = error.new_chat_id
            return await self._deliver(message)
        except (BadRequest, Forbidden) as error:
            return _refusal(error)
        if isinstance(message.chat_id, str):
            self._chat_ids[message.chat_id] = sent.chat.id
        return Delivered(sent.message_id, moved_to=self._moved.get(message.chat_id))

    async def _request(self, message: Outgoing) -> Any:
        reply = None
        if message.reply_to is not None:
            reply = ReplyParameters(message.reply_to, allow_sending_without_reply=True)
        shared: dict[str, Any] = {
            "chat_id": message.chat_id,
            "reply_parameters": reply,
            "reply_markup": _keyboard(message.buttons),
            "disable_notification": message.silent,
            "message_thread_id": message.topic,
            "parse_mode": _mode(message),
        }
        if message.picture is not None:
            return await self._bot.send_photo(
                photo=message.picture, caption=message.text or None, filename="chart.png", **shared
            )
        return await self._bot.send_message(text=message.text, link_preview_options=_NO_PREVIEW, **shared)

    async def _edit(self, message: Outgoing, message_id: int) -> Delivered | Undeliverable:
        longest = LONGEST_TEXT if message.picture is None else LONGEST_CAPTION
        if visible_units(message.text, message.html) > longest:
            return Undeliverable("bad_request", f"an edited text has at most {longest} characters")
        try:
            await self._paced(message.chat_id, lambda: self._change(message, message_id), repeatable=True)
        except (BadRequest, Forbidden) as error:
            if "message is not modified" not in error.message.lower():
                return _refusal(error)
        return Delivered(message_id)

    async def _change(self, message: Outgoing, message_id: int) -> None:
        target: dict[str, Any] = {
            "chat_id": message.chat_id,
            "message_id": message_id,
            "reply_markup": _keyboard(message.buttons),
        }
        mode = _mode(message)
        if message.picture is not None:
            media = InputMediaPhoto(message.picture, caption=message.text, parse_mode=mode, filename="chart.png")
            await self._bot.edit_message_media(media, **target)
        elif not message.text.strip():
            await self._bot.edit_message_reply_markup(**target)
        else:
            try:
                await self._bot.edit_message_text(
                    message.text, parse_mode=mode, link_preview_options=_NO_PREVIEW, **target
                )
            except BadRequest as error:
                if "no text in the message" not in error.message.lower():
                    raise
                await self._bot.edit_message_caption(caption=message.text, parse_mode=mode, **target)

    async def _paced(self, chat: int | str, call: Callable[[], Awaitable[_Result]], *, repeatable: bool) -> _Result:
        """Run a call in the chat's turn. A name whose number is known shares the number's turns."""
        lane = self._chat_ids.get(chat, chat) if isinstance(chat, str) else chat
        async with self._limiter.turn(lane):
            try:
                return await call()
            except ChatMigrated:
                raise
            except TelegramError as error:
                if isinstance(error, RetryAfter):
                    self._limiter.pause(lane, seconds_of(error))
                trouble = translated(error, repeatable=repeatable)
                if trouble is None:
                    raise
                raise trouble from error

    async def _plain(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """Run a call that counts against no chat and may be repeated."""
        try:
            return await call()
        except TelegramError as error:
            trouble = translated(error, repeatable=True)
            if trouble is None:
                raise
            raise trouble from error

    async def _group(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            return await self._plain(call)
        except (BadRequest, Forbidden) as error:
            raise InvalidInput(f"Telegram refuses: {error.message}", code=_refusal(error).reason) from error


_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def _parts(message: Outgoing) -> tuple[Outgoing, list[Outgoing]]:
    """The message as Telegram takes it: the first, and those that follow as replies. Buttons stand under the last."""
    if message.picture is not None:
        if visible_units(message.text, message.html) <= LONGEST_CAPTION:
            return message, []
        texts = split_text(message.text, message.html)
        first = replace(message, text="", buttons=())
    else:
        texts = split_text(message.text, message.html)
        first = replace(message, text=texts.pop(0), buttons=() if texts else message.buttons)
    rest = [replace(message, text=text, picture=None, buttons=()) for text in texts]
    if rest:
        rest[-1] = replace(rest[-1], buttons=message.buttons)
    return first, rest


def _joined(part: Outgoing, following: Sequence[Outgoing]) -> Outgoing:
    parts = [part, *following]
    return replace(part, text="\n".join(each.text for each in parts), buttons=parts[-1].buttons)


def _keyboard(rows: tuple[tuple[Button, ...], ...]) -> InlineKeyboardMarkup | None:
    if not rows:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(each.text, url=each.url, callback_data=each.data) for each in row] for row in rows]
    )


def _mode(message: Outgoing) -> str | None:
    return ParseMode.HTML if message.html else None


def _refusal(error: BadRequest | Forbidden) -> Undeliverable:
    said = error.message.lower()
    reason: Reason = "forbidden" if isinstance(error, Forbidden) else "bad_request"
    for words, meaning in ((_BLOCKED, "blocked"), (_NO_CHAT, "chat_not_found"), (_NO_RIGHT, "forbidden")):
        if any(word in said for word in words):
            reason = meaning  # type: ignore[assignment]
            break
    return Undeliverable(reason, error.message)
