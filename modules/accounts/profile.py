"""One's own profile: what is shown of a user, and what they may change of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from database import Document, InvalidDocument
from modules.accounts import attempts, audit
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.office import Caller, Office, shown
from modules.accounts.two_factor import is_on
from modules.domain.errors import Conflict, InvalidInput, NotFound, TooMany
from modules.domain.market import iso_from_ms
from modules.domain.people import Principal

MOST_PREFERENCES = 16_384
_TEST_MAILS_PER_HOUR = 3
_QUESTIONS_PER_HOUR = 5
_HOUR = timedelta(hours=1)


class Profile:
    """Shows and changes one's own."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def of(self, user_id: str) -> dict[str, Any]:
        """The profile. Raises NotFound."""
        return profile_row(self._user(user_id))

    def change(self, who: Principal, fields: Mapping[str, str], caller: Caller) -> dict[str, Any]:
        """Sets name, time zone or language; the profile after it. Raises InvalidInput for a zone that does not exist."""
        zone = fields.get("time_zone")
        if zone is not None and zone not in available_timezones():
            raise InvalidInput(
                "There is no such time zone.", fields={"time_zone": "is no time zone, as in Europe/Zurich"}
            )
        now = self._office.now()
        with self._store.transaction() as tx:
            user = self._user(who.user_id)
            before = {name: user.get(name) for name in fields}
            tx["users"].update(dict(fields), key=who.user_id)
            audit.record(tx, who, "user.profile", f"user:{who.user_id}", now=now, origin=caller.address,
                         before=before, after=fields)  # fmt: skip
        return self.of(who.user_id)

    def preferences(self, user_id: str) -> dict[str, Any]:
        """What the user's clients keep here."""
        kept: dict[str, Any] = self._user(user_id).get("preferences") or {}
        return kept

    def set_preferences(self, who: Principal, preferences: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces what the user's clients keep. Raises InvalidInput when it is too much."""
        if len(json.dumps(preferences, ensure_ascii=False).encode()) > MOST_PREFERENCES:
            raise InvalidInput("Too much.", fields={"preferences": f"is more than {MOST_PREFERENCES} bytes"})
        try:
            self._store["users"].update({"preferences": dict(preferences)}, key=self._user(who.user_id)["id"])
        except InvalidDocument as error:
            raise InvalidInput("This can't be kept.", fields={"preferences": str(error)[:200]}) from error
        return self.preferences(who.user_id)

    def send_test_mail(self, who: Principal) -> None:
        """Queues a mail to one's own address. Raises Conflict without one, TooMany after a few within the hour."""
        now = self._office.now()
        self._queue(who, self._address_of(who), Letter.TEST, _TEST_MAILS_PER_HOUR, {"at": shown(now)})

    def ask_for_help(self, who: Principal, about: str, message: str) -> None:
        """Queues a mail to whoever runs this installation, with one's own address to answer to.

        Raises Conflict without an address of one's own, TooMany after a few within the hour.
        """
        user, now = self._user(who.user_id), self._office.now()
        fields = {
            "name": str(user.get("name") or "A user"), "address": self._address_of(who), "user_id": who.user_id,
            "at": shown(now), "about": about or "nothing in particular", "quoted": message,
        }  # fmt: skip
        self._queue(who, self._office.settings.admin_email, Letter.SUPPORT, _QUESTIONS_PER_HOUR, fields)

    def _address_of(self, who: Principal) -> str:
        email = self._user(who.user_id).get("email")
        if not email:
            raise Conflict("Your account has no address to write to.", code="no_address")
        return str(email)

    def _queue(self, who: Principal, to: str, letter: Letter, most: int, fields: Mapping[str, str]) -> None:
        now = self._office.now()
        with self._store.transaction() as tx:
            if attempts.allowed(tx, letter.value, who.user_id, most=most, per=_HOUR, now=now):
                post(tx, to, letter, now, fields=fields, user_id=who.user_id)
                return
        raise TooMany("That is enough for this hour.", retry_after_seconds=int(_HOUR.total_seconds()))

    def _user(self, user_id: str) -> Document:
        user = self._store["users"].get(key=user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user


def profile_row(user: Mapping[str, Any]) -> dict[str, Any]:
    """What a user sees of themselves; no secret, and nothing a secret could be found from."""
    return {
        "id": user.get("id"),
        "email": user.get("email"),
        "name": user.get("name") or "",
        "role": user.get("role"),
        "time_zone": user.get("time_zone") or "UTC",
        "language": user.get("language") or "en",
        "two_factor": is_on(user.get("two_factor")),
        "telegram_linked": user.get("telegram_id") is not None,
        "has_password": bool(user.get("password_hash")),
        "created_at": iso_from_ms(user.get("created_at")),
    }
