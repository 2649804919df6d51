"""How channels are written down by people, and how they are kept between starts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon import types

from modules.connections.telegram_channels import KnownChannel, channel_key, described, possible_ids
from modules.connections.telegram_lane import LaneMemory, _reply_to

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{4,31}", fullmatch=True).filter(lambda name: name.lower() != "joinchat")


@given(
    NAMES, st.sampled_from(["{}", "@{}", "t.me/{}", "https://t.me/{}", "http://www.telegram.me/{}/12", "t.me/{}?x=1"])
)
def test_a_name_has_one_spelling_however_it_is_written(name: str, form: str) -> None:
    assert channel_key(form.format(name)) == name.lower()


@given(st.integers(1, 10**11))
def test_every_way_to_write_a_channels_number_leads_to_its_chat_id(number: int) -> None:
    chat_id = -(10**12 + number)
    for written in (number, str(number), chat_id, str(chat_id), f"https://t.me/c/{number}/99", -number):
        assert chat_id in possible_ids(channel_key(written))


@pytest.mark.parametrize("written", ["https://t.me/+AbC_dEf", "t.me/joinchat/AbC_dEf", "+AbC_dEf"])
def test_an_invitation_keeps_its_letters(written: str) -> None:
    assert channel_key(written) == "+AbC_dEf"


@pytest.mark.parametrize(
    ("entity", "chat_id", "peer"),
    [
        (
            types.Channel(id=5, title="C", photo=None, date=None, access_hash=2**62, left=True),
            -1000000000005,
            types.InputPeerChannel(5, 2**62),
        ),
        (
            types.Chat(id=6, title="G", photo=None, participants_count=1, date=None, version=1),
            -6,
            types.InputPeerChat(6),
        ),
        (types.User(id=7, access_hash=-9, first_name="Ada"), 7, types.InputPeerUser(7, -9)),
    ],
)
def test_what_telegram_describes_survives_being_written_down(entity: object, chat_id: int, peer: object) -> None:
    known = described(entity)
    again = KnownChannel.from_json(json.loads(json.dumps(known.as_json())))
    assert again == known
    assert (again.chat_id, again.peer()) == (chat_id, peer)
    assert again.numbered_without_gaps == (known.kind == "channel")
    assert known.joined == (chat_id != -1000000000005)


@given(st.dictionaries(st.integers(1, 10**6), st.text(max_size=20), max_size=300), st.none() | st.integers(0, 10**6))
def test_a_lanes_memory_survives_being_written_down_and_stays_small(texts: dict[int, str], last: int | None) -> None:
    memory = LaneMemory(last)
    for number, text in texts.items():
        memory.note(number, 0, text)
    assert LaneMemory.from_json(json.loads(json.dumps(memory.as_json()))) == memory
    assert sorted(memory.recent) == sorted(texts)[-100:]


def test_in_a_forum_only_an_answer_is_an_answer() -> None:
    def post(**header: object) -> SimpleNamespace:
        return SimpleNamespace(reply_to=SimpleNamespace(**header) if header else None)

    assert _reply_to(post()) is None
    assert _reply_to(post(reply_to_msg_id=4, forum_topic=False)) == "4"
    assert _reply_to(post(reply_to_msg_id=4, forum_topic=True, reply_to_top_id=None)) is None
    assert _reply_to(post(reply_to_msg_id=9, forum_topic=True, reply_to_top_id=4)) == "9"
