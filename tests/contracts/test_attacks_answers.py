"""What somebody with bad intent writes into bodies, names and paths, and looks for in answers; each must get nothing."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from database import StoreError
from tests.contracts.accounts_house import ANN, PASSWORD, House
from tests.contracts.backtest_objects import finished_backtest

BOB = "bob@example.com"
SCRIPT = "</script><script>alert(document.domain)</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("answers"), public_url="https://verzek.example")
    yield made
    made.close()


@pytest.fixture
def house(shared: House) -> House:
    return shared.begin_anew()


@pytest.fixture
def ann(house: House) -> str:
    """Ann's access token."""
    house.register()
    return str(house.signed_in()["access_token"])


def user(house: House, email: str = ANN) -> dict[str, Any]:
    (found,) = [each for each in house.store["users"].all() if each.get("email") == email]
    return dict(found)


# ---- more than was asked for ----------------------------------------------------------------------------------------


ABOVE = {
    "role": "owner",
    "id": "operator",
    "user_id": "operator",
    "enabled": True,
    "is_admin": True,
    "email_verified_at": 1,
}


@pytest.mark.parametrize("name", ABOVE)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/auth/register", {"email": "new@example.com", "password": PASSWORD, "name": "New"}),
        ("POST", "/api/auth/login", {"email": ANN, "password": PASSWORD}),
        ("PATCH", "/api/users/me", {"name": "Ann"}),
        ("POST", "/api/keys", {"name": "k"}),
        ("POST", "/api/hooks", {"url": "https://example.com/h", "events": ["*"]}),
        ("POST", "/api/webhooks", {"name": "w", "source": "tradingview"}),
        ("POST", "/api/notifications/unregister", {"device_id": "d"}),
    ],
)
def test_nobody_gives_themselves_more_in_a_body(
    house: House, ann: str, method: str, path: str, body: dict[str, Any], name: str
) -> None:
    before = user(house)
    status, answer = house.call(method, path, ann, json={**body, name: ABOVE[name]})
    assert (status, list(answer["error"]["fields"])) == (422, [name])
    assert user(house) == before
    assert len(house.store["users"].all()) == 2


def test_preferences_are_no_way_to_other_fields(house: House, ann: str) -> None:
    """What a client keeps is kept under one name, whatever names are in it."""
    wanted = {
        "role": "owner",
        "__proto__": {"role": "owner"},
        "constructor": {"prototype": {"x": 1}},
        "$set": {"role": "owner"},
    }
    assert house.call("PUT", "/api/users/me/preferences", ann, json={"preferences": wanted})[0] in (200, 422)
    assert user(house)["role"] == "subscriber"
    assert house.call("GET", "/api/auth/me", ann)[1]["user"]["role"] == "subscriber"


def test_nobody_raises_their_own_role(house: House, ann: str) -> None:
    me = user(house)["id"]
    for method, path in (("PATCH", f"/api/admin/users/{me}"), ("POST", f"/api/admin/users/{me}/role")):
        status, _ = house.call(method, path, ann, json={"role": "owner"})
        assert status in (403, 404, 405)
    wide = house.code("POST", "/api/keys", ann, json={"name": "k", "scopes": ["users.manage"]})
    assert wide == (422, "invalid_input")
    assert user(house)["role"] == "subscriber"


def test_an_admin_makes_no_owner_of_anybody(house: House, ann: str) -> None:
    house.store["users"].update({"role": "admin"}, key=user(house)["id"])
    house.register(BOB)
    for target in (user(house)["id"], user(house, BOB)["id"]):
        assert house.code("PATCH", f"/api/admin/users/{target}", ann, json={"role": "owner"}) == (403, "not_allowed")
    assert house.code("PATCH", "/api/admin/users/operator", ann, json={"enabled": False}) == (403, "not_allowed")
    assert {each["role"] for each in house.store["users"].all()} == {"owner", "admin", "subscriber"}


# ---- bodies that are bombs ------------------------------------------------------------------------------------------


BOMBS = {
    "nested": b'{"email":' * 50_000,
    "nested lists": b'{"email":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a name twice": b'{"email":"ann@example.com","email":"bob@example.com","password":"x"}',
    "a name twice below": b'{"preferences":{"a":1,"a":2}}',
    "a number of 100,000 digits": b'{"email":' + b"9" * 100_000 + b"}",
    "an exponent": b'{"email":1e999999999}',
    "half a character": b'{"email":"\\ud800","password":"x"}',
    "bad utf-8": b'{"email":"\xff\xfe","password":"x"}',
    "utf-16": '{"email":"a","password":"x"}'.encode("utf-16-be"),
    "a list": b"[" + b"{}," * 1000 + b"{}]",
    "nothing at the end": b'{"email":"a","password":"x"}\0',
    "two bodies": b'{"email":"a","password":"x"}{"email":"b","password":"y"}',
    "many names": b"{" + b",".join(b'"n%d":1' % number for number in range(50_000)) + b"}",
    "entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/register"])
def test_a_body_that_is_a_bomb_is_a_small_no(house: House, path: str, bomb: str) -> None:
    answer = house.send("POST", path, data=BOMBS[bomb], content_type="application/json")
    assert answer.status_code in (400, 401, 422)
    error = json.loads(answer.data)["error"]
    assert "root:" not in answer.get_data(as_text=True)
    assert bomb == "many names" or len(answer.data) < 2_000, error


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip", "br"])
def test_a_packed_body_is_never_unpacked(house: House, coding: str) -> None:
    """A thousandth of it would come over the wire."""
    large = b'{"email":"' + b"a" * 20_000_000 + b'"}'
    packed = zlib.compress(large) if coding == "deflate" else gzip.compress(large, mtime=0)
    status, answer = house.call(
        "POST", "/api/auth/login", data=packed, content_type="application/json", headers={"Content-Encoding": coding}
    )
    assert (status, answer["error"]["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_form_of_another_site_is_no_request(house: House, ann: str, kind: str) -> None:
    """What a browser sends across sites without asking first."""
    said = {"Content-Type": kind, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    status, answer = house.call("POST", "/api/keys", ann, data=b'{"name": "k"}', headers=said)
    assert (status, answer["error"]["code"]) == (415, "not_json")
    assert house.store["api_keys"].all() == []


# ---- headers and addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/\\evil.example", "/api//health/", "/api/docs/", "/api/swagger?next=https://evil.example",
    "/api/auth/login?next=//evil.example", "/assets//evil.example/", "/%2f%2fevil.example", "/api/..;/admin", "/api/openapi",
    "/https://evil.example",
])  # fmt: skip
def test_nobody_is_sent_to_another_site(house: House, path: str) -> None:
    answer = house.client.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    location = answer.headers.get("Location", "/")
    assert re.match(r"/(?![/\\])", location), location
    assert "evil.example" not in str(answer.headers)


@pytest.mark.parametrize(
    "text", ["a\r\nSet-Cookie: sid=1", "a\nX-Evil: 1", "a\rb", "a%0d%0aSet-Cookie: sid=1", "é\u2028x"]
)
def test_what_is_written_into_texts_makes_no_header_and_no_second_mail(house: House, ann: str, text: str) -> None:
    for method, path, body in (
        ("PATCH", "/api/users/me", {"name": text}),
        ("POST", "/api/keys", {"name": text}),
        ("POST", "/api/auth/register", {"email": f"x@example.com{text}", "password": PASSWORD}),
        ("POST", "/api/auth/register", {"email": "x@example.com", "password": PASSWORD, "name": text}),
        ("POST", "/api/auth/forgot-password", {"email": f"ann@example.com{text}"}),
    ):
        answer = house.send(method, path, ann, json=body)
        assert answer.status_code < 500
        assert not {"Set-Cookie", "X-Evil"} & set(answer.headers.keys())
    assert {mail["to"] for mail in house.mails()} <= {ANN, "x@example.com"}


TRAVERSALS = [
    "..%2f..%2f..%2fetc%2fpasswd", "..%252f..%252fetc%252fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd",
    "..%5c..%5cetc%5cpasswd", "%00", "passwd%00.png", "%c0%ae%c0%ae%c0%afetc", "/etc/passwd", "~root", "verzek.db", "master.key",
    "operator.token", "..%2foperator.token",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize(
    "path",
    [
        "/assets/{}", "/api/swagger/{}", "/api/static/{}", "/static/{}", "/api/candles/{}", "/api/ticker/{}", "/api/analysis/{}/structure",
        "/api/candles/BTCUSDT?exchange={}", "/api/candles/BTCUSDT?timeframe={}", "/api/backtest/{}/chart.png", "/api/backtest/{}/report",
        "/api/chat/pictures/own/{}", "/api/chat/pictures/{}/1", "/api/admin/backups/{}", "/api/signals/{}", "/api/signals/{}/chart.png",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_its_folder(house: House, path: str, name: str) -> None:
    """Asked by the owner, who may everything but this."""
    secrets = [(house.folder / each).read_bytes().strip() for each in ("operator.token",)]
    answer = house.send("GET", path.format(name), house.operator_token)
    assert answer.status_code in (400, 403, 404, 405, 422, 503), answer.data[:200]
    assert b"root:" not in answer.data
    assert not any(secret in answer.data for secret in secrets)
    assert str(house.folder).encode() not in answer.data


# ---- what others will read ------------------------------------------------------------------------------------------


def test_a_script_in_texts_stays_text_of_json(house: House) -> None:
    """Nothing that people write is ever an answer of a type that a browser runs, nor may it guess one."""
    message = {"source": SCRIPT, "message_id": "1", "text": f"#BTC/USDT LONG Entry: 60000 SL 59000 TP 61000 {SCRIPT}"}
    house.call("POST", "/api/signals/inbox", house.operator_token, json=message)
    house.call("PATCH", "/api/users/me", house.operator_token, json={"name": SCRIPT})
    for rule in gets(house):
        answer = house.send("GET", rule, house.operator_token)
        if SCRIPT.encode() in answer.data or b"onerror=alert" in answer.data:
            assert answer.mimetype == "application/json", rule
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"].partition("style-src")[0]


def test_the_report_of_a_backtest_runs_nothing_that_its_name_says(house: House, ann: str) -> None:
    me = user(house)["id"]
    result_id, _ = finished_backtest(house.store, me, house.clock.now())
    renamed = json.loads(
        json.dumps(house.store["backtest_results"].get(key=result_id)).replace("RSI both ways", "@@NAME@@")
    )
    assert "@@NAME@@" in json.dumps(renamed), "the name is kept elsewhere"
    house.store["backtest_results"].replace(
        json.loads(json.dumps(renamed).replace("@@NAME@@", json.dumps(SCRIPT)[1:-1]))
    )
    answer = house.send("GET", f"/api/backtest/{result_id}/report", ann)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200, page[:300]
    assert "<script>alert" not in page
    assert "<img" not in page
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_a_table_runs_no_formula(house: House, ann: str) -> None:
    """Cells of the export are numbers, times and words of the house: none begins as a formula does."""
    result_id, _ = finished_backtest(house.store, user(house)["id"], house.clock.now())
    answer = house.send("GET", f"/api/backtest/{result_id}/trades.csv", ann)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    cells = {cell for line in answer.get_data(as_text=True).splitlines()[1:] for cell in line.split(",")}
    assert cells
    wild = {
        cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", cell)
    }
    assert wild == set()


# ---- what answers give away -----------------------------------------------------------------------------------------


def gets(house: House) -> list[str]:
    """Every GET that needs no name."""
    rules = [
        each.rule for each in house.app.url_map.iter_rules() if "GET" in (each.methods or ()) and not each.arguments
    ]
    return sorted(set(rules))


def test_no_answer_holds_a_secret(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Every list and page, read by an owner and by a user, in a house full of secrets; and the log of it."""
    house.register()
    grant = house.signed_in()
    token = grant["access_token"]
    totp = house.with_totp(token)
    key = house.call("POST", "/api/keys", token, json={"name": "k"})[1]["key"]
    hook = house.call("POST", "/api/hooks", token, json={"url": "https://example.com/h", "events": ["*"]})[1]["secret"]
    inbound = house.call("POST", "/api/webhooks", token, json={"name": "w", "source": "tradingview", "signed": True})[
        1
    ]["secret"]
    house.call("POST", "/api/auth/forgot-password", json={"email": ANN})
    row = user(house)
    kept = [path.read_text().strip() for path in house.folder.iterdir() if path.suffix in (".key", ".token", ".secret")]
    settings = house.settings
    hidden = [
        PASSWORD, totp, key, hook, inbound, grant["refresh_token"], row["password_hash"], row["two_factor"]["sealed"],
        house.mailed("reset"), house.operator_token, settings.telegram_bot_token.get_secret_value(), *kept,
        *[each["seed"] for each in house.store["sessions"].all()], *[each["secret_hash"] for each in house.store["api_keys"].all()],
    ]  # fmt: skip
    assert all(len(each) >= 8 for each in hidden)
    for rule in gets(house):
        for who in (token, house.operator_token):
            answer = house.send("GET", rule, who)
            text = answer.get_data(as_text=False)
            for secret in hidden:
                assert secret.encode() not in text, rule
    said = capsys.readouterr()
    for secret in hidden:
        assert secret not in said.out + said.err


@pytest.mark.parametrize("error", [StoreError, RuntimeError])
def test_a_broken_store_tells_clients_nothing_of_itself(
    house: House, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Whatever breaks below, an answer is one sentence: no trace, no path, no query."""

    def broken(*_args: Any, **_more: Any) -> Any:
        raise error("SELECT password_hash FROM users -- /srv/verzek/verzek.db")

    for name in ("search", "count", "contains", "all"):
        monkeypatch.setattr(type(house.store["users"]), name, broken)
    for path in ("/api/signals", "/api/positions", "/api/orders", "/api/sources", "/api/admin/users"):
        status, answer = house.call("GET", path, house.operator_token)
        assert status == (503 if error is StoreError else 500), path
        assert set(answer["error"]) == {"code", "message"}
        for leak in ("SELECT", "verzek.db", "Traceback", 'File "', error.__name__):
            assert leak not in json.dumps(answer)


def test_a_key_of_somebody_else_answers_nothing_of_theirs(house: House) -> None:
    """The same Idempotency-Key is another thing for everybody."""
    house.register()
    house.register(BOB)
    ann, bob = house.signed_in()["access_token"], house.signed_in(BOB)["access_token"]
    key = {"Idempotency-Key": "guessable"}
    _, hers = house.call("POST", "/api/database/create-session", ann, json={"name": "hers"}, headers=key)
    answer = house.send("POST", "/api/database/create-session", bob, json={"name": "hers"}, headers=key)
    his = json.loads(answer.data)
    assert "Idempotency-Replayed" not in answer.headers
    assert his["session_id"] != hers["session_id"]


@pytest.mark.parametrize("query", [
    "status[$ne]=x", "status=open&status=closed", "cursor[$gt]=", "limit=1;DROP TABLE users", "limit=-1", "limit=1e9", "limit=0",
    "cursor=' OR '1'='1", "cursor=1 UNION SELECT * FROM users", "source=' OR 1=1 --", "symbol=%27%3B--", "$where=1", "filter={$gt:1}",
])  # fmt: skip
@pytest.mark.parametrize("path", ["/api/signals", "/api/positions", "/api/orders"])
def test_no_query_is_a_piece_of_a_query_language(house: House, ann: str, path: str, query: str) -> None:
    """Somebody else's rows are there to be found; nothing is."""
    house.call("POST", "/api/database/create-session", house.operator_token, json={"name": "x"})
    answer = house.send("GET", f"{path}?{query}", ann)
    assert answer.status_code in (200, 422)
    body = json.loads(answer.data)
    if answer.status_code == 200:
        assert body[path.rsplit("/", 1)[1]] == []
    assert len(house.store["users"].all()) == 2
