"""Users, roles and the audit log in the chat: who may, what is asked first, and what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots.chat import Person
from bots.introduction import signed_in_person, telegram_person
from modules.domain.errors import NotAllowed
from modules.domain.people import Role
from tests.unit.test_chat_commands import ADA, BOSS, NOBODY, Talk, yes

OWNER = Person("operator", "local:operator", Role.OWNER)
ADMIN = Person("u-admin", "telegram:9", Role.ADMIN)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    for number, (user_id, role) in enumerate((("operator", "owner"), ("u-admin", "admin"), ("u-ann", "subscriber"))):
        made.store["users"].insert({"id": user_id, "role": role, "created_at": number, **person(user_id)})
    yield made
    made.world.close()


def person(user_id: str) -> dict[str, Any]:
    return {"email": f"{user_id}@example.org", "enabled": True, "name": ""}


def role(talk: Talk, user_id: str = "u-ann") -> str:
    return str((talk.store["users"].get(key=user_id) or {})["role"])


def rows(talk: Talk) -> list[tuple[str, str, str]]:
    return [(row["who"], row["action"], row["via"]) for row in talk.store["audit_log"].all()]


def test_users_are_shown_and_found(talk: Talk) -> None:
    assert "u-ann@example.org" in talk.say("/users", OWNER)
    assert "u-ann@example.org" not in talk.say("/users admin", OWNER)
    assert talk.say("/users nobody here", OWNER) == "There is no such user."


def test_a_role_is_given_after_the_question_and_written_down(talk: Talk) -> None:
    question = talk.ask("/grant u-ann@example.org analyst", ADMIN)
    assert "who is subscriber, analyst?" in question.text
    assert role(talk) == "subscriber"
    assert talk.say(yes(question), ADMIN) == "u-ann@example.org is analyst, on."
    assert role(talk) == "analyst"
    assert rows(talk) == [("u-admin", "user.role", "telegram")]
    assert talk.say(yes(talk.ask("/grant u-ann analyst", ADMIN)), ADMIN).endswith("Nothing changed.")


def test_a_role_is_taken_away_with_every_sign_in(talk: Talk) -> None:
    talk.say(yes(talk.ask("/grant u-ann admin", OWNER)), OWNER)
    session = {"id": "s1", "user_id": "u-ann", "revoked_at": None, "expires_at": 2**50, "last_used_at": 1}
    talk.store["sessions"].insert(session)
    assert talk.say(yes(talk.ask("/revoke u-ann", OWNER)), OWNER) == "u-ann@example.org is subscriber, on."
    assert (talk.store["sessions"].get(key="s1") or {})["revoked_at"] is not None
    assert ("operator", "session.closed_all", "chat") in rows(talk)


@pytest.mark.parametrize(
    ("text", "who", "said"),
    [
        ("/grant u-ann owner", ADMIN, "Only an owner"),
        ("/revoke operator", ADMIN, "Only an owner"),
        ("/revoke operator", OWNER, "last owner"),
    ],
)
def test_rank_counts_in_the_chat_too(talk: Talk, text: str, who: Person, said: str) -> None:
    assert said in talk.say(yes(talk.ask(text, who)), who)
    assert rows(talk) == []


@pytest.mark.parametrize(
    "text", ["/grant u-ann king", "/grant nobody admin", "/revoke nobody", "/audit nobody", "/grant u-ann"]
)
def test_wrong_words_are_answered_at_once(talk: Talk, text: str) -> None:
    answer = talk.ask(text, OWNER)
    assert answer.text.startswith("⚠️")
    assert not answer.buttons


def test_the_audit_log_of_all_and_of_one(talk: Talk) -> None:
    assert talk.say("/audit", OWNER) == "Nothing is written down."
    talk.say("/kill", ADA)
    talk.say(yes(talk.ask("/grant u-ann analyst", ADMIN)), ADMIN)
    everything = talk.say("/audit", OWNER)
    assert "safety.reducing" in everything
    assert "user.role" in everything
    assert "safety.reducing" not in talk.say("/audit u-admin", OWNER)


def test_stats_for_operators(talk: Talk) -> None:
    assert "3 of 3" in talk.say("/stats", BOSS)
    assert "There is no command" in talk.say("/stats", ADA)


# ---- who somebody is ------------------------------------------------------------------------------------------------


def known(talk: Talk, writer: int = 77, name: str = "ann", operators: tuple[str, ...] = ("900", "@boss")) -> Person:
    return telegram_person(talk.store, writer, 77, name, operators)


def test_a_linked_chat_has_its_users_role_and_loses_it_at_once(talk: Talk) -> None:
    assert known(talk).role is None
    talk.store["users"].update({"telegram_id": 77, "role": "admin"}, key="u-ann")
    assert (known(talk).user_id, known(talk).role) == ("u-ann", Role.ADMIN)
    talk.store["users"].update({"role": "read_only"}, key="u-ann")
    assert known(talk).role is Role.READ_ONLY
    assert "There is no command /autotrade" in talk.say("/autotrade on", known(talk))


@pytest.mark.parametrize(("writer", "name"), [(900, ""), (1, "boss")])
def test_operators_by_name_or_number(talk: Talk, writer: int, name: str) -> None:
    found = known(talk, writer, name)
    assert (found.user_id, found.role) == ("operator", Role.OPERATOR)


def test_who_only_resembles_an_operator_is_none(talk: Talk) -> None:
    for writer, name in ((90, ""), (9000, ""), (1, "bosss"), (1, "Boss"), (1, "")):
        assert known(talk, writer, name).role is None


@pytest.mark.parametrize("fields", [{"enabled": False}, {"deleted_at": 5}])
def test_who_was_switched_off_is_answered_once_and_nothing_else(talk: Talk, fields: dict[str, Any]) -> None:
    talk.store["users"].update({"telegram_id": 77, **fields}, key="u-ann")
    for text in ("/start", "/help", "/positions", "/kill"):
        assert talk.say(text, known(talk)) == "⚠️ Your account is closed. Ask whoever runs this service."
    assert talk.store["accounts"].get(key="paper-u-ann") is None


def test_a_guest_is_nobody_to_the_audit_log() -> None:
    with pytest.raises(NotAllowed):
        _ = NOBODY.principal
    assert (ADA.principal.via, OWNER.principal.via) == ("telegram", "chat")


@pytest.mark.parametrize(
    ("fields", "who"),
    [({"role": "admin"}, Role.ADMIN), ({"role": "read_only"}, Role.READ_ONLY), ({"enabled": False}, None)],
)
def test_who_wrote_over_http_is_who_they_are_when_it_is_answered(
    talk: Talk, fields: dict[str, Any], who: Role | None
) -> None:
    talk.store["users"].update(fields, key="u-ann")
    found = signed_in_person(talk.store, "u-ann", "local:u-ann")
    assert (found.role, found.disabled) == (who, who is None)
    assert signed_in_person(talk.store, "u-gone", "local:u-gone").disabled
