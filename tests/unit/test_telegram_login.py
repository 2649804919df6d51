"""Init data of a Mini App and the Login Widget's fields, signed as Telegram documents it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.accounts.telegram_login import INIT_DATA_LIFETIME, WIDGET_LIFETIME, read_init_data, read_widget

NOW = datetime(2025, 10, 15, 12, 0, tzinfo=UTC)
BOT = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"
USER = {"id": 279058397, "first_name": "Ann", "last_name": "Lee", "username": "ann"}


def init_data(user: object = USER, *, bot: str = BOT, at: datetime = NOW, **more: str) -> str:
    """What a Mini App hands over, by an own reading of the document."""
    fields = {"user": json.dumps(user), "auth_date": str(int(at.timestamp())), "query_id": "AAHdF6IQ", **more}
    key = hmac.new(b"WebAppData", bot.encode(), hashlib.sha256).digest()
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    return urlencode({**fields, "hash": hmac.new(key, text.encode(), hashlib.sha256).hexdigest()})


def widget(*, bot: str = BOT, at: datetime = NOW, **more: str) -> dict[str, str]:
    """What the Login Widget hands over."""
    fields = {"id": "279058397", "first_name": "Ann", "username": "ann", "auth_date": str(int(at.timestamp())), **more}
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    key = hashlib.sha256(bot.encode()).digest()
    return {**fields, "hash": hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}


def test_right_init_data_says_who() -> None:
    found = read_init_data(init_data(), BOT, NOW)
    assert found is not None
    assert (found.telegram_id, found.name, found.username) == (279058397, "Ann Lee", "ann")


def test_fields_that_are_not_known_today_are_signed_too() -> None:
    assert read_init_data(init_data(signature="abc", chat_instance="7", start_param="x"), BOT, NOW) is not None


def test_right_fields_of_the_widget_say_who() -> None:
    found = read_widget(widget(photo_url="https://t.me/i/x.jpg"), BOT, NOW)
    assert found is not None
    assert (found.telegram_id, found.name) == (279058397, "Ann")


@pytest.mark.parametrize("age", [timedelta(0), INIT_DATA_LIFETIME, timedelta(seconds=-60)])
def test_fresh_init_data_is_taken(age: timedelta) -> None:
    assert read_init_data(init_data(at=NOW - age), BOT, NOW) is not None


@pytest.mark.parametrize(
    "age", [INIT_DATA_LIFETIME + timedelta(seconds=1), timedelta(days=400), timedelta(seconds=-61)]
)
def test_old_init_data_and_that_of_tomorrow_prove_nothing(age: timedelta) -> None:
    assert read_init_data(init_data(at=NOW - age), BOT, NOW) is None


def test_old_fields_of_the_widget_prove_nothing() -> None:
    assert read_widget(widget(at=NOW - WIDGET_LIFETIME), BOT, NOW) is not None
    assert read_widget(widget(at=NOW - WIDGET_LIFETIME - timedelta(seconds=1)), BOT, NOW) is None


def test_the_one_is_not_the_other() -> None:
    """Each has a key of its own: what was signed for one is no good for the other."""
    assert read_widget(dict(parse_qsl(init_data())), BOT, NOW) is None
    assert read_init_data(urlencode(widget()), BOT, NOW) is None


@pytest.mark.parametrize("bot", ["", "another:token", BOT + "x"])
def test_another_bot_signed_nothing_for_us(bot: str) -> None:
    assert read_init_data(init_data(bot=bot), BOT, NOW) is None
    assert read_init_data(init_data(bot=""), "", NOW) is None
    assert read_widget(widget(bot=bot), BOT, NOW) is None
    assert read_widget(widget(bot=""), "", NOW) is None


@pytest.mark.parametrize(
    "user",
    [None, [], 5, "x", {}, {"id": "279058397"}, {"id": True}, {"id": 1.5}, {"id": None}, {**USER, "is_bot": True}],
)
def test_data_about_nobody_says_nobody(user: object) -> None:
    assert read_init_data(init_data(user), BOT, NOW) is None


@pytest.mark.parametrize("said", ["", "x", "-1", "1e9", "١٧٦٠٥٢٩٦٠٠", "9" * 40])
def test_a_time_that_is_none(said: str) -> None:
    assert read_init_data(init_data(auth_date=said), BOT, NOW) is None


def test_a_name_said_twice_proves_nothing() -> None:
    data = init_data()
    forged = urlencode({"user": json.dumps({**USER, "id": 1})})
    assert read_init_data(f"{data}&{forged}", BOT, NOW) is None
    assert read_init_data(f"{forged}&{data}", BOT, NOW) is None


@given(st.text(max_size=300))
def test_any_text_is_a_no(text: str) -> None:
    assert read_init_data(text, BOT, NOW) is None


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_any_fields_are_a_no(fields: dict[str, str]) -> None:
    assert read_widget(fields, BOT, NOW) is None


@given(st.data())
def test_whatever_is_changed_breaks_the_signature(data: st.DataObject) -> None:
    fields = dict(parse_qsl(init_data(start_param="abc")))
    name = data.draw(st.sampled_from(sorted(fields)))
    changed = data.draw(st.text(max_size=40).filter(lambda text: text != fields[name]))
    try:
        forged = urlencode({**fields, name: changed})
    except UnicodeEncodeError:
        return
    assert read_init_data(forged, BOT, NOW) is None
    without = urlencode({each: value for each, value in fields.items() if each != name})
    assert read_init_data(without, BOT, NOW) is None
