"""Messages in the styles of many channels, each with the parse that it must give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modules.signals.parsing import parse

MESSAGES = [
    json.loads(line)
    for line in Path(__file__).with_name("parsing_messages.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", MESSAGES, ids=[row["id"] for row in MESSAGES])
def test_message_is_read_as_labelled(row: dict[str, Any]) -> None:
    want, got = row["expected"], parse(row["text"]).as_json()
    assert got["kind"] == want["kind"] or (
        want["kind"] == "update" and want["update"] is None and got["kind"] == "none"
    ), got["reason"]
    if want["kind"] == "entry":
        for key in ("symbol", "side", "order", "entry_range", "stop_loss", "leverage"):
            assert got[key] == want[key], key
        assert sorted(got["entries"]) == sorted(want["entries"])
        assert sorted(got["targets"]) == sorted(want["targets"])
        assert got["leverage_max"] == want.get("leverage_max")
    elif want["kind"] == "update":
        assert got["update"] in {want["update"], *want.get("update_also", [])}
        assert got["symbol"] == want["symbol"]
        if want["update_level"] is not None and got["update"] == want["update"]:
            assert got["update_level"] == want["update_level"]
        if want["stop_loss"] is not None:
            assert got["stop_loss"] == want["stop_loss"]
