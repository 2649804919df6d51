"""What every request meets: its id, headers, limits, strict JSON and the one shape of every no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.trading_house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, rate_user_per_minute=5, rate_address_per_minute=4, rate_auth_per_minute=2)
    yield made
    made.close()


def test_a_request_id_is_taken_over_when_it_is_one(house: House) -> None:
    def told(given: str | None) -> str:
        headers = {"X-Request-ID": given} if given else {}
        return house.client.get("/api/health", headers=headers).headers["X-Request-ID"]

    assert told("abc-123_x.y") == "abc-123_x.y"
    for odd in (None, "a b", "x" * 65, "<script>"):
        fresh = told(odd)
        assert fresh != odd
        assert len(fresh) == 16
    assert told(None) != told(None)


@pytest.mark.parametrize("path", ["/api/health", "/api/positions", "/api/nothing", "/api/openapi.json"])
def test_every_answer_says_what_a_browser_may_do_with_it(house: House, path: str) -> None:
    headers = house.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers
    assert "Access-Control-Allow-Origin" not in headers


def test_https_is_told_to_stay_by_a_trusted_proxy_only(house: House, tmp_path: Path) -> None:
    told = {"X-Forwarded-Proto": "https"}
    assert "Strict-Transport-Security" not in house.client.get("/api/health", headers=told).headers
    (tmp_path / "p").mkdir()
    behind = House(tmp_path / "p", trust_proxy=1)
    assert "Strict-Transport-Security" in behind.client.get("/api/health", headers=told).headers
    assert "Strict-Transport-Security" not in behind.client.get("/api/health").headers
    behind.close()


def test_other_sites_read_answers_only_where_they_are_named(tmp_path: Path) -> None:
    house = House(tmp_path, cors_origins="https://app.example")
    mine = house.client.get("/api/health", headers={"Origin": "https://app.example"}).headers
    assert mine["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in mine["Vary"]
    other = house.client.get("/api/health", headers={"Origin": "https://evil.example"}).headers
    assert "Access-Control-Allow-Origin" not in other
    asked = house.client.options(
        "/api/positions", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 204
    assert "Idempotency-Key" in asked.headers["Access-Control-Allow-Headers"]
    house.close()


def test_a_person_has_a_minutes_worth(house: House) -> None:
    for left in (4, 3, 2, 1, 0):
        answer = house.client.get("/api/positions", headers={"Authorization": "Bearer ann"})
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Limit"] == "5"
        assert answer.headers["RateLimit-Remaining"] == str(left)
    refused = house.client.get("/api/positions", headers={"Authorization": "Bearer ann"})
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "12"
    assert refused.get_json()["error"]["code"] == "too_many"
    assert house.call("bob", "GET", "/api/positions")[0] == 200
    assert house.call("operator", "GET", "/api/positions")[0] == 200
    house.world.clock.advance(12)
    assert house.call("ann", "GET", "/api/positions")[0] == 200


def test_an_address_that_nobody_knows_is_slowed_down(house: House) -> None:
    statuses = [house.call(None, "GET", "/api/positions")[0] for _ in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    assert house.client.get("/api/health").status_code in (200, 503)


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"source": "a", "source": "b"}', "application/json", 400),
        (b'{"at": NaN}', "application/json", 400),
        (b'{"at": -Infinity}', "application/json", 400),
        (b'{"text": "\\ud800"}', "application/json", 422),
        (b"\xff{}", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"{}"', "application/json", 422),
        (b"source=a", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b'{"text": "' + b"x" * 1_000_001 + b'"}', "application/json", 413),
    ],
)
def test_a_body_is_json_or_refused(house: House, raw: bytes, kind: str, status: int) -> None:
    options = {"data": raw, **({"content_type": kind} if kind else {})}
    answered, body = house.call("operator", "POST", "/api/signals/inbox", **options)
    assert answered == status, body


def test_both_halves_of_a_pair_are_a_character(house: House) -> None:
    raw = b'{"source": "a", "message_id": "1", "text": "hello \\ud83d\\ude80"}'
    answered, body = house.call("operator", "POST", "/api/signals/inbox", data=raw, content_type="application/json")
    assert answered == 202, body


def test_a_wrong_method_names_the_right_ones(house: House) -> None:
    answer = house.client.delete("/api/positions", headers={"Authorization": "Bearer operator"})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.get_json()["error"]["code"] == "method_not_allowed"


def test_who_is_not_signed_in_is_told_how(house: House) -> None:
    answer = house.client.get("/api/positions")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    for sent, told in (
        ({}, "is needed"),
        ({"Authorization": "Bearer over"}, "Authorization is not good"),
        ({"X-API-Key": "gone"}, "X-API-Key is not good"),
        ({"Authorization": "Bearer ann", "X-API-Key": "mine"}, "one proof"),
    ):
        answer = house.client.get("/api/positions", headers=sent)
        if answer.status_code == 401:
            assert told in answer.get_json()["error"]["message"]
    assert answer.status_code in (200, 401)
