"""kill -9 in the middle of a broadcast: every chat gets every line, in order, and at most one of them twice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.notices.outbox import say
from modules.runtime.settings import Settings
from modules.wiring import Core, open_core
from tests.fakes.bot_api import BotApi
from tests.processes.running import ROOT, environment, until

pytestmark = pytest.mark.processes

CHATS = [700 + number for number in range(6)]
LINES = [f"line {number}" for number in range(3)]


class Bot:
    """The broadcast process alone, over a data directory and the double."""

    def __init__(self, folder: Path, api: BotApi) -> None:
        settings = {"TELEGRAM_BOT_TOKEN": api.token, "TELEGRAM_BOT_API": api.base_url, "PRICES": "simulated"}
        self.environment = environment(folder / "var", **settings)
        self.log = folder / "bot.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bots.telegram_bot"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = open_core(Settings(_env_file=None, data_dir=tmp_path / "var"))
    yield made
    made.store.close()


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as server:
        yield server


@pytest.fixture
def bot(tmp_path: Path, api: BotApi) -> Iterator[Bot]:
    made = Bot(tmp_path, api)
    yield made
    if made.process is not None and made.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait(5)


def texts(api: BotApi, chat: int) -> list[str]:
    return [message["text"] for message in api.messages(chat)]


def test_a_killed_broadcast_goes_on_where_it_was(core: Core, api: BotApi, bot: Bot) -> None:
    now = core.clock.now()
    with core.store.transaction() as tx:
        for chat in CHATS:
            for line in LINES:
                say(tx, f"telegram:{chat}", line, line, now)
    slow = api.fail("sendMessage", CHATS[0], hang_up="after", times=1)  # one answer is lost on top of it
    bot.start()
    until(lambda: len(api.accepted("sendMessage")) >= 8, 40, "the broadcast is under way")
    assert bot.end(signal.SIGKILL) == -signal.SIGKILL
    sent_before = len(api.accepted("sendMessage"))
    assert sent_before < len(CHATS) * len(LINES), "killed too late to be in the middle"
    bot.start()
    until(lambda: all(LINES[-1] in texts(api, chat) for chat in CHATS), 30, "every chat has every line", every=0.1)
    until(lambda: {row["status"] for row in core.store["deliveries"].all()} == {"sent"}, 10, "all is noted", every=0.1)
    assert bot.end(signal.SIGTERM) == 0
    for chat in CHATS:
        shown = texts(api, chat)
        counts = Counter(shown)
        assert set(counts) == set(LINES)
        assert sum(counts.values()) - len(LINES) <= (2 if chat == CHATS[0] else 1)
        assert sorted(shown) == shown  # a repeat stands beside its first, so order is kept
    assert slow.times == 0
    assert "Traceback" not in bot.log.read_text("utf-8")


def test_updates_that_came_while_it_was_down_are_answered_once(core: Core, api: BotApi, bot: Bot) -> None:
    for text in ("/start", "/autotrade on", "/risk 2"):
        api.say(text)
    bot.start()
    until(lambda: len([t for t in texts(api, 501) if not t.startswith("/")]) >= 3, 40, "all three are answered")
    assert bot.end(signal.SIGKILL) == -signal.SIGKILL
    bot.start()
    api.say("/balance")
    until(lambda: "USDT" in texts(api, 501)[-1], 40, "the next command is answered")
    assert bot.end(signal.SIGTERM) == 0
    assert sum(text.startswith("Welcome.") for text in texts(api, 501)) == 1
    accounts = [each for each in core.store["accounts"].all() if each["user_id"] == "tg-501"]
    assert [each["settings"]["autotrade"] for each in accounts] == [True]


def test_a_wrong_token_is_a_wrong_setting(core: Core, api: BotApi, bot: Bot) -> None:
    bot.environment["TELEGRAM_BOT_TOKEN"] = "110201543:" + "A" * 35
    bot.start()
    assert bot.process is not None
    assert bot.process.wait(40) == 78
    said = bot.log.read_text("utf-8")
    assert "wrong setting: Telegram refuses TELEGRAM_BOT_TOKEN" in said
    assert "A" * 35 not in said
