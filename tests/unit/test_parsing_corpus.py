"""The parser against labelled messages of real channels, where they lie beside the project."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modules.domain.parses import Kind, Parse
from modules.signals.parsing import parse, validate

SIGNALS = Path(__file__).resolve().parents[2] / "../shared/data/signals"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SIGNALS.is_dir(), reason="the labelled messages are not beside the project"),
]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SIGNALS / name).read_text(encoding="utf-8").splitlines() if line.strip()]


def tradable(want: dict[str, Any], got: Parse) -> bool:
    def prices(values: Any) -> list[float]:
        return sorted(round(float(value), 10) for value in values)

    stop = None if want["stop_loss"] is None else round(want["stop_loss"], 10)
    return (
        got.kind is Kind.ENTRY
        and got.symbol == want["symbol"]
        and got.side == want["side"]
        and prices(got.entries) == prices(want["entries"])
        and prices(got.targets) == prices(want["targets"])
        and (None if got.stop_loss is None else round(float(got.stop_loss), 10)) == stop
    )


def understood(want: dict[str, Any], got: Parse) -> bool:
    if want["update"] is None:
        return got.kind is not Kind.ENTRY and got.update is None
    same_level = (
        want["update_level"] is None or got.update != want["update"] or got.update_level == want["update_level"]
    )
    same_symbol = not want["symbol"] or got.symbol == want["symbol"]
    return (
        got.kind is Kind.UPDATE
        and got.update in {want["update"], *want.get("update_also", [])}
        and same_level
        and same_symbol
    )


def test_dev_corpus_meets_its_bars() -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for row in rows("corpus_dev.jsonl"):
        want, got = row["expected"], parse(row["text"])
        kind = want["kind"]
        total[kind] += 1
        total["false"] += kind != "entry" and got.kind is Kind.ENTRY
        if kind == "entry" and tradable(want, got):
            right["entry"] += 1
            right["leverage"] += got.as_json()["leverage"] == want["leverage"]
            right["order"] += got.order == want["order"]
            right["range"] += got.entry_range == want["entry_range"]
        right["update"] += kind == "update" and understood(want, got)
        right["none"] += kind == "none" and got.kind is Kind.NONE
    share = {kind: right[kind] / total[kind] for kind in ("entry", "update", "none")}
    print(
        {
            **share,
            "false entries": total["false"],
            **{k: right[k] / right["entry"] for k in ("leverage", "order", "range")},
        }
    )
    assert share["entry"] >= 0.97
    assert share["update"] >= 0.95
    assert share["none"] == 1
    assert total["false"] == 0
    assert right["leverage"] == right["order"] == right["entry"]


EXPECTED = {
    "signal": {"entry"},
    "target": {"target_hit"},
    "stop": {"stop_hit"},
    "close": {"close"},
    "cancel": {"cancel"},
    "all_targets": {"all_targets"},
    "teaser": {"none"},
    "spam_or_other": {"none"},
    "daily_results": {"none"},
    "trade_fill": {"none", "update"},
    "loop_echo": {"entry", "none"},
    "bot_update": {"none", "update", "target_hit", "stop_hit", "move_stop"},
}


def test_one_channel_s_messages_are_told_apart() -> None:
    wrong = []
    for row in rows("verzek_messages.jsonl"):
        got = parse(row["text"])
        said = got.update or got.kind.value
        if row["kind"] in EXPECTED and said not in EXPECTED[row["kind"]]:
            wrong.append((row["id"], said))
    assert not wrong


def test_standard_signals_have_exact_fields() -> None:
    """In this channel leverage times stop distance is about 30 %, and targets are whole steps of half the risk."""
    standard = [row for row in rows("verzek_messages.jsonl") if row["kind"] == "signal" and "Lev x" in row["text"]]
    assert len(standard) >= 72
    for row in standard:
        got = parse(row["text"])
        assert len(got.entries) == 1 and got.stop_loss and got.leverage, row["id"]
        entry = got.entries[0]
        assert Decimal("0.27") < abs(entry - got.stop_loss) / entry * got.leverage < Decimal("0.33"), row["id"]
        assert len(got.targets) == 5, row["id"]
        risk = abs(entry - got.stop_loss)
        for step, target in enumerate(got.targets, start=1):
            assert abs(abs(target - entry) - risk * step / 2) <= risk * Decimal("0.02"), row["id"]
        assert validate(got) is None, row["id"]
        assert got.symbol == row["text"].split("#")[2].split()[0].replace("/", "")


def test_cancels_by_a_reversal_are_marked() -> None:
    marked = [
        parse(row["text"]).opposite_direction
        for row in rows("verzek_messages.jsonl")
        if "opposite direction" in row["text"]
    ]
    assert marked and all(marked)
