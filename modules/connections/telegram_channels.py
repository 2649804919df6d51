"""Which channel is meant: from a name, link or number to what a user session needs to read it.

Looking a name up is what Telegram limits hardest (waits of hours have been seen), so each is looked up once and kept.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from telethon import errors, functions, types, utils

from modules.domain.errors import NotFound

_LINK = re.compile(r"^(?:https?://)?(?:www\.)?(?:t|telegram)\.(?:me|dog)/", re.IGNORECASE)
_CHANNEL_MARK = 10**12


@dataclass(frozen=True, slots=True)
class KnownChannel:
    """A channel, group or person as this account addresses it. `chat_id` is written as the Bot API writes it.

    `joined` is False for a public channel that the account only looks at: Telegram pushes nothing from there.
    """

    kind: Literal["channel", "chat", "user"]
    chat_id: int
    access_hash: int
    title: str
    joined: bool = True

    @property
    def numbered_without_gaps(self) -> bool:
        """Channels and supergroups number their own messages; in other chats the account's messages share numbers."""
        return self.kind == "channel"

    def peer(self) -> Any:
        """The address for requests."""
        number, _ = utils.resolve_id(self.chat_id)
        if self.kind == "channel":
            return types.InputPeerChannel(number, self.access_hash)
        return types.InputPeerChat(number) if self.kind == "chat" else types.InputPeerUser(number, self.access_hash)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "access_hash": str(self.access_hash)}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> KnownChannel:
        return cls(**{**body, "access_hash": int(body["access_hash"])})


def channel_key(given: str | int) -> str:
    """One spelling for each way to write a channel: a lower-case name, `+hash` for an invitation, or a number.

    Numbers are taken with and without the `-100` in front: `-1001234567890`, `1234567890` and `t.me/c/1234567890/5`
    mean the same channel.
    """
    text = _LINK.sub("", str(given).strip())
    text = text.removeprefix("c/") if text.startswith("c/") else text
    if text.lower().startswith("joinchat/"):
        text = "+" + text[len("joinchat/") :]
    text = text.split("?")[0].split("/")[0]
    if re.fullmatch(r"-?\d+", text):
        return str(int(text))
    return text if text.startswith("+") else text.removeprefix("@").lower()


def possible_ids(key: str) -> tuple[int, ...]:
    """The chat ids that a number may stand for: as written, and as a channel's bare number."""
    number = int(key)
    return (number, -(_CHANNEL_MARK + number), -number) if number > 0 else (number, -(_CHANNEL_MARK - number))


def is_number(key: str) -> bool:
    return key.lstrip("-").isdigit()


async def look_up(client: Any, key: str) -> KnownChannel:
    """Ask Telegram for a name or invitation. Raises `NotFound` with the reason; other errors are the library's."""
    try:
        if key.startswith("+"):
            found = await client(functions.messages.CheckChatInviteRequest(key[1:]))
            if not isinstance(found, types.ChatInviteAlready):
                raise NotFound("the account is not a member: join with the Telegram app, this reader never joins")
            return described(found.chat)
        found = await client(functions.contacts.ResolveUsernameRequest(key))
    except (errors.UsernameNotOccupiedError, errors.UsernameInvalidError):
        raise NotFound(f"there is no @{key} on Telegram") from None
    except (errors.InviteHashExpiredError, errors.InviteHashInvalidError):
        raise NotFound("the invitation is no longer valid") from None
    wanted = utils.get_peer_id(found.peer)
    return next(described(each) for each in [*found.chats, *found.users] if utils.get_peer_id(each) == wanted)


async def chats_of(client: Any) -> dict[int, KnownChannel]:
    """Every chat the account is in, by chat id: the only way to reach a channel of which only the number is known."""
    found = {}
    async for dialog in client.iter_dialogs():
        known = described(dialog.entity)
        found[known.chat_id] = known
    return found


def described(entity: Any) -> KnownChannel:
    """A user, chat or channel of the library in our words."""
    chat_id = int(utils.get_peer_id(entity))
    title = utils.get_display_name(entity)
    if isinstance(entity, types.Channel):
        return KnownChannel("channel", chat_id, entity.access_hash or 0, title, joined=not entity.left)
    if isinstance(entity, types.User):
        return KnownChannel("user", chat_id, entity.access_hash or 0, title)
    return KnownChannel("chat", chat_id, 0, title)
