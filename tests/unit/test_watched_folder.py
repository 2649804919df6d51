"""The watched folder: each file is one message, taken once; what can't be taken is put aside with the reason."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.watched_folder import WatchedFolder, read_message
from modules.domain.errors import InvalidInput
from tests.flows.world import ENTRY, World


class Folder:
    """A watched folder over a world."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.path = root / "inbox"
        self.path.mkdir()
        self.watched = WatchedFolder(self.path, self.world.stage.intake)

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def put(self, name: str, content: str | bytes | dict[str, Any], *, age: float = 1.0) -> Path:
        """A file that was written so many seconds ago."""
        path = self.path / name
        raw = json.dumps(content) if isinstance(content, dict) else content
        path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
        written = self.now.timestamp() - age
        os.utime(path, (written, written))
        return path

    def names(self, place: str = "") -> list[str]:
        folder = self.path / place
        return sorted(each.name for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []

    def messages(self) -> list[dict[str, Any]]:
        return list(self.world.store["messages"].all())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.world.close()


def test_a_text_file_is_a_message_and_moves_away(folder: Folder) -> None:
    folder.put("btc.txt", ENTRY)
    assert folder.watched.turn(folder.now) == 1
    (message,) = folder.messages()
    assert (message["source"], message["message_id"], message["text"]) == ("folder", "btc", ENTRY)
    assert message["accepted"]
    assert folder.names() == []
    assert folder.names("done") == ["btc.txt"]
    assert folder.watched.turn(folder.now) == 0


def test_a_json_file_has_the_fields_of_the_inbox(folder: Folder) -> None:
    said = folder.now - timedelta(minutes=1)
    fields = {"source": "chan", "message_id": 7, "text": ENTRY, "reply_to": 3, "at": said.isoformat()}
    folder.put("any.json", fields)
    folder.watched.turn(folder.now)
    (message,) = folder.messages()
    assert (message["source"], message["message_id"], message["reply_to"]) == ("chan", "7", "3")
    assert message["at"] == int(said.timestamp() * 1000)


@pytest.mark.parametrize("at", [1760529600000, "2025-10-15T12:00:00Z", "2025-10-15T14:00:00+02:00"])
def test_a_time_is_read_as_milliseconds_or_with_its_zone(folder: Folder, at: object) -> None:
    path = folder.put("a.json", {"text": "hello", "at": at})
    assert read_message(path, folder.now).at == datetime.fromisoformat("2025-10-15T12:00:00+00:00")


def test_files_are_taken_in_the_order_in_which_they_were_written(folder: Folder) -> None:
    folder.put("a.txt", "third", age=1)
    folder.put("c.txt", "first", age=3)
    folder.put("b.txt", "second", age=2)
    folder.watched.turn(folder.now)
    assert [each["text"] for each in folder.messages()] == ["first", "second", "third"]


def test_a_file_still_being_written_and_files_of_other_kinds_are_left(folder: Folder) -> None:
    folder.put("half.txt", "#BTC/US", age=0.05)
    folder.put("notes.md", "x")
    folder.put(".hidden", "x")
    (folder.path / "folder.txt").mkdir()
    assert folder.watched.turn(folder.now) == 0
    assert folder.names() == [".hidden", "half.txt", "notes.md"]
    folder.world.clock.advance(1)
    assert folder.watched.turn(folder.now) == 1


def test_a_link_to_another_file_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere.txt"
    secret.write_text(ENTRY, encoding="utf-8")
    (folder.path / "link.txt").symlink_to(secret)
    folder.world.clock.advance(10)
    assert folder.watched.turn(folder.now) == 0


def test_a_file_taken_again_after_a_kill_is_one_message(folder: Folder) -> None:
    folder.put("btc.txt", ENTRY)
    folder.watched.turn(folder.now)
    (folder.path / "done" / "btc.txt").rename(folder.path / "btc.txt")
    folder.watched.turn(folder.now)
    assert len(folder.messages()) == len(folder.world.store["signals"].all()) == 1
    assert folder.names("done") == ["btc.txt"]


def test_another_text_under_a_used_name_is_refused_aloud(folder: Folder) -> None:
    folder.put("signal.txt", ENTRY)
    folder.watched.turn(folder.now)
    folder.put("signal.txt", ENTRY.replace("BTC", "ETH"))
    folder.watched.turn(folder.now)
    assert len(folder.messages()) == 1
    assert folder.names("refused") == ["signal.txt", "signal.why"]
    assert "new name" in (folder.path / "refused" / "signal.why").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", "   ", "no text"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("a.txt", "x" * 200_001, "larger than"),
        ("a.txt", "x" * 150_000, "longer than"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[1]", 'object with "text"'),
        ("a.json", {"txt": "x"}, 'object with "text"'),
        ("a.json", {"text": 5}, 'object with "text"'),
        ("a.json", {"text": "x", "at": "yesterday"}, "no time"),
        ("a.json", {"text": "x", "at": "2025-10-15T12:00:00"}, "time zone"),
        ("a.json", {"text": "x", "at": 1e30}, "no time"),
    ],
)
def test_what_cannot_be_taken_is_put_aside_with_why_and_holds_up_nothing(
    folder: Folder, name: str, content: Any, why: str
) -> None:
    folder.put(name, content, age=2)
    folder.put("good.txt", "hello", age=1)
    assert folder.watched.turn(folder.now) == 2
    assert folder.names("refused") == [name, "a.why"]
    assert why in (folder.path / "refused" / "a.why").read_text("utf-8")
    assert [each["text"] for each in folder.messages()] == ["hello"]


def test_a_file_that_cannot_be_read_holds_up_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("secret.txt", "x", age=2)
    folder.put("good.txt", "hello", age=1)
    real = Path.read_text

    def guarded(path: Path, *args: Any, **more: Any) -> str:
        if path.name == "secret.txt":
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", guarded)
    folder.watched.turn(folder.now)
    assert [each["text"] for each in folder.messages()] == ["hello"]
    assert "secret.txt" in folder.names("refused")


def test_a_folder_that_is_not_there_is_no_trouble(folder: Folder, tmp_path: Path) -> None:
    assert WatchedFolder(tmp_path / "gone", folder.world.stage.intake).turn(folder.now) == 0
    with pytest.raises(InvalidInput):
        read_message(folder.put("a.json", "{"), folder.now)
