"""The chat's analysis commands: what they say, their pictures, and what they say when there is nothing to say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.chat import Answer, Person, Rooms
from bots.commands import TABLE
from modules.candles import CandleStore, SeriesName
from modules.domain.market import ms_from_utc, utc_from_ms
from modules.domain.people import Role
from modules.opinions import FearGreed, Headline, OpinionBook
from modules.records import open_records
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views
from tests.fakes.candle_rest import START_MS, walk
from tests.fakes.clock import ScriptedClock

ADA = Person("tg-1", "telegram:1", Role.SUBSCRIBER)
HOUR_MS = 3_600_000
BARS = 900


class Talk:
    """A chat over a store with two symbols' hours."""

    def __init__(self, folder: Path) -> None:
        self.store = open_records(f"sqlite:///{folder / 'store.db'}", folder)
        self.candles_folder = folder / "candles"
        self.candles = CandleStore(self.candles_folder)
        for number, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
            history = walk(BARS, number + 3, timeframe_ms=HOUR_MS, tick=0.01)
            renamed = type(history)(
                history.timestamp,
                history.open,
                history.high,
                history.low,
                history.close,
                history.volume,
                HOUR_MS,
                symbol,
            )
            self.candles.upsert(SeriesName("binance", symbol, "1h"), renamed)
        self.clock = ScriptedClock(utc_from_ms(START_MS + BARS * HOUR_MS + 60_000))
        settings = Settings(_env_file=None, data_dir=folder)
        board = type("Board", (), {"latest": lambda self, symbol: None})()
        self.rooms = Rooms(
            self.store, Views(self.store, folder), self.clock, board, settings, Intake(self.store, late_after=None)
        )

    def ask(self, text: str, person: Person = ADA) -> Answer:
        return asyncio.run(TABLE.handle(person, text, self.rooms))


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.store.close()


def is_picture(content: bytes | None) -> bool:
    return content is not None and content.startswith(b"\x89PNG") and len(content) > 10_000


def test_a_chart_has_its_picture_its_levels_and_other_timeframes(talk: Talk) -> None:
    answer = talk.ask("/chart btc/usdt 4h")
    assert answer.text.startswith("<b>BTCUSDT 4h</b> on binance\nPrice ")
    assert "Last break: " in answer.text
    assert is_picture(answer.picture)
    assert [button.command for button in answer.buttons[0]] == [f"/chart BTCUSDT {tf}" for tf in ("15m", "1h", "1d")]
    assert "⚠️" not in answer.text


def test_a_score_tells_every_voice_and_draws_its_evidence(talk: Talk) -> None:
    answer = talk.ask("/score ETHUSDT")
    lines = answer.text.splitlines()
    assert lines[0] == "<b>ETHUSDT 1h</b> on binance"
    assert lines[1][0] in "🟢🔴⚪"
    assert lines[-1].startswith("No opinion: ")
    assert {"sentiment", "news", "whales"} <= set(lines[-1].removeprefix("No opinion: ").split(", "))
    assert len(lines) - 4 + len(lines[-1].split(", ")) == 9
    assert is_picture(answer.picture)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/patterns BTCUSDT", r"came true \d+% of the time|None of the patterns holds"),
        ("/predict BTCUSDT", r"in 24 hours \([+-]\d+\.\d %\)\nFour in five outcomes: "),
        ("/sentiment BTCUSDT 4h", r"(STRONG|MODERATE|WEAK) (BULLISH|BEARISH|NEUTRAL)</b>: \d+ % of candles up"),
    ],
)
def test_simple_analytics_are_told_in_a_few_lines(talk: Talk, text: str, says: str) -> None:
    answer = talk.ask(text)
    assert re.search(says, answer.text), answer.text
    assert len(answer.text) < 1000
    assert answer.buttons


def test_a_known_mood_and_headlines_are_shown(talk: Talk) -> None:
    now = ms_from_utc(talk.clock.now())
    OpinionBook(talk.store).add([FearGreed(now - 1, 80, "index"), Headline(now - 1, "A <b> rally", "paper")])
    told = talk.ask("/sentiment ETHUSDT").text
    assert "Fear &amp; greed: 80, extreme greed" in told
    assert "• A &lt;b&gt; rally (paper)" in told


def test_old_candles_are_said_to_be_old(talk: Talk) -> None:
    talk.clock.advance(30 * 3600)
    assert "The newest candle closed 30 hours ago." in talk.ask("/chart BTCUSDT").text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/chart", "Usage: /chart"),
        ("/score", "Usage: /score"),
        ("/score NOPEUSDT", "no candles of NOPEUSDT"),
        ("/predict BTCUSDT 1d", "needs 50"),
        ("/chart NOPEUSDT", "no candles of NOPEUSDT"),
        ("/chart BTCUSDT soon", "not a timeframe"),
        ("/chart BTCUSDT 15m", "no candles of BTCUSDT that make 15m bars"),
        ("/chart ../../etc", "is not a symbol"),
    ],
)
def test_what_cannot_be_answered_says_why(talk: Talk, text: str, says: str) -> None:
    answer = talk.ask(text)
    assert says in answer.text
    assert answer.picture is None


def test_a_scan_ranks_what_is_followed(talk: Talk) -> None:
    text = talk.ask("/scan").text
    assert text.startswith("<b>Opportunities</b> on 15m, 1h, 4h, 1d")
    assert "did not meet the rules" in text
    assert "USDT" in text or "None meets the rules" in text


def test_top_five_has_levels_or_says_why_not(talk: Talk) -> None:
    text = talk.ask("/top5").text
    assert text.startswith("<b>The best five now</b>")
    assert "✗ " in text or "stop " in text


def test_help_lists_the_market_commands(talk: Talk) -> None:
    text = talk.ask("/help").text
    assert all(f"/{name}" in text for name in ("score", "scan", "top5", "chart", "patterns", "predict", "sentiment"))
