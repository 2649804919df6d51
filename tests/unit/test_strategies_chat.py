"""Strategies in the chat: made by buttons or from JSON, switched after a question, and asked what they say now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.chat import Answer, Person, Rooms
from bots.commands import TABLE
from modules.accounts.first_start import paper_account
from modules.candles import CandleStore, SeriesName
from modules.domain.market import utc_from_ms
from modules.domain.people import Role
from modules.records import open_records, to_document
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.strategies.builtin import builtin_names
from modules.views import Views
from tests.fakes.candle_rest import START_MS, walk
from tests.fakes.clock import ScriptedClock

ADA = Person("ada", "telegram:1", Role.SUBSCRIBER)
BOB = Person("bob", "telegram:2", Role.SUBSCRIBER)
EVE = Person("eve", "telegram:3", Role.READ_ONLY)
HOUR_MS, BARS = 3_600_000, 700


class Talk:
    """A chat over a store with one symbol's hours."""

    def __init__(self, folder: Path) -> None:
        self.store = open_records(f"sqlite:///{folder / 'store.db'}", folder)
        history = walk(BARS, 3, timeframe_ms=HOUR_MS, tick=0.01)
        CandleStore(folder / "candles").upsert(SeriesName("binance", "BTCUSDT", "1h"), history)
        self.clock = ScriptedClock(utc_from_ms(START_MS + BARS * HOUR_MS + 60_000))
        settings = Settings(_env_file=None, data_dir=folder)
        self.store["accounts"].upsert(to_document(paper_account("ada", settings, self.clock.now())))
        board = type("Board", (), {"latest": lambda self, symbol: None})()
        self.rooms = Rooms(
            self.store, Views(self.store, folder), self.clock, board, settings, Intake(self.store, late_after=None)
        )

    def ask(self, text: str, person: Person = ADA) -> Answer:
        return asyncio.run(TABLE.handle(person, text, self.rooms))

    def press(self, answer: Answer, label: str, person: Person = ADA) -> Answer:
        """Pressing the button of that name."""
        found = {button.label: button.command for row in answer.buttons for button in row}
        assert all(len(command.encode()) <= 64 for command in found.values())
        return self.ask(found[label], person)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.store.close()


def test_a_strategy_is_made_by_buttons_alone_and_switched_on_after_a_question(talk: Talk) -> None:
    answer = talk.ask("/strategies")
    for label in ("Make one", "Moving-average cross", "BTCUSDT", "1h", "1 %"):
        answer = talk.press(answer, label)
    assert answer.text.startswith("Kept <b>Moving-average cross BTCUSDT 1h</b>")
    question = talk.press(answer, "On")
    assert "open and close trades by itself" in question.text
    assert "decides from the next closed 1h candle" in talk.press(question, "Yes, do it").text
    listed = talk.ask("/strategies")
    assert "🟢 1. <b>Moving-average cross BTCUSDT 1h</b> BTCUSDT 1h" in listed.text
    assert "is off" in talk.press(listed, "1. Off").text
    (kept,) = talk.store["strategies"].all()
    assert (kept["user_id"], kept["enabled"], kept["whole"]["position_size"]["mode"]) == ("ada", False, "risk_percent")


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_can_be_made_in_one_line_and_asked(talk: Talk, name: str) -> None:
    assert talk.ask(f"/newstrategy {name} btc/usdt 1h 0.5").text.startswith("Kept")
    said = talk.ask("/strategy 1 check").text
    assert "BTCUSDT</b>" in said
    assert "BUY:" in said


def test_only_timeframes_that_suit_are_offered(talk: Talk) -> None:
    offered = talk.ask("/newstrategy choch_breakout BTCUSDT").buttons
    assert [button.label for row in offered for button in row] == ["15m", "1h"]


def test_what_it_says_now_shows_each_condition(talk: Talk) -> None:
    document = {
        "name": "mine",
        "symbols": ["BTCUSDT", "XRPUSDT"],
        "conditions": [
            {"type": "price", "operator": ">", "value": 0},
            {"type": "price", "operator": ">", "other": {"type": "order_block", "output": "bullish_low"}, "shift": 600},
            {"type": "rsi", "operator": ">", "value": 100},
        ],
    }
    talk.ask(f"/newstrategy {json.dumps(document)}")
    said = talk.ask("/strategy mine").text
    assert "✅ price(close) &gt; 0" in said
    assert "✗ rsi(14) &gt; 100" in said
    assert "<b>NONE</b>" in said
    assert "⚠️ XRPUSDT: no candles" in said
    assert "conditions" in talk.ask("/strategy mine show").text


def test_its_trades_are_shown_as_a_picture(talk: Talk) -> None:
    made = talk.ask("/newstrategy ma_cross BTCUSDT 1h 1")
    shown = talk.press(made, "Chart")
    assert shown.picture is not None
    assert shown.picture.startswith(b"\x89PNG")


def test_mistakes_are_told_by_their_places(talk: Talk) -> None:
    said = talk.ask('/newstrategy {"name": "x", "conditions": [{"type": "rsi", "operator": "=>", "value": 3}]}').text
    assert "<code>conditions[0].operator</code>" in said
    assert "not JSON" in talk.ask("/newstrategy {oops").text
    assert "There is no strategy martingale" in talk.ask("/newstrategy martingale").text
    assert "no timeframe" in talk.ask("/newstrategy ma_cross BTCUSDT 7h").text
    assert "no percentage" in talk.ask("/newstrategy ma_cross BTCUSDT 1h much").text
    assert "position_size.value" in talk.ask("/newstrategy ma_cross BTCUSDT 1h 300").text


def test_nobody_reaches_anothers_and_readers_change_nothing(talk: Talk) -> None:
    talk.ask("/newstrategy ma_cross BTCUSDT 1h 1")
    (kept,) = talk.store["strategies"].all()
    for text in (f"/strategy {kept['id']} on", "/strategy 1 delete", f"/strategy {kept['id']} check"):
        assert "no such strategy" in talk.ask(text, BOB).text
    assert "no command" in talk.ask("/newstrategy ma_cross BTCUSDT 1h 1", EVE).text
    assert "You have no strategy yet" in talk.ask("/strategies", EVE).text


def test_deleting_asks_first(talk: Talk) -> None:
    talk.ask("/newstrategy ma_cross BTCUSDT 1h 1")
    question = talk.ask("/strategy 1 delete")
    assert "Delete <b>" in question.text
    assert talk.store["strategies"].count() == 1
    assert "is deleted" in talk.press(question, "Yes, do it").text
    assert talk.store["strategies"].count() == 0


def test_indicators(talk: Talk) -> None:
    assert "no indicator yet" in talk.ask("/indicators").text
    assert "Kept <b>Stretch</b>" in talk.ask("/indicator Stretch = close / mean(close, 20)").text
    assert "close / mean(close, 20)" in talk.ask("/indicators").text
    assert "at character" in talk.ask("/indicator Bad = close // 2").text
    assert "NAME = FORMULA" in talk.ask("/indicator only three words").text
