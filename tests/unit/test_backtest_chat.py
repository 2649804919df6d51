"""Backtests in a chat: what is understood, what is answered at once with a picture, and what comes later as a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots.chat import Answer, Person, Rooms
from bots.commands import TABLE
from bots.commands.backtests import read_wish
from modules.domain.errors import InvalidInput
from modules.domain.people import Role
from modules.notices.local_channel import deliver_local, messages_after
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views
from tests.contracts.backtest_objects import RULES
from tests.unit.backtest_house import House

ADA = Person("ada", "local:ada", Role.SUBSCRIBER, message_id="12")
BOB = Person("bob", "local:bob", Role.SUBSCRIBER)
EVE = Person("eve", "local:eve", Role.READ_ONLY)
RSI = {"all": [{"type": "rsi", "operator": "<", "value": 30}]}


class Talk:
    """A chat over a house with candles."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        settings = Settings(_env_file=None, data_dir=folder)
        board = type("Board", (), {"latest": lambda self, symbol: None})()
        store = self.house.store
        self.rooms = Rooms(
            store, Views(store, folder), self.house.clock, board, settings, Intake(store, late_after=None)
        )

    def ask(self, text: str, person: Person = ADA, *, worked: bool = True) -> Answer:
        if not worked:
            return asyncio.run(TABLE.handle(person, text, self.rooms))
        with self.house.at_work():
            return asyncio.run(TABLE.handle(person, text, self.rooms))


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.house.close()


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ('BTCUSDT "rsi<30" 30d', {"strategy": {"name": "rsi<30", "entry": RSI}, "days": 30}),
        ("btc/usdt “rsi<30” 2w", {"strategy": {"name": "rsi<30", "entry": RSI}, "days": 14}),
        ("BTCUSDT rsi<30", {"strategy": {"name": "rsi<30", "entry": RSI}, "days": 30}),
        ("BTCUSDT rsi < 30 1y 4h", {"strategy": {"name": "rsi < 30", "entry": RSI}, "days": 365, "timeframe": "4h"}),
        (
            'BTCUSDT "rsi<30" 90d 4h exit "rsi>70" sl 5% tp 10 short',
            {
                "strategy": {
                    "name": "rsi<30", "entry": RSI, "stop_loss_pct": 5.0, "take_profit_pct": 10.0, "action": "SELL",
                    "exit": {"all": [{"type": "rsi", "operator": ">", "value": 70}]},
                },
                "days": 90, "timeframe": "4h",
            },
        ),
        ("BTCUSDT rsi_mean_reversion 90d", {"strategy": "rsi_mean_reversion", "days": 90}),
        ("BTCUSDT ma_cross 1d 2y", {"strategy": "ma_cross", "days": 730, "timeframe": "1d"}),
        (
            "BTCUSDT sma20 crosses_above sma50 60d",
            {
                "strategy": {
                    "name": "sma20 crosses_above sma50",
                    "entry": {"all": [{"type": "sma", "period": 20, "operator": "crosses_above",
                                       "other": {"type": "sma", "period": 50}}]},
                },
                "days": 60,
            },
        ),
    ],
)  # fmt: skip
def test_a_command_is_understood(text: str, wish: dict[str, Any]) -> None:
    assert read_wish(text) == {"symbols": ["BTCUSDT"], "picture": True, **wish}


@pytest.mark.parametrize(
    "text",
    ["BTCUSDT", '"rsi<30"', 'BTCUSDT "rsi<30" sideways', 'BTCUSDT "rsi<30" exit', 'BTCUSDT "rsi<30" sl much',
     "BTCUSDT ma_cross sl 5%", 'BTCUSDT "rsi is low"'],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_wish(text)


def test_a_short_test_is_answered_with_its_figures_its_warnings_and_a_picture(talk: Talk) -> None:
    answer = talk.ask('/backtest BTCUSDT "rsi<45" 60d exit "rsi>55" sl 5%')
    assert "<b>rsi&lt;45</b> on BTCUSDT 1h" in answer.text
    for words in ("Total return", "Deepest drawdown", "Trades", "Buy and hold", "Assumed: ", "⚠️"):
        assert words in answer.text
    assert answer.picture is not None
    assert answer.picture.startswith(b"\x89PNG")
    assert any(button.command == '/backtest BTCUSDT "rsi<45" exit "rsi>55" sl 5% 90d' for button in answer.buttons[0])


def test_a_long_test_says_so_and_its_answer_comes_as_a_reply(talk: Talk) -> None:
    answer = talk.ask('/backtest BTCUSDT "rsi<45" 30d exit "rsi>55"', worked=False)
    assert "comes here when it is ready" in answer.text
    assert answer.picture is None
    talk.house.work()
    deliver_local(talk.house.store, talk.house.now)
    (message,) = messages_after(talk.house.store, "local:ada", 0)
    assert message["reply_to"] == "12"
    assert "rsi&lt;45" in message["text"]
    assert Path(message["picture"]).read_bytes().startswith(b"\x89PNG")
    deliver_local(talk.house.store, talk.house.now)
    assert len(messages_after(talk.house.store, "local:ada", 0)) == 1


def test_a_waiting_test_is_called_off_by_its_owner_only(talk: Talk) -> None:
    (button,) = talk.ask("/backtest BTCUSDT ma_cross 30d", worked=False).buttons[0]
    assert "no such job" in talk.ask(button.command, BOB, worked=False).text
    assert "called off" in talk.ask(button.command, worked=False).text
    assert talk.house.work() == []


def test_no_data_is_said_and_nothing_is_made_up(talk: Talk) -> None:
    assert "no data for NOPEUSDT 1h from" in talk.ask('/backtest NOPEUSDT "rsi<30"').text
    assert "built-in" in talk.ask("/backtest BTCUSDT astrology").text
    assert "entry.all[0].type" in talk.ask('/backtest BTCUSDT "karma<30"').text


def test_ones_own_strategy_is_found_by_its_name(talk: Talk) -> None:
    from modules.domain.people import Principal
    from modules.strategy_book.book import StrategyBook, Who

    who = Who(Principal("ada", Role.SUBSCRIBER, "chat"), talk.house.now)
    StrategyBook(talk.house.store).create(who, {**RULES, "name": "Mine"})
    assert "<b>Mine</b>" in talk.ask("/backtest BTCUSDT mine 60d").text
    assert "built-in" in talk.ask("/backtest BTCUSDT mine 60d", BOB).text


def test_without_words_the_newest_are_listed_with_an_example(talk: Talk) -> None:
    assert "tested nothing yet" in talk.ask("/backtest", worked=False).text
    talk.ask("/backtest BTCUSDT ma_cross 30d")
    assert "backtest of ma_cross on BTCUSDT, 30 days" in talk.ask("/backtest", worked=False).text
    assert "Example: /backtest BTCUSDT" in talk.ask("/backtest", worked=False).text


def test_who_may_only_read_runs_nothing(talk: Talk) -> None:
    assert "no command" in talk.ask("/backtest BTCUSDT ma_cross", EVE, worked=False).text
