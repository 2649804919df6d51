"""The HTTP door: every answer is JSON of one of two shapes, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.rooms import Rooms
from modules.accounts.first_start import TOKEN_FILE, prepare
from modules.analysis_views import AnalysisViews
from modules.domain.market import Quote
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.views import Views
from tests.flows.world import ENTRY, World


class SilentPrices:
    """A price client that never heard of anything."""

    status = None
    connected = False

    def latest(self, _symbol: str) -> Quote | None:
        return None

    def message_age(self) -> float | None:
        return None

    def feed(self) -> dict[str, Any] | None:
        return None


class Door:
    """The application over a world's store, with the operator's token at hand."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        start = prepare(self.world.store, Settings(data_dir=folder), self.world.clock.now())
        self.token = start.token
        rooms = Rooms(
            store=self.world.store,
            views=Views(self.world.store, folder / "run"),
            intake=Intake(self.world.store, late_after=timedelta(minutes=15)),
            clock=self.world.clock,
            prices=SilentPrices(),  # type: ignore[arg-type]
            settings=Settings(data_dir=folder),
            analysis=AnalysisViews(folder / "candles", self.world.store),
        )
        self.client: FlaskClient = create_app(rooms).test_client()

    def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = self.client.open(path, method=method, headers=headers, **options)
        assert answer.mimetype == "application/json", answer.data[:200]
        body: dict[str, Any] = json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
        assert body["success"] is (answer.status_code < 400)
        if not body["success"]:
            assert set(body) == {"success", "error"}
            assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "fields"}
            assert body["error"]["message"]
            assert "Traceback" not in answer.text
            assert 'File "' not in answer.text
        return answer.status_code, body

    def say(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        body = {"source": "test", "message_id": "1", "text": ENTRY, **fields}
        return self.call("POST", "/api/signals/inbox", json={k: v for k, v in body.items() if v is not ...})


@pytest.fixture(scope="module")
def asked_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One application for all questions that change nothing."""
    made = Door(tmp_path_factory.mktemp("asked"))
    yield made
    made.world.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.world.close()


def test_an_operators_token_that_begins_like_a_key_is_one_all_the_same(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("vzk_k_" + "0" * 41)
    made = Door(tmp_path)
    assert made.call("GET", "/api/positions")[0] == 200
    assert made.call("GET", "/api/positions", headers={"Authorization": "Bearer vzk_k_" + "1" * 41})[0] == 401
    made.world.close()


def test_an_older_forwarder_hands_in_messages_without_numbers(door: Door) -> None:
    body = {"text": ENTRY, "source": "old", "source_type": "telegram"}
    first, again = (door.call("POST", "/api/broadcast/signal", json=body) for _ in range(2))
    assert (first[0], first[1]["kind"], first[1]["duplicate"]) == (202, "entry", False)
    assert (again[1]["signal_id"], again[1]["duplicate"]) == (first[1]["signal_id"], True)
    assert door.call("POST", "/api/broadcast/signal", json={"text": ENTRY})[0] == 422
    news = {"text": "BTC TP1 hit", "source": "old"}
    told = [door.call("POST", "/api/broadcast/signal", json=news)[1]["duplicate"] for _ in range(2)]
    door.world.clock.advance(3600)
    told.append(door.call("POST", "/api/broadcast/signal", json=news)[1]["duplicate"])
    assert told == [False, True, False]  # an hour later the same words are news again
    assert door.call("POST", "/api/broadcast/signal", json=body)[1]["signal_id"] == first[1]["signal_id"]


def test_a_message_is_taken_once(door: Door) -> None:
    status, first = door.say()
    assert status == 202
    assert (first["accepted"], first["duplicate"], first["kind"]) == (True, False, "entry")
    assert first["parse"]["symbol"] == "BTCUSDT"
    for _ in range(3):
        status, again = door.say()
        assert status == 202
        assert again == {**first, "duplicate": True}
    assert len(door.world.store["signals"].all()) == 1


def test_an_edited_message_is_an_update_and_its_repeat_is_none(door: Door) -> None:
    _, first = door.say()
    moved = ENTRY.replace("59000", "59500")
    _, edit = door.say(text=moved, edited=True)
    _, again = door.say(text=moved, edited=True)
    assert (edit["accepted"], edit["signal_id"], edit["duplicate"]) == (True, first["signal_id"], False)
    assert again["duplicate"]
    _, same = door.say(text=ENTRY, edited=False)
    assert same["duplicate"]
    assert len(door.world.events("UpdateReceived")) == 1


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"1", b'"text"', b"NaN", b'{"source": NaN}', b"\xff\xfe", b'{"a":' * 5000, b"[" * 100_000,
     b'{"source": "s", "message_id": ' + b"9" * 5000 + b', "text": "x"}'],
    ids=lambda raw: str(raw[:12]),
)  # fmt: skip
def test_a_malformed_body_is_a_clear_no(door: Door, raw: bytes) -> None:
    status, body = door.call("POST", "/api/signals/inbox", data=raw, content_type="application/json")
    assert status in (400, 415, 422), body
    assert "browser" not in body["error"]["message"]
    assert door.world.store["messages"].all() == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"source": ...}, "source"),
        ({"source": ""}, "source"),
        ({"source": 5}, "source"),
        ({"source": "x" * 201}, "source"),
        ({"source": None}, "source"),
        ({"message_id": True}, "message_id"),
        ({"message_id": 1.5}, "message_id"),
        ({"message_id": []}, "message_id"),
        ({"text": ""}, "text"),
        ({"text": 7}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": "x" * 100_001}, "text"),
        ({"edited": "perhaps"}, "edited"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-01-31T12:00:00"}, "at"),
        ({"at": -1}, "at"),
        ({"at": 1e300}, "at"),
        ({"at": {}}, "at"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_value_is_named(asked_door: Door, fields: dict[str, Any], name: str) -> None:
    status, body = asked_door.say(**fields)
    assert status == 422, body
    assert name in body["error"]["fields"]
    assert asked_door.world.store["messages"].all() == []


@pytest.mark.parametrize("text", ["   \n", "\ud800", "\x00", "я" * 60_000], ids=["blank", "half", "zero", "bytes"])
def test_odd_texts_are_a_yes_or_a_no_but_never_a_fault(door: Door, text: str) -> None:
    status, _ = door.call(
        "POST",
        "/api/signals/inbox",
        data=json.dumps({"source": "s", "message_id": "1", "text": text}),
        content_type="application/json",
    )
    assert status in (202, 422)


@pytest.mark.parametrize("name", ["source", "message_id", "reply_to"])
@pytest.mark.parametrize("value", ["a\ud800b", "a\x00b"])
def test_ids_that_no_store_can_hold_are_a_no(door: Door, name: str, value: str) -> None:
    body = json.dumps({"source": "s", "message_id": "1", "text": "x", name: value})
    status, answer = door.call("POST", "/api/signals/inbox", data=body, content_type="application/json")
    assert status == 422
    assert name in answer["error"]["fields"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/backtest", {"strategy": "a\0b", "symbol": "BTCUSDT"}),
        ("/api/database/create-session", {"name": "a\0b"}),
        ("/api/keys", {"name": "a\0b", "scopes": ["read"]}),
        ("/api/hooks", {"name": "a\0b", "url": "https://example.com/", "events": ["*"]}),
    ],
)
def test_a_zero_character_is_a_wrong_value_and_no_trouble_of_the_store(
    door: Door, path: str, body: dict[str, Any]
) -> None:
    status, answer = door.call("POST", path, data=json.dumps(body), content_type="application/json")
    assert (status, answer["error"]["code"]) == (422, "invalid_input")


def test_unicode_goes_in_and_comes_out(door: Door) -> None:
    text = "🚀 #BTC/USDT ЛОНГ 做多\nEntry: 60000\nStop Loss: 59000\nTargets: 61000"
    _, taken = door.say(text=text, source="канал", message_id="№1")
    status, answer = door.call("GET", f"/api/signals/{taken['signal_id']}")
    assert status == 200
    assert answer["signal"]["source"] == "канал"
    status, listed = door.call("GET", "/api/signals?source=канал")
    assert len(listed["signals"]) == 1


def test_numbers_as_message_ids_are_their_text(door: Door) -> None:
    _, first = door.say(message_id=77)
    _, second = door.say(message_id="77")
    assert second == {**first, "duplicate": True}


def test_a_body_beyond_a_megabyte_is_refused(door: Door) -> None:
    status, body = door.call(
        "POST", "/api/signals/inbox", data=b'{"text": "' + b"x" * 1_100_000 + b'"}', content_type="application/json"
    )
    assert status == 413, body
    assert body["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer é"]
)
def test_without_the_token_nothing_is_told(asked_door: Door, header: str | None) -> None:
    for method, path in (("GET", "/api/positions"), ("POST", "/api/safety/killswitch"), ("GET", "/api/nothing")):
        headers = {} if header is None else {"Authorization": header.format(token=asked_door.token)}
        answer = asked_door.client.open(path, method=method, headers=headers, json={} if method == "POST" else None)
        assert answer.status_code == 401
        assert answer.get_json()["error"]["code"] == "not_signed_in"
    assert asked_door.world.store["safety"].all() == []


def test_health_and_the_description_are_open(door: Door) -> None:
    health = door.client.get("/api/health")
    assert health.status_code == 503  # nothing else runs here
    assert {"status", "version", "trading", "prices", "processes", "store"} <= set(health.get_json())
    assert door.client.get("/api/openapi.json").get_json()["openapi"].startswith("3")


@pytest.mark.parametrize(
    "path", ["/api/positions", "/api/orders", "/api/signals", "/api/events", "/api/sources", "/api/safety/status"]
)
def test_every_list_answers_empty_and_full(door: Door, path: str) -> None:
    assert door.call("GET", path)[0] == 200
    door.world.price("BTCUSDT", "60000")
    door.say()
    door.world.settle()
    status, body = door.call("GET", path)
    assert status == 200
    assert any(body[name] for name in body if name not in ("success", "next_cursor")) or path.endswith("status")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=x", "limit=1e3", "status=perhaps", "unknown=1", "cursor=nonsense",
     "cursor=%00", "cursor=W10=", "cursor=" + "x" * 300, "cursor=..%2F..%2Fetc", "limit=1&limit=x"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/positions", "/api/orders", "/api/signals"])
def test_a_wrong_query_is_a_clear_no(asked_door: Door, path: str, query: str) -> None:
    status, body = asked_door.call("GET", f"{path}?{query}")
    if query == "limit=1&limit=x":
        assert status in (200, 422)
    else:
        assert status == 422, body


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1e400", "limit=0", "kind=Nonsense", "after=" + "9" * 40]
)
def test_a_wrong_event_query_is_a_clear_no(asked_door: Door, query: str) -> None:
    status, body = asked_door.call("GET", f"/api/events?{query}")
    assert status == 422, body


def test_pages_follow_one_another_without_gap_or_repeat(door: Door) -> None:
    door.world.account("a1")
    for number in range(7):
        door.world.price("BTCUSDT", str(60_000 + number))
        door.say(message_id=str(number), text=ENTRY.replace("60000", str(60_000 + number)))
        door.world.settle()
    for path, name in (("/api/orders", "orders"), ("/api/signals", "signals"), ("/api/events", "events")):
        seen: list[Any] = []
        cursor = None
        for _ in range(200):
            following = f"&{'after' if name == 'events' else 'cursor'}={cursor}" if cursor else ""
            _, page = door.call("GET", f"{path}?limit=3{following}")
            seen += [row.get("id") or row["seq"] for row in page[name]]
            cursor = page["next_cursor"]
            if not cursor or not page[name]:
                break
        assert len(seen) == len(set(seen))
        _, whole = door.call("GET", f"{path}?limit=500")
        assert seen == [row.get("id") or row["seq"] for row in whole[name]]


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/api/signals/", "/api/signals/none", "/api/..%2fetc", "/%00"]
)
def test_unknown_paths_answer_in_the_one_shape(door: Door, path: str) -> None:
    status, body = door.call("GET", path)
    assert status == 404, body


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_wrong_method_answers_in_the_one_shape(door: Door, method: str) -> None:
    status, body = door.call(method, "/api/signals/inbox", json={})
    assert status == 405, body


def test_a_wrong_content_type_is_a_clear_no(door: Door) -> None:
    status, _ = door.call(
        "POST", "/api/signals/inbox", data="source=x", content_type="application/x-www-form-urlencoded"
    )
    assert status in (400, 415, 422)


def test_the_kill_switch_stops_and_resumes(door: Door) -> None:
    door.world.account("a1")
    door.world.price("BTCUSDT", "60000")
    status, body = door.call("POST", "/api/safety/killswitch", json={"reason": "too wild"})
    assert (status, body["stage"]) == (200, "reducing")
    door.say()
    door.world.settle()
    assert door.call("GET", "/api/positions?status=all")[1]["positions"] == []
    status, body = door.call("POST", "/api/safety/resume", json={})
    assert (status, body["stage"]) == (200, "active")
    assert door.call("POST", "/api/safety/killswitch", json={"flatten": True})[1]["stage"] == "flatten"
    status, body = door.call("POST", "/api/safety/resume", json={})
    assert (status, body["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize("body", [{"flatten": "x"}, {"reason": 5}, {"reason": "x" * 201}, {"what": 1}])
def test_a_kill_with_wrong_values_says_so(door: Door, body: dict[str, Any]) -> None:
    assert door.call("POST", "/api/safety/killswitch", json=body)[0] == 422


def test_a_kill_without_a_body_still_stops(door: Door) -> None:
    status, body = door.call("POST", "/api/safety/killswitch")
    assert (status, body["stage"]) == (200, "reducing")


def test_positions_have_the_promised_fields(door: Door) -> None:
    door.world.price("BTCUSDT", "60000")
    door.say()
    door.world.settle()
    (row,) = door.call("GET", "/api/positions")[1]["positions"]
    assert {
        "id", "account_id", "symbol", "side", "status", "quantity", "initial_quantity", "average_price", "current_price",
        "stop_loss", "targets", "leverage", "realised_pnl", "unrealised_pnl", "fees", "signal_id", "opened_at", "closed_at",
        "close_reason",
    } <= set(row)  # fmt: skip
    assert row["side"] == "LONG"
    assert isinstance(row["quantity"], str)
    assert {"price", "share", "hit_at"} <= set(row["targets"][0])


def test_a_fault_inside_is_told_without_its_trace(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Views, "orders", broken)
    status, body = door.call("GET", "/api/orders")
    assert status == 500
    assert "secret" not in json.dumps(body)
