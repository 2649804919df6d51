"""What clients send to the local chat."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.bodies.trading import Strict

Room = Literal["own", "vip", "trial"]


class ChatMessage(Strict):
    """One line of a person: a command with its slash, or a signal's text."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)] = Field(
        examples=["/positions"]
    )


class ChatQuery(Strict):
    """Messages of a room: the newest, those after a number, or those before one."""

    room: Room = Field(default="own", description="`vip` and `trial` are for staff.")
    after: int | None = Field(default=None, ge=0, lt=2**53)
    before: int | None = Field(default=None, ge=0, lt=2**53)
    limit: int = Field(default=50, ge=1, le=200)


class PicturePath(Strict):
    """A message's picture."""

    room: Room
    number: int = Field(ge=0, lt=2**53)
