"""What mails say. Plain text; every mail about safety says what to do when it was not the reader who acted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_NAME = "VerzekAutoTrader"
_NOT_YOU = "If this was not you, set a new password at once and sign out everywhere: {web}/"


class Letter(StrEnum):
    """Every mail there is."""

    VERIFY = "verify"
    KNOWN_ALREADY = "known_already"
    WELCOME = "welcome"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a letter's name
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGED = "email_changed"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - a letter's name
    NEW_DEVICE = "new_device"
    TWO_FACTOR_ON = "two_factor_on"
    TWO_FACTOR_OFF = "two_factor_off"
    KEY_CREATED = "key_created"
    TELEGRAM_LINKED = "telegram_linked"
    DELETED = "deleted"
    TEST = "test"
    NOTICE = "notice"
    SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class Written:
    """One mail, ready to send."""

    subject: str
    text: str


_TEXTS: Mapping[Letter, tuple[str, str]] = {
    Letter.VERIFY: (
        "Confirm your address",
        (
            "Somebody at {address} registered with this address at {at}. If it was you, confirm it: open\n\n"
            "{web}/#/verify-email/{code}\n\nwithin two days, or enter this code:\n\n{code}\n\n"
            "If it was not you, do nothing: no account comes into being."
        ),
    ),
    Letter.KNOWN_ALREADY: (
        "You have an account already",
        (
            "Somebody wanted to use this address for an account, but it has one. To sign in: {web}/\n"
            "If you forgot your password, ask for a new one there.\n\nIf it was not you, there is nothing to do."
        ),
    ),
    Letter.WELCOME: (
        "Welcome",
        (
            "Your account is ready, with a paper account of pretended money at real prices. It trades nothing until you "
            "switch that on: {web}/"
        ),
    ),
    Letter.RESET: (
        "Set a new password",
        (
            "To set a new password, open\n\n{web}/#/reset-password/{code}\n\nwithin 15 minutes, or enter this code:\n\n"
            "{code}\n\nIf you did not ask for this, do nothing: your password stays as it is."
        ),
    ),
    Letter.PASSWORD_CHANGED: (
        "Your password was changed",
        (
            "The password of your account was changed at {at} from {address}. Every other sign-in was ended.\n\n"
            "If this was not you, ask for a new password at once: {web}/"
        ),
    ),
    Letter.CHANGE_EMAIL: (
        "Confirm your new address",
        (
            "To use this address for your account from now on, open\n\n{web}/#/verify-email/{code}\n\n"
            "within two days, or enter this code:\n\n{code}"
        ),
    ),
    Letter.EMAIL_CHANGED: (
        "The address of your account was changed",
        (
            "Your account now belongs to another e-mail address; it was changed at {at}. This is the last mail to the old "
            "one.\n\nIf this was not you, write to whoever runs this installation."
        ),
    ),
    Letter.TOKEN_REUSED: (
        "A sign-in was ended for safety",
        "At {at} somebody at {address} used a token of your sign-in that had been used before. It may have been copied, "
        "so that sign-in was ended.\n\n" + _NOT_YOU,
    ),
    Letter.NEW_DEVICE: (
        "New sign-in",
        "Your account was signed in to at {at} from {address} with\n\n{agent}\n\n" + _NOT_YOU,
    ),
    Letter.TWO_FACTOR_ON: (
        "Two-factor sign-in is on",
        "From now on signing in asks for a code of your authenticator. Keep the backup codes in a safe place.\n\n" + _NOT_YOU,
    ),
    Letter.TWO_FACTOR_OFF: (
        "Two-factor sign-in is off",
        "Signing in no longer asks for a code, since {at}.\n\n" + _NOT_YOU,
    ),
    Letter.KEY_CREATED: (
        "An API key was made",
        "A key named “{name}” was made for your account at {at} from {address}.\n\n" + _NOT_YOU,
    ),
    Letter.TELEGRAM_LINKED: (
        "A Telegram account was linked",
        "A Telegram account was linked to your account at {at}. It may ask and act for you in the chat.\n\n" + _NOT_YOU,
    ),
    Letter.TEST: (
        "Test",
        "This is the mail you asked for at {at}: mails of this installation reach you.",
    ),
    Letter.DELETED: (
        "Your account was deleted",
        "Your account and what was known of you were erased at {at}.",
    ),
    Letter.NOTICE: (
        "Notice",
        "{text}\n\nWhich notices come by mail is your choice: {web}/#/settings",
    ),
    Letter.SUPPORT: (
        "A user asks for help",
        "{name} <{address}> (user {user_id}) wrote at {at}, about: {about}\n\n{quoted}\n\nAnswer to {address}.",
    ),
}  # fmt: skip


def write(letter: Letter, fields: Mapping[str, str], web_address: str) -> Written:
    """The mail with its fields filled in; raises KeyError when one is missing."""
    subject, text = _TEXTS[letter]
    said = {name: _quoted(value) if name == "quoted" else _one_line(value) for name, value in fields.items()}
    filled = text.format_map({"web": web_address, **said})
    return Written(f"{_NAME}: {subject}", f"{filled}\n\n-- \n{_NAME}, {web_address}\n")


def _one_line(value: str) -> str:
    """What others wrote can't add lines to a mail."""
    return " ".join(value.split())[:300]


def _quoted(value: str) -> str:
    """A longer text of others, every line marked as theirs."""
    return "\n".join(f"> {line}" for line in value.strip().splitlines())
