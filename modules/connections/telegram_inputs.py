"""What arrives from Telegram's Bot API, in our words: something said or pressed, or somebody coming or going."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from telegram import CallbackQuery, ChatJoinRequest, ChatMember, ChatMemberUpdated, Message, Update

_OUTSIDE = (ChatMember.LEFT, ChatMember.BANNED)


@dataclass(frozen=True, slots=True)
class ChatInput:
    """What somebody wrote or pressed. `edited` is set when it is a new version of `message_id`.

    `user_id` is None in channels. Times are UTC; `date` is when the message was first posted.
    """

    update_id: int
    chat_id: int
    user_id: int | None
    username: str | None
    text: str
    message_id: int | None
    reply_to_message_id: int | None
    callback_data: str | None
    callback_id: str | None
    chat_type: str
    is_channel_post: bool
    date: datetime | None
    edited: bool = False
    edited_at: datetime | None = None
    chat_title: str | None = None
    language: str | None = None
    topic: int | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """Somebody (or the bot itself) asked to enter, came into or went out of a chat.

    In a private chat with the bot, "left" about the bot means that the person has blocked it.
    """

    update_id: int
    chat_id: int
    chat_type: str
    user_id: int
    username: str | None
    event: Literal["asked", "joined", "left"]
    about_bot: bool
    invite_link: str | None
    date: datetime


def chat_input(update: Update) -> ChatInput | None:
    """The update as something said or pressed; None for every other kind."""
    if update.callback_query is not None:
        return _pressed(update.update_id, update.callback_query)
    message = update.effective_message
    return None if message is None else _said(update, message)


def _said(update: Update, message: Message) -> ChatInput:
    person = message.from_user
    reply = message.reply_to_message
    return ChatInput(
        update_id=update.update_id,
        chat_id=message.chat.id,
        user_id=person.id if person else None,
        username=person.username if person else None,
        text=message.text or message.caption or "",
        message_id=message.message_id,
        reply_to_message_id=reply.message_id if reply else None,
        callback_data=None,
        callback_id=None,
        chat_type=str(message.chat.type),
        is_channel_post=update.channel_post is not None or update.edited_channel_post is not None,
        date=message.date,
        edited=update.edited_message is not None or update.edited_channel_post is not None,
        edited_at=message.edit_date,
        chat_title=message.chat.title,
        language=person.language_code if person else None,
        topic=message.message_thread_id,
    )


def _pressed(update_id: int, query: CallbackQuery) -> ChatInput:
    message = query.message
    chat = message.chat if message else None
    return ChatInput(
        update_id=update_id,
        chat_id=chat.id if chat else query.from_user.id,
        user_id=query.from_user.id,
        username=query.from_user.username,
        text="",
        message_id=message.message_id if message else None,
        reply_to_message_id=None,
        callback_data=query.data,
        callback_id=query.id,
        chat_type=str(chat.type) if chat else "private",
        is_channel_post=False,
        date=message.date if isinstance(message, Message) else None,
        chat_title=chat.title if chat else None,
        language=query.from_user.language_code,
        topic=message.message_thread_id if isinstance(message, Message) else None,
    )


def membership(update: Update) -> Membership | None:
    """The update as a coming or going; None for every other kind and for a change of rights only."""
    if update.chat_join_request is not None:
        return _asked(update.update_id, update.chat_join_request)
    if update.my_chat_member is not None:
        return _moved(update.update_id, update.my_chat_member, about_bot=True)
    if update.chat_member is not None:
        return _moved(update.update_id, update.chat_member, about_bot=False)
    return None


def _asked(update_id: int, request: ChatJoinRequest) -> Membership:
    link = request.invite_link
    person, chat = request.from_user, request.chat
    return Membership(
        update_id=update_id,
        chat_id=chat.id,
        chat_type=str(chat.type),
        user_id=person.id,
        username=person.username,
        event="asked",
        about_bot=False,
        invite_link=link.invite_link if link else None,
        date=request.date,
    )


def _moved(update_id: int, change: ChatMemberUpdated, *, about_bot: bool) -> Membership | None:
    was_in = _inside(change.old_chat_member)
    is_in = _inside(change.new_chat_member)
    if was_in == is_in:
        return None
    # About the bot, the person who matters is the one who let it in or shut it out.
    person = change.from_user if about_bot else change.new_chat_member.user
    return Membership(
        update_id=update_id,
        chat_id=change.chat.id,
        chat_type=str(change.chat.type),
        user_id=person.id,
        username=person.username,
        event="joined" if is_in else "left",
        about_bot=about_bot,
        invite_link=change.invite_link.invite_link if change.invite_link else None,
        date=change.date,
    )


def _inside(member: ChatMember) -> bool:
    return member.status not in _OUTSIDE and getattr(member, "is_member", True)
