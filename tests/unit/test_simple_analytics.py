"""Patterns, the day's forecast, the market's mood and win rates, against plain references and by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.forecasts import forecast
from modules.analysis.indicators import NotEnoughData
from modules.analysis.patterns import find_patterns
from modules.analysis.sentiment import market_sentiment
from modules.analysis.win_probability import ClosedTrade, TooFewTrades, wilson, win_probability
from tests.fakes.drawn_candles import closing
from tests.load.certify import walk

# ---- forecast


def test_a_straight_line_is_continued_and_sure() -> None:
    closes = 100 * np.exp(0.001 * np.arange(200))
    found = forecast(closing(closes, spread=0.01))
    assert found.predicted_price == pytest.approx(closes[-1] * np.exp(0.001 * 24))
    assert found.price_change_pct == pytest.approx(100 * np.expm1(0.024))
    assert (found.signal, found.confidence) == ("BUY", 1.0)
    assert found.low == pytest.approx(found.high)
    assert found.error_percent == pytest.approx(0, abs=1e-9)
    falling = forecast(closing(100 * np.exp(-0.001 * np.arange(200)), spread=0.01))
    assert falling.signal == "SELL"
    flat = forecast(closing(np.full(200, 50.0)))
    assert (flat.signal, flat.confidence, flat.predicted_price) == ("HOLD", 0.0, pytest.approx(50))


def test_the_error_is_that_of_a_plain_rolling_origin() -> None:
    """The same with one least-squares fit an origin."""
    candles = walk(11, 260)
    steps, window = 96, 82  # 24 h of quarters; half of what 96 later closes leave
    logs, errors, still = np.log(candles.close), [], []
    for end in range(window, len(logs) - steps + 1):
        slope, start = np.polyfit(np.arange(window), logs[end - window : end], 1)
        ahead = start + slope * (window - 1 + steps)
        errors.append(logs[end - 1 + steps] - ahead)
        still.append(logs[end - 1 + steps] - logs[end - 1])
    slope, start = np.polyfit(np.arange(window), logs[-window:], 1)
    ahead = start + slope * (window - 1 + steps)
    found = forecast(candles)
    assert found.predicted_price == pytest.approx(np.exp(ahead))
    assert found.tested == len(errors)
    assert found.error_percent == pytest.approx(100 * np.mean(np.abs(errors)))
    assert found.skill == pytest.approx(1 - np.mean(np.abs(errors)) / np.mean(np.abs(still)))
    low, high = np.exp(ahead + np.quantile(errors, [0.1, 0.9]))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    side = np.sign(ahead - logs[-1])
    assert found.confidence == pytest.approx(np.mean((ahead - logs[-1] + np.array(errors)) * side > 0))


def test_the_interval_holds_about_four_in_five_outcomes() -> None:
    inside, asked = 0, 0
    for seed in range(60):
        candles = walk(seed, 700)
        found = forecast(candles[:604])
        inside += found.low <= candles.close[-1] <= found.high
        asked += 1
    assert 0.6 <= inside / asked <= 0.95


def test_too_few_points_and_odd_timeframes_are_said() -> None:
    with pytest.raises(NotEnoughData):
        forecast(closing(np.full(49, 50.0)))
    with pytest.raises(NotEnoughData):
        forecast(walk(1, 100))  # a day of quarters ahead leaves too few to measure
    from dataclasses import replace

    with pytest.raises(ValueError, match="does not divide a day"):
        forecast(replace(walk(1, 300), timeframe_ms=7 * 3_600_000))


# ---- patterns


def names(closes: np.ndarray, spread: float = 0.1) -> set[str]:
    return {each.pattern for each in find_patterns(closing(closes, spread=spread))}


def test_each_pattern_where_it_is_drawn() -> None:
    flat = np.full(400, 100.0)
    assert names(flat) == set()
    up = flat.copy()
    up[-1] = 104
    assert {"Bullish Momentum", "Breakout"} <= names(up)
    down = flat.copy()
    down[-1] = 96
    assert {"Bearish Momentum", "Breakdown"} <= names(down)
    turn = np.concatenate([np.linspace(120, 100, 340), np.linspace(100, 112, 60)])
    crossed = [end for end in range(345, 401) if "Golden Cross" in names(turn[:end])]
    assert crossed
    assert len(crossed) == 3  # told on the bar it happens and on the two after it
    mirror = 220 - turn
    assert [end for end in range(345, 401) if "Death Cross" in names(mirror[:end])] == crossed


def test_confidence_is_how_often_it_came_true_here() -> None:
    """Momentum up that is followed, ten bars on, by a higher close two times of three: (2 + 1) / (3 + 2)."""
    closes = np.full(500, 100.0)
    for start, later in ((360, 108.0), (400, 108.0), (440, 99.0)):
        closes[start] = 104
        closes[start + 1 : start + 12] = later
    closes[-1] = 104
    momentum = next(each for each in find_patterns(closing(closes)) if each.pattern == "Bullish Momentum")
    assert momentum.occurrences == 3
    assert momentum.confidence == pytest.approx(3 / 5)


def test_a_short_history_has_no_patterns_to_tell() -> None:
    with pytest.raises(NotEnoughData):
        find_patterns(closing(np.full(50, 100.0)))


# ---- mood


def test_the_mood_by_hand() -> None:
    closes = 100 * np.exp(np.cumsum([0.0] + [0.01] * 61 + [-0.01] * 39))
    found = market_sentiment(closing(closes))
    assert (found.bullish_percent, found.bearish_percent) == (61, 39)
    assert (found.sentiment, found.strength) == ("BULLISH", "STRONG")  # 0.11 is more than two standard errors of 0.05
    assert found.volatility == pytest.approx(100 * np.std([0.01] * 61 + [-0.01] * 39, ddof=1))
    even = market_sentiment(closing(100 + np.tile([0.0, 1.0], 51)[:101]))
    assert (even.sentiment, even.strength) == ("NEUTRAL", "WEAK")
    still = market_sentiment(closing(np.full(60, 100.0)))
    assert (still.bullish_percent, still.sentiment) == (50, "NEUTRAL")
    with pytest.raises(NotEnoughData):
        market_sentiment(closing(np.full(20, 100.0)))


# ---- win probability


def trades(*pnls: float, symbol: str = "BTCUSDT", side: str = "LONG") -> list[ClosedTrade]:
    return [ClosedTrade(symbol, side, Decimal(str(pnl))) for pnl in pnls]


def test_wilson_against_published_figures() -> None:
    """Newcombe (1998), table of the score interval without continuity correction."""
    for wins, of, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(wins, of) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_the_interval_holds_the_share(of: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, of))
    low, high = wilson(wins, of)
    assert 0 <= low <= wins / of <= high <= 1


def test_win_rates_by_hand() -> None:
    found = win_probability(
        [*trades(10, 20, -10, 30, 0, -5), *trades(-1, -1, symbol="ETHUSDT"), *trades(-9, side="SHORT")],
        "BTCUSDT",
        "LONG",
    )
    assert (found.trades, found.wins, found.win_rate) == (6, 3, 0.5)
    assert (found.average_win, found.average_loss) == (Decimal(20), Decimal("7.5"))
    assert found.risk_reward == pytest.approx(20 / 7.5)
    assert found.break_even == pytest.approx(1 / (1 + 20 / 7.5))
    assert found.recommendation == "NEUTRAL"
    assert win_probability(trades(*[10] * 20), "BTCUSDT", "LONG").recommendation == "TAKE"
    assert win_probability(trades(*[-10] * 20), "BTCUSDT", "LONG").recommendation == "AVOID"
    with pytest.raises(TooFewTrades, match="needs 5"):
        win_probability(trades(1, 2, 3, 4), "BTCUSDT", "LONG")
