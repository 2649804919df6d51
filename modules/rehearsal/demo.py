"""The demonstration: a rehearsal that needs nothing. With recorded data at hand it uses that, else its own small example.

The example's candles are drawn from a seeded random walk and say so; its messages are written the way channels write.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modules.rehearsal.picture import draw
from modules.rehearsal.report import render
from modules.rehearsal.run import Rehearsal, rehearse_files

_DAY = datetime(2025, 10, 15, tzinfo=UTC)
_MARKETS = {"BTCUSDT": (112_000.0, 0.0016), "ETHUSDT": (4_050.0, 0.0022), "SOLUSDT": (198.0, 0.003)}
_MINUTES = 15
_LAYOUTS = (
    "#{base}/USDT {side}\nEntry: {entry}\nStop Loss: {stop}\nTargets: {t1} - {t2} - {t3}\nLeverage: 10x",
    "📈 {base}USDT {side} (Cross 5X)\nEntry zone {entry}\nTP1 {t1}\nTP2 {t2}\nTP3 {t3}\nSL {stop}",
    "{side} ${base} now, around {entry}\n🎯 {t1} / {t2} / {t3}\n🛑 {stop}",
)


def recorded_data(beside: Path) -> tuple[Path, Path] | None:
    """A channel's messages and a folder of candles beside the project, where somebody put them."""
    messages, candles = beside / "signals" / "verzek_messages.jsonl", beside / "ohlcv"
    return (messages, candles) if messages.is_file() and candles.is_dir() else None


def run_demo(picture: Path, beside: Path) -> str:
    """The rehearsal's text; its picture is written to `picture`."""
    found = recorded_data(beside)
    if found is not None:
        result, heading = rehearse_files(*found), "A real channel's messages over real candles of the same days.\n"
    else:
        with tempfile.TemporaryDirectory(prefix="demo-") as scratch:
            result, heading = (
                rehearse_example(Path(scratch)),
                "An example day. Its prices are made up: a seeded random walk.\n",
            )
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(draw(result))
    return f"{heading}\n{render(result)}\n\npicture: {picture}"


def rehearse_example(folder: Path) -> Rehearsal:
    """Writes the example's files into `folder` and rehearses them."""
    candles = folder / "candles"
    candles.mkdir()
    closes = {symbol: _write_candles(candles, symbol) for symbol in _MARKETS}
    messages = folder / "messages.jsonl"
    messages.write_text("\n".join(json.dumps(each) for each in _messages(closes)), encoding="utf-8")
    return rehearse_files(messages, candles)


def _write_candles(folder: Path, symbol: str) -> list[float]:
    """Four days of 15-minute candles; returns their closes."""
    price, step = _MARKETS[symbol]
    draws = random.Random(symbol)  # noqa: S311 - an example, the same every time
    digits = 2 if price > 1000 else 3
    closes = []
    with (folder / f"{symbol}-15m.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("timestamp", "open", "high", "low", "close", "volume"))
        for number in range(4 * 24 * 60 // _MINUTES):
            opened, price = price, price * (1 + draws.gauss(0, step))
            high = max(opened, price) * (1 + abs(draws.gauss(0, step / 3)))
            low = min(opened, price) * (1 - abs(draws.gauss(0, step / 3)))
            moment = int((_DAY + timedelta(minutes=number * _MINUTES)).timestamp() * 1000)
            rows.writerow(
                (moment, *(round(each, digits) for each in (opened, high, low, price)), round(draws.uniform(10, 90), 3))
            )
            closes.append(round(price, digits))
    return closes


def _messages(closes: dict[str, list[float]]) -> list[dict[str, str]]:
    """Nine calls over two days and a few boasts that prices will not always bear out."""
    draws = random.Random(7)  # noqa: S311
    said: list[dict[str, str]] = []
    for number in range(9):
        symbol = list(_MARKETS)[number % 3]
        index = 12 + number * 20
        entry = closes[symbol][index - 1]
        sign = draws.choice((1, -1))
        risk = entry * 0.012
        digits = 1 if entry > 1000 else 2
        prices = {f"t{k}": round(entry + sign * k * risk * 0.6, digits) for k in (1, 2, 3)}
        text = _LAYOUTS[number % 3].format(
            base=symbol.removesuffix("USDT"),
            side="LONG" if sign > 0 else "SHORT",
            entry=round(entry, digits),
            stop=round(entry - sign * risk, digits),
            **prices,
        )
        at = _DAY + timedelta(minutes=index * _MINUTES, seconds=30)
        said.append({"id": str(number + 1), "at": at.isoformat(), "text": text})
        if number % 2 == 0:
            boast = f"#{symbol} - 🚨 Target {1 + number % 3} reached\n💸 Profit collected {12 + number}.5%"
            later = at + timedelta(hours=5)
            said.append({"id": f"{number + 1}b", "at": later.isoformat(), "text": boast, "reply_to": str(number + 1)})
    return said
