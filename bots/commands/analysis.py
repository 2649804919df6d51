"""Commands that look at a market: scores, patterns, forecasts, mood, charts. They trade nothing."""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

from bots.chat import Answer, Button, Call, Command, example
from modules.accounts.permissions import Verb
from modules.analysis_views import AnalysisViews
from modules.candles import timeframe_ms
from modules.domain.market import ms_from_utc

_ARROWS = {"BUY": "▲", "SELL": "▼", "HOLD": "■"}

TIMEFRAMES = ("15m", "1h", "4h", "1d")
"""Offered as buttons."""


async def score(call: Call) -> Answer:
    """What nine detectors say, weighed, with their evidence drawn."""
    symbol, timeframe = _market(call, "score BTCUSDT 1h")
    views, at_ms = views_of(call), ms_from_utc(call.now)
    found = await asyncio.to_thread(views.score, symbol, timeframe, at_ms)
    picture = await asyncio.to_thread(views.score_picture, symbol, timeframe, at_ms)
    buttons = (*_other_timeframes("score", symbol, timeframe), (Button("Structure", f"/chart {symbol} {timeframe}"),))
    return Answer("\n".join(_score_lines(found)), buttons, picture)


async def chart(call: Call) -> Answer:
    """Candles with the structure that stands on them."""
    symbol, timeframe = _market(call, "chart BTCUSDT 4h")
    views, at_ms = views_of(call), ms_from_utc(call.now)
    found = await asyncio.to_thread(views.structure, symbol, timeframe, at_ms)
    picture = await asyncio.to_thread(views.picture, symbol, timeframe, at_ms)
    return Answer("\n".join(_structure_lines(found)), _other_timeframes("chart", symbol, timeframe), picture)


async def patterns(call: Call) -> Answer:
    """Momentum, crosses and breakouts."""
    symbol, timeframe = _market(call, "patterns BTCUSDT 4h")
    found = await asyncio.to_thread(views_of(call).patterns, symbol, timeframe, ms_from_utc(call.now))
    lines = [
        f"{_ARROWS[each['signal']]} <b>{each['pattern']}</b>: {escape(each['description'])}\n"
        f"   came true {each['confidence']:.0%} of the time, seen {each['occurrences']} times here"
        for each in found["patterns"]
    ]
    told = lines or ["None of the patterns holds on the last candle."]
    return Answer("\n".join([heading(found), *told]), _other_timeframes("patterns", symbol, timeframe))


async def predict(call: Call) -> Answer:
    """The price a day ahead."""
    symbol, timeframe = _market(call, "predict BTCUSDT 1h")
    found = await asyncio.to_thread(views_of(call).predict, symbol, timeframe, ms_from_utc(call.now))
    past, reach = found["out_of_sample"], found["interval"]
    better = "better" if past["skill"] > 0 else "no better"
    lines = [
        heading(found),
        (
            f"{_ARROWS[found['signal']]} <b>{found['signal']}</b>: {found['current_price']:.8g} → "
            f"{found['predicted_price']:.8g} in {found['hours_ahead']} hours ({found['price_change_pct']:+.1f} %)"
        ),
        f"Four in five outcomes: {reach['low']:.8g} – {reach['high']:.8g}",
        (
            f"Confidence {found['confidence']:.0%}. {past['forecasts']} earlier forecasts here were "
            f"{past['error_percent']:.1f} % off, {better} than expecting no change."
        ),
    ]
    return Answer("\n".join(lines), _other_timeframes("predict", symbol, timeframe))


async def sentiment(call: Call) -> Answer:
    """The market's mood from price, and others' opinions."""
    symbol, timeframe = _market(call, "sentiment BTCUSDT 1h")
    found = await asyncio.to_thread(views_of(call).sentiment, symbol, timeframe, ms_from_utc(call.now))
    opinions = found["opinions"]
    index = opinions["fear_greed"]
    lines = [
        heading(found),
        (
            f"<b>{found['strength']} {found['sentiment']}</b>: {found['bullish_percentage']:.0f} % of candles up, "
            f"{found['bearish_percentage']:.0f} % down"
        ),
        f"Volatility {found['volatility']:.2f} % a candle",
        f"Fear &amp; greed: {index['value']}, {index['classification'].lower()}"
        if index
        else "Fear &amp; greed: not known",
    ]
    lines += [f"• {escape(each['title'])} ({escape(each['source'])})" for each in opinions["headlines"][:3]]
    return Answer("\n".join(lines), _other_timeframes("sentiment", symbol, timeframe))


async def scan(call: Call) -> Answer:
    """All markets that are followed here, ranked."""
    found = await asyncio.to_thread(views_of(call).scan, {}, ms_from_utc(call.now))
    shown = found["opportunities"][:10]
    lines = ["<b>Opportunities</b> on " + ", ".join(found["timeframes"])]
    for place, each in enumerate(shown, start=1):
        arrow = "▲" if each["side"] == "LONG" else "▼"
        lines.append(
            f"{place}. {arrow} <b>{escape(each['symbol'])}</b> {each['side']}, score {each['score']:.2f}, "
            f"confidence {each['confidence']:.0%}, risk {each['risk_level']}"
        )
    if not shown:
        lines.append("None meets the rules now.")
    lines += [f"⚠️ {escape(each['symbol'])}: {escape(each['error'])}" for each in found["failures"][:3]]
    lines.append(f"{len(found['dropped'])} more did not meet the rules.")
    buttons = tuple((Button(f"Score {each['symbol']}", f"/score {each['symbol']} 1h"),) for each in shown[:3])
    return Answer("\n".join(lines), buttons)


async def top_five(call: Call) -> Answer:
    """The best five signals of now, each with its levels."""
    found = await asyncio.to_thread(views_of(call).best_five, ms_from_utc(call.now))
    lines = ["<b>The best five now</b>"]
    for each in found["best"]:
        arrow = "▲" if each["side"] == "LONG" else "▼"
        lines.append(
            f"{each['rank']}. {arrow} <b>{escape(each['symbol'])} {each['timeframe']}</b> {each['side']} "
            f"at {each['entry']:.8g}\n   stop {each['stop']:.8g}, target {each['target']:.8g}, "
            f"{each['risk_reward']:.1f} R; {escape(each['reasons'][0])}"
        )
    if not found["best"]:
        lines.append("No signal passes the filters now.")
    dropped = found["dropped"][:3]
    lines += [
        f"✗ {escape(each['symbol'])} {each['timeframe']}: {escape('; '.join(each['reasons']))}" for each in dropped
    ]
    if len(found["dropped"]) > len(dropped):
        lines.append(f"and {len(found['dropped']) - len(dropped)} more dropped.")
    buttons = tuple(
        (Button(f"Chart {each['symbol']} {each['timeframe']}", f"/chart {each['symbol']} {each['timeframe']}"),)
        for each in found["best"][:3]
    )
    return Answer("\n".join(lines), buttons)


def views_of(call: Call) -> AnalysisViews:
    """The answers over this installation's candles."""
    return AnalysisViews(call.rooms.settings.data_dir / "candles", call.rooms.store)


def _market(call: Call, usage: str) -> tuple[str, str]:
    """The symbol and timeframe written, the timeframe 1h where none is."""
    with example(usage):
        timeframe = call.word(1, "1h").lower()
        timeframe_ms(timeframe)
    return call.word(0).upper().replace("/", ""), timeframe


def _score_lines(found: dict[str, Any]) -> list[str]:
    mark = {"BUY": "🟢", "SELL": "🔴"}.get(found["advice"].rpartition("_")[2], "⚪")
    lines = [
        heading(found),
        f"{mark} <b>{found['advice'].replace('_', ' ')}</b> {found['side']}, score {found['score']:.2f}",
        f"Confidence {found['confidence']:.0%}, consensus {found['consensus']:.0%}, risk {found['risk_level']}",
    ]
    spoken = sorted((p for p in found["parts"] if p["confidence"] > 0), key=lambda part: -abs(part["contribution"]))
    for part in spoken:
        arrow = "▲" if part["direction"] > 0 else "▼"
        lines.append(f"{arrow} {part['detector'].replace('_', ' ')}: {escape(part['reason'])}")
    silent = [part["detector"].replace("_", " ") for part in found["parts"] if not part["confidence"] > 0]
    return lines + ([f"No opinion: {', '.join(silent)}"] if silent else [])


def _structure_lines(found: dict[str, Any]) -> list[str]:
    lines = [heading(found), f"Price {found['price']:.8g}, trend {found['trend']}"]
    if (reach := found["dealing_range"]) is not None:
        lines.append(f"Range {reach['low']:.8g} – {reach['high']:.8g}, price in {reach['zone']}")
    for title, key in (("Order block", "order_blocks"), ("Gap", "fair_value_gaps")):
        lines += [f"{title} {row['direction']}: {row['low']:.8g} – {row['high']:.8g}" for row in found[key][:2]]
    pools = found["liquidity"]
    lines += [f"Liquidity {way}: {pools[way][0]['price']:.8g}" for way in ("above", "below") if pools[way]]
    if found["breaks"]:
        newest = found["breaks"][-1]
        name = "CHoCH" if newest["kind"] == "choch" else "BOS"
        lines.append(f"Last break: {newest['direction']} {name} of {newest['price']:.8g} at {newest['confirmed_at']}")
    return lines


def heading(found: dict[str, Any]) -> str:
    """The first line: which market, and how old its newest candle is when that is more than a bar."""
    text = f"<b>{escape(found['symbol'])} {found['timeframe']}</b> on {escape(found['exchange'])}"
    age = found["age_seconds"]
    if age > 2 * timeframe_ms(found["timeframe"]) / 1000:
        text += f"\n⚠️ The newest candle closed {age / 3600:.0f} hours ago."
    return text


def _other_timeframes(name: str, symbol: str, timeframe: str) -> tuple[tuple[Button, ...], ...]:
    return (tuple(Button(each, f"/{name} {symbol} {each}") for each in TIMEFRAMES if each != timeframe),)


COMMANDS = (
    Command(
        "patterns",
        "momentum, crosses and breakouts",
        "patterns SYMBOL [TIMEFRAME]",
        Verb.READ_ANALYSIS,
        patterns,
        1,
        example="patterns BTCUSDT 4h",
    ),
    Command(
        "predict",
        "the price a day ahead, with its measured error",
        "predict SYMBOL [TIMEFRAME]",
        Verb.READ_ANALYSIS,
        predict,
        1,
        example="predict BTCUSDT 1h",
    ),
    Command(
        "sentiment",
        "the market's mood and others' opinions",
        "sentiment SYMBOL [TIMEFRAME]",
        Verb.READ_ANALYSIS,
        sentiment,
        1,
        example="sentiment BTCUSDT 1h",
    ),
    Command(
        "score",
        "what nine detectors say of a market",
        "score SYMBOL [TIMEFRAME]",
        Verb.READ_ANALYSIS,
        score,
        1,
        example="score BTCUSDT 1h",
    ),
    Command("scan", "all followed markets, ranked", "scan", Verb.READ_ANALYSIS, scan),
    Command("top5", "the five best signals of now, with levels", "top5", Verb.READ_ANALYSIS, top_five),
    Command(
        "chart",
        "candles with their market structure",
        "chart SYMBOL [TIMEFRAME]",
        Verb.READ_ANALYSIS,
        chart,
        1,
        example="chart BTCUSDT 4h",
        aliases=("smc",),
    ),
)
