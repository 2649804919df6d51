"""Bodies of sign-in, registration, keys and profile. Secrets have lengths, so that nobody makes the server hash megabytes."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, field_validator, model_validator

from api.bodies.trading import Strict


def _printable(value: str) -> str:
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in value):
        raise ValueError("holds characters that can't be shown")
    return value


Email = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(_printable)]
_LAST_YEAR = 2199
_EMAIL_EXAMPLE = ["ann@example.com"]
_PASSWORD_EXAMPLE = ["a long sentence of your own"]


class OptionalBody(Strict):
    """A body that may be left out."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: object) -> object:
        return {} if value is None else value


class LoginBody(Strict):
    """Who signs in. With `cookie` the refresh token goes into an HttpOnly cookie instead of the answer."""

    email: Email = Field(examples=_EMAIL_EXAMPLE)
    password: Password = Field(examples=_PASSWORD_EXAMPLE)
    totp: Code | None = Field(default=None, description="A code of the authenticator, or a backup code.")
    cookie: bool = False


class TelegramLoginBody(Strict):
    """What Telegram signed: a Mini App's init data, or the Login Widget's fields."""

    init_data: Annotated[str, StringConstraints(min_length=1, max_length=8192)] | None = None
    widget: dict[str, str | int] | None = Field(default=None, max_length=20)
    totp: Code | None = None
    cookie: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> TelegramLoginBody:
        if (self.init_data is None) == (self.widget is None):
            raise ValueError("give either init_data or widget")
        return self


class RefreshBody(OptionalBody):
    """The newest refresh token; without it the cookie counts."""

    refresh_token: Code | None = None


class RegisterBody(Strict):
    """A new user."""

    email: Email = Field(examples=_EMAIL_EXAMPLE)
    password: Password = Field(examples=_PASSWORD_EXAMPLE)
    name: Name = Field(default="", examples=["Ann"])


class EmailBody(Strict):
    """An address."""

    email: Email = Field(examples=_EMAIL_EXAMPLE)


class CodeBody(Strict):
    """A code from a mail."""

    token: Code


class CodePath(Strict):
    """A code from a mail, in the address."""

    token: Code


class NewPasswordBody(Strict):
    """A password to be set."""

    password: Password = Field(examples=_PASSWORD_EXAMPLE)


class ChangePasswordBody(Strict):
    """The old password and the new one."""

    current_password: Password
    new_password: Password = Field(examples=_PASSWORD_EXAMPLE)


class ChangeEmailBody(Strict):
    """The new address, with the password."""

    email: Email = Field(examples=_EMAIL_EXAMPLE)
    password: Password


class PasswordBody(Strict):
    """The password again."""

    password: Password


class TotpBody(Strict):
    """A code of the authenticator."""

    code: Code = Field(examples=["123456"])


class SessionPath(Strict):
    """One session."""

    session_id: str = Field(max_length=64)


class KeyPath(Strict):
    """One API key."""

    key_id: str = Field(max_length=64)


class KeyBody(Strict):
    """A new API key. Without `scopes` it may all that you may, but for what needs a sign-in."""

    name: Name = Field(min_length=1, examples=["my bot"])
    scopes: list[Annotated[str, StringConstraints(max_length=50)]] | None = Field(
        default=None, max_length=50, examples=[["trades.read", "signals.read"]]
    )
    expires_at: datetime | None = Field(default=None, description="ISO-8601 with zone; never without it.")

    @field_validator("expires_at")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a time zone, for example 2026-01-31T12:00:00Z")
        if value is not None and value.year > _LAST_YEAR:
            raise ValueError(f"is after {_LAST_YEAR}; leave it out for a key without end")
        return value


class UserPath(Strict):
    """One user."""

    user_id: str = Field(max_length=100)


class ProfileBody(Strict):
    """What is to change of one's profile; what is left out stays."""

    name: Name | None = None
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, examples=["Europe/Zurich"]
    )
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] | None = Field(
        default=None, examples=["en"]
    )


class PreferencesBody(Strict):
    """A client's own settings: any JSON of at most 16 kB, kept as it is."""

    preferences: dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], JsonValue] = Field(max_length=100)


class DeleteBody(Strict):
    """The password again; who has none writes `confirm`: "delete my account"."""

    password: Password | None = None
    confirm: str | None = Field(default=None, max_length=50)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: Any) -> Any:
        return {} if value is None else value


class SupportBody(Strict):
    """A question to whoever runs this installation."""

    subject: str = Field(default="", max_length=200, examples=["My exchange account"])
    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)] = Field(
        examples=["The key is refused, although it may trade."]
    )


class PageQuery(Strict):
    """A page of a list of one's own."""

    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=100)
