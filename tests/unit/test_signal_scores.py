"""Both scores are kept with every signal, as of the moment it came, once, whatever is killed between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modules.analysis_views import AnalysisViews
from modules.analysis_views.signal_scores import SignalScorer
from modules.domain.market import ms_from_utc
from modules.domain.signals import SourceMessage
from modules.signals.intake import Intake
from modules.views import Views
from tests.unit.test_analysis_chat import Talk

CALL = "#BTC/USDT LONG\nEntry: {}\nStop Loss: {}\nTargets: {} - {}\nLeverage: 5x"


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.store.close()


def scorer(talk: Talk) -> SignalScorer:
    return SignalScorer(talk.store, AnalysisViews(talk.candles_folder, talk.store))


def post(talk: Talk, symbol: str = "BTC") -> str:
    text = CALL.format(100, 90, 110, 120).replace("BTC", symbol)
    now = talk.clock.now()
    taken = Intake(talk.store, late_after=timedelta(minutes=5)).take(
        SourceMessage("test", f"m-{symbol}", text, now, now)
    )
    assert taken.signal_id is not None
    return taken.signal_id


def test_a_signal_is_scored_as_of_when_it_came(talk: Talk) -> None:
    signal_id, views = post(talk), Views(talk.store, Path())
    assert views.signal(signal_id)["scores"] == {"status": "due"}  # type: ignore[index]
    first = scorer(talk)
    assert first.sync(talk.clock.now()) == 1
    assert first.due() == [signal_id]
    talk.clock.advance(3600)
    second = scorer(talk)  # another process, after a kill
    assert second.sync(talk.clock.now()) == 0
    assert second.due() == [signal_id]
    second.score(signal_id)
    kept = views.signal(signal_id)["scores"]  # type: ignore[index]
    assert (kept["status"], kept["symbol"], kept["timeframe"]) == ("scored", "BTCUSDT", "1h")
    assert kept["at"] == ms_from_utc(talk.clock.now() - timedelta(hours=1))
    assert len(kept["parts"]) == 9
    assert {"value", "price", "atr", "volatility", "session", "parts"} <= set(kept["fixed_formula"])
    assert second.due() == []
    before = dict(kept)
    second.score(signal_id)
    assert views.signal(signal_id)["scores"] == before  # type: ignore[index]


def test_without_candles_there_is_no_opinion_and_the_reason(talk: Talk) -> None:
    signal_id = post(talk, "SOL")
    made = scorer(talk)
    made.sync(talk.clock.now())
    made.score(signal_id)
    kept = Views(talk.store, Path()).signal(signal_id)["scores"]  # type: ignore[index]
    assert kept["status"] == "no_opinion"
    assert "no candles of SOLUSDT" in kept["reason"]
    assert made.due() == []
