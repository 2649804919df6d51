"""The local chat: a terminal that needs no credentials takes messages in, shows what comes of them, and commands."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from bots.local_chat import Terminal, entries
from modules.domain.market import Quote, ms_from_utc
from modules.domain.signals import SourceMessage
from modules.notices.local_channel import deliver_local, post
from modules.notices.outbox import Outbox
from modules.rehearsal.stage import Stage, StageParts
from modules.runtime.settings import Settings
from modules.wiring import open_core
from tests.processes.running import ROOT, environment

ENTRY = "#BTC/USDT LONG\nEntry: 100\nStop Loss: 98\nTargets: 101 - 102\nLeverage: 5x"


class Place:
    """One data directory with a terminal, an executor and a broadcast that are worked by hand."""

    def __init__(self, folder: Path) -> None:
        self.core = open_core(Settings(_env_file=None, data_dir=folder))
        self.store = self.core.store
        kill_file = self.core.settings.kill_file
        self.stage = Stage(StageParts(self.store, self.core.clock, self.core.instruments, kill_file))
        self.terminal = Terminal(self.core, self.stage.board)
        self.outbox = Outbox(self.store)

    def hear(self, line: str) -> str:
        return asyncio.run(self.terminal.hear(line))

    def price(self, *prices: str) -> None:
        for text in prices:
            last, now_ms = Decimal(text), ms_from_utc(self.core.clock.now())
            self.stage.quote(Quote("test", "BTCUSDT", now_ms, now_ms, last, last, last, last, last, last))

    def tell(self) -> None:
        now = self.core.clock.now()
        while self.outbox.turn(now):
            pass
        deliver_local(self.store, now)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.store.close()


def test_a_message_is_taken_traded_and_told_in_the_terminal(place: Place) -> None:
    place.price("100")
    assert place.hear(ENTRY).startswith("→ entry: ")
    place.stage.settle()
    place.price("101", "102")
    place.tell()
    news = place.terminal.news().splitlines()
    assert news[0] == "[VIP 1] 🟢 BTCUSDT LONG"
    mine = [line for line in news if line.startswith("[you ")]
    assert mine[0].startswith("[you 1] 📝 BTCUSDT LONG")
    assert mine[-1].startswith(f"[you {len(mine)} (re 1)] 💰 BTCUSDT: closed at 102")
    assert all("(re 1)" in line for line in mine[1:])
    assert place.terminal.news() == ""


def test_a_button_is_pressed_by_its_number(place: Place) -> None:
    place.price("100")
    place.hear(ENTRY)
    place.stage.settle()
    assert "!1 Close BTCUSDT LONG" in place.hear("/positions")
    assert "!1 Yes, do it  !2 No" in place.hear("!1")
    assert "Closing BTCUSDT LONG" in place.hear("!1")
    place.stage.settle()
    assert place.hear("/positions").startswith("Nothing is open.")


@pytest.mark.parametrize("press", ["!", "!9", "!x", "!²", "!-1"])
def test_a_button_that_is_not_there_leads_to_help(place: Place, press: str) -> None:
    assert "/help COMMAND tells more." in place.hear(press)


def test_what_is_no_signal_is_said(place: Place) -> None:
    assert place.hear("good morning").startswith("→ none: ")
    assert place.hear("") == ""
    assert "longer than" in place.hear("x" * 100_001)


def test_two_messages_in_one_moment_are_two(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = place.core.clock.now()
    monkeypatch.setattr(type(place.core.clock), "now", lambda _clock: moment)
    place.hear("first")
    place.hear("second")
    assert sorted(each["text"] for each in place.store["messages"].all()) == ["first", "second"]


def test_a_new_terminal_shows_the_newest_three_of_a_long_history_then_all_that_comes(place: Place) -> None:
    now = place.core.clock.now()
    with place.store.transaction() as tx:
        for number in range(1, 1101):
            post(tx, "local:vip", f"line {number}", now)
    terminal = Terminal(place.core, place.stage.board)
    assert [line.split("] ")[1] for line in terminal.news().splitlines()] == ["line 1098", "line 1099", "line 1100"]
    with place.store.transaction() as tx:
        for number in range(5):
            post(tx, "local:trial", f"news {number}", now)
    assert len(terminal.news().splitlines()) == 5


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("/help\n", ["/help"]),
        (ENTRY + "\n", [ENTRY]),
        ("a\n\nb\n", ["a\n\nb"]),
        ("/status\nhello\nthere\n!1\n", ["/status", "hello\nthere", "!1"]),
        ("\n \n", []),
        ("no end", ["no end"]),
    ],
)
def test_lines_that_arrive_together_are_one_message_and_commands_stand_alone(typed: str, found: list[str]) -> None:
    assert entries(typed) == found


@pytest.mark.processes
def test_the_terminal_command_answers_what_is_piped_into_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "chat"],
        cwd=ROOT,
        env=environment(tmp_path / "var", PRICES="simulated"),
        input=f"{ENTRY}\n/signals\n/balance\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "→ entry: " in done.stdout
    assert "BTCUSDT  LONG  waiting 0/2" in done.stdout
    assert "10,000.00 USDT" in done.stdout


@pytest.mark.parametrize("source", ["vip", "feed:vip"])
def test_a_source_that_is_called_like_one_of_our_rooms_is_heard(place: Place, source: str) -> None:
    place.hear(ENTRY)
    place.tell()  # our first post in local:vip has the number 1
    now = place.core.clock.now()
    taken = place.stage.take(SourceMessage(source, "1", ENTRY.replace("BTC", "ETH"), now, now))
    assert taken.accepted, taken.reason
