"""The local chat over HTTP and the process that answers it: one room per user, the one table of commands, no answer twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots.chat import Answer, Call, ChatTable, Command, Rooms
from bots.commands import TABLE
from bots.dashboard_chat import DashboardChat
from modules.accounts.permissions import Verb
from modules.domain.people import Principal, Role
from modules.notices.local_channel import post
from modules.notices.questions import ask, claim, interrupted, queued
from modules.runtime.settings import Settings
from modules.views import Views
from tests.contracts.test_http_api import Door
from tests.flows.world import ENTRY

ADA = Principal("ada", Role.SUBSCRIBER, "access_token")
PNG = b"\x89PNG\r\n\x1a\n"


class Conversation:
    """The HTTP door and the answering worker over one store."""

    def __init__(self, folder: Path, table: ChatTable = TABLE) -> None:
        self.door = Door(folder)
        self.folder = folder
        self.store, self.clock = self.door.world.store, self.door.world.clock
        self.table = table
        self.settings = Settings(_env_file=None, data_dir=folder)

    def rooms(self) -> Rooms:
        stage = self.door.world.stage
        return Rooms(self.store, Views(self.store, self.folder), self.clock, stage.board, self.settings, stage.intake)

    def work(self) -> None:
        """The broadcast process until nothing is left to answer."""

        async def turns() -> None:
            chat = DashboardChat(self.table, self.rooms(), asyncio.Event())
            chat.begin(self.clock.now())
            while queued(self.store):
                chat.turn()
                await chat.stop()
            chat.turn()

        asyncio.run(turns())

    def write(self, text: str) -> int:
        status, answer = self.door.call("POST", "/api/chat", json={"text": text})
        assert status == 202, answer
        return int(answer["number"])

    def read(self, **query: Any) -> dict[str, Any]:
        status, answer = self.door.call("GET", "/api/chat", query_string=query)
        assert status == 200, answer
        return answer


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    conversation = Conversation(tmp_path)
    yield conversation
    conversation.store.close()


def test_a_command_is_answered_into_the_room_as_a_reply(talk: Conversation) -> None:
    number = talk.write("/help")
    assert talk.read()["waiting"] is True
    talk.work()
    found = talk.read()
    question, answer = found["messages"]
    assert (question["author"], question["text"], question["markup"]) == ("you", "/help", False)
    assert (answer["author"], answer["reply_to"], answer["markup"]) == ("service", number, True)
    assert "/positions" in answer["text"]
    assert found["waiting"] is False


def test_a_text_becomes_a_signal_of_the_writers_own_source(talk: Conversation) -> None:
    talk.write(ENTRY)
    talk.work()
    answer = talk.read()["messages"][-1]
    assert answer["text"].startswith("<b>entry</b>")
    status, found = talk.door.call("GET", f"/api/signals/{answer['signal_id']}")
    assert (status, found["signal"]["source"]) == (200, "local:operator")


def test_what_asks_first_brings_buttons_that_can_be_pressed_once(talk: Conversation) -> None:
    talk.write("/killall flatten")
    talk.work()
    [yes, no] = talk.read()["messages"][-1]["buttons"][0]
    assert (yes["label"], no["label"]) == ("Yes, do it", "No")
    talk.write(yes["command"])
    talk.write(yes["command"])
    talk.work()
    _, safety = talk.door.call("GET", "/api/safety/status")
    assert any(state["stage"] != "active" for state in safety["states"])
    assert "no longer open" in talk.read()["messages"][-1]["text"]


def test_who_may_not_hand_in_signals_is_told_how_to_write(talk: Conversation) -> None:
    ask(talk.store, ADA, ENTRY, talk.clock.now())
    talk.work()
    [answer] = [each for each in talk.store["local_messages"].all() if each["author"] == "bot"]
    assert answer["chat"] == "local:ada"
    assert "/help" in answer["text"]
    assert not talk.store["signals"].all()


def test_nobody_reads_anothers_room(talk: Conversation) -> None:
    ask(talk.store, ADA, "/help", talk.clock.now())
    talk.work()
    assert talk.read()["messages"] == []


def test_rooms_of_groups_are_for_staff(talk: Conversation) -> None:
    with talk.store.transaction() as tx:
        post(tx, "local:vip", "<b>hello</b>", talk.clock.now())
    assert [each["text"] for each in talk.read(room="vip")["messages"]] == ["<b>hello</b>"]
    talk.store["users"].update({"role": "subscriber"}, key="operator")
    status, answer = talk.door.call("GET", "/api/chat", query_string={"room": "vip"})
    assert (status, answer["error"]["code"]) == (403, "not_allowed")


def test_pages_go_forward_after_a_number_and_back_before_one(talk: Conversation) -> None:
    with talk.store.transaction() as tx:
        for number in range(1, 8):
            post(tx, "local:operator", f"message {number}", talk.clock.now())

    def numbers(**query: Any) -> list[int]:
        return [each["number"] for each in talk.read(**query)["messages"]]

    assert numbers(limit=3) == [5, 6, 7]
    assert numbers(limit=3, before=5) == [2, 3, 4]
    assert numbers(limit=3, after=2) == [3, 4, 5]
    assert talk.read(limit=3, after=2)["next_cursor"] == "5"
    assert talk.read(limit=3, after=5)["next_cursor"] is None
    assert talk.door.call("GET", "/api/chat", query_string={"after": 1, "before": 5})[0] == 422


def test_pictures_come_only_out_of_the_folder_of_pictures(tmp_path: Path) -> None:
    async def draw(_call: Call) -> Answer:
        return Answer("a chart", picture=PNG)

    table = ChatTable((Command("chart", "draws", "chart", Verb.READ_ANALYSIS, draw),))
    talk = Conversation(tmp_path, table)
    talk.write("/chart")
    talk.work()
    answer = talk.read()["messages"][-1]
    assert answer["picture"] is True
    headers = {"Authorization": f"Bearer {talk.door.token}"}
    found = talk.door.client.get(f"/api/chat/pictures/own/{answer['number']}", headers=headers)
    assert (found.status_code, found.content_type, found.data) == (200, "image/png", PNG)
    found.close()
    assert talk.door.call("GET", "/api/chat/pictures/own/1")[0] == 404
    assert talk.door.client.get(f"/api/chat/pictures/own/{answer['number']}").status_code == 401
    with talk.store.transaction() as tx:
        number = post(tx, "local:operator", "x", talk.clock.now(), picture=str(tmp_path / "operator.token"))
    assert talk.door.call("GET", f"/api/chat/pictures/own/{number}")[0] == 404
    talk.store.close()


def test_what_a_kill_interrupted_is_said_and_not_done_again(talk: Conversation) -> None:
    talk.write("/killall")
    [question] = queued(talk.store)
    assert claim(talk.store, question)
    assert not claim(talk.store, question)
    talk.work()
    assert not interrupted(talk.store)
    assert "interrupted" in talk.read()["messages"][-1]["text"]
    assert len(talk.read()["messages"]) == 2


def test_a_failing_command_is_answered_and_the_next_goes_on(tmp_path: Path) -> None:
    async def fail(_call: Call) -> Answer:
        raise KeyError("broken")

    async def well(_call: Call) -> Answer:
        return Answer("well")

    commands = (
        Command("fail", "fails", "fail", Verb.READ_ANALYSIS, fail),
        Command("well", "works", "well", Verb.READ_ANALYSIS, well),
    )
    talk = Conversation(tmp_path, ChatTable(commands))
    talk.write("/fail")
    talk.write("/well")
    talk.work()
    answers = [each["text"] for each in talk.read()["messages"] if each["author"] == "service"]
    assert "went wrong" in answers[0]
    assert answers[1] == "well"
    talk.store.close()


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": " "}, {"text": "x" * 4001}, {"text": 1}, {"text": "a", "b": 1}]
)
def test_a_wrong_body_is_refused(talk: Conversation, body: dict[str, Any]) -> None:
    assert talk.door.call("POST", "/api/chat", json=body)[0] == 422
    assert not queued(talk.store)
