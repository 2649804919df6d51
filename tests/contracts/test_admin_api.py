"""What those who run the service do over HTTP: users, broadcasts, numbers, backups, the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.accounts import audit
from modules.accounts.audit import verify
from modules.accounts.first_start import prepare
from modules.domain.people import Principal, Role
from modules.records import open_records
from modules.trading.safety import Scope, Stage
from modules.trading.safety_state import state_of
from tests.contracts import trading_house
from tests.contracts.trading_house import House

SECRET = "the secret"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The application is made once; every test finds its store empty."""
    made = House(tmp_path_factory.mktemp("house"), rate_user_per_minute=10**6)
    yield made
    made.close()


@pytest.fixture
def house(built: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(audit, "_seal_key", b"")
    audit.seal_with(SECRET)
    made = built
    for name in made.world.store.collections:
        made.world.store[name].truncate()
    prepare(made.world.store, made.settings, made.world.clock.now())
    people = {each.value: Principal(f"u-{each.value}", each, "access_token") for each in Role}
    monkeypatch.setattr(trading_house, "PEOPLE", {**trading_house.PEOPLE, **people})
    for number, role in enumerate(Role):
        user(made, f"u-{role.value}", role=role.value, created_at=number)
    for left in made.folder.glob("backups/*"):
        left.unlink()
    return made


def user(house: House, user_id: str, **fields: Any) -> None:
    plain = {"id": user_id, "email": f"{user_id}@example.org", "role": "subscriber", "created_at": 10, "enabled": True}
    house.world.store["users"].insert({**plain, **fields})


def audited(house: House, action: str) -> list[dict[str, Any]]:
    return [row for row in house.world.store["audit_log"].all() if row["action"] == action]


# ---- users ----------------------------------------------------------------------------------------------------------


def test_users_are_found_by_part_role_and_state_in_pages(house: House) -> None:
    user(house, "u-zoe", name="Zoë Zebra", enabled=False, created_at=99)
    _, all_of_them = house.call("owner", "GET", "/api/admin/users")
    ids = [each["id"] for each in all_of_them["users"]]
    assert {"u-zoe", "operator", "u-owner"} <= set(ids)
    paged: list[str] = []
    cursor = ""
    while cursor is not None:
        query = f"?limit=3&cursor={cursor}" if cursor else "?limit=3"
        _, page = house.call("owner", "GET", f"/api/admin/users{query}")
        assert len(page["users"]) <= 3
        paged += [each["id"] for each in page["users"]]
        cursor = page["next_cursor"]
    assert paged == ids

    def found(query: str) -> list[str]:
        return [each["id"] for each in house.call("owner", "GET", f"/api/admin/users?{query}")[1]["users"]]

    assert found("search=ZEBRA") == ["u-zoe"]
    assert found("search=u-zoe@exam") == ["u-zoe"]
    assert found("enabled=false") == ["u-zoe"]
    assert found("role=analyst") == ["u-analyst"]
    assert found("role=analyst&enabled=false") == []
    assert house.call("owner", "GET", "/api/admin/users?cursor=nothing")[0] == 422


def test_a_user_row_carries_nothing_that_signs_in(house: House) -> None:
    secrets = {"password_hash": "argon2-kept", "token_hash": "sha-kept", "two_factor": {"secret": "otp-kept"}}
    user(house, "u-zoe", **secrets)
    for path in ("/api/admin/users", "/api/admin/users/u-zoe"):
        _, told = house.call("admin", "GET", path)
        assert "kept" not in str(told)


def test_a_role_is_changed_and_written_down(house: House) -> None:
    status, told = house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"role": "analyst"})
    assert (status, told["changed"], told["user"]["role"]) == (200, True, "analyst")
    (row,) = audited(house, "user.role")
    assert (row["who"], row["subject"], row["origin"]) == ("u-admin", "user:u-subscriber", "127.0.0.1")
    assert (row["before"], row["after"]) == ({"role": "subscriber"}, {"role": "analyst"})
    _, again = house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"role": "analyst"})
    assert again["changed"] is False
    assert len(audited(house, "user.role")) == 1


@pytest.mark.parametrize(
    ("who", "target", "body", "status"),
    [
        ("admin", "u-subscriber", {"role": "owner"}, 403),  # nobody gives more than they have
        ("admin", "u-admin", {"role": "owner"}, 403),
        ("admin", "u-owner", {"role": "subscriber"}, 403),
        ("admin", "u-owner", {"enabled": False}, 403),
        ("admin", "u-admin", {"enabled": False}, 409),  # not oneself
        ("admin", "u-operator", {"role": "admin"}, 200),
        ("owner", "u-subscriber", {"role": "owner"}, 200),
        ("owner", "u-owner", {"role": "admin"}, 200),  # the first operator is an owner, too
        ("operator", "u-owner", {"enabled": False}, 200),
        ("owner", "nobody-there", {"role": "admin"}, 404),
        ("owner", "u-subscriber", {}, 422),
        ("owner", "u-subscriber", {"role": "king"}, 422),
        ("owner", "u-subscriber", {"enabled": "no"}, 422),
        ("owner", "u-subscriber", {"password": "x"}, 422),
    ],
)
def test_who_may_change_whom(house: House, who: str, target: str, body: dict[str, Any], status: int) -> None:
    before = house.world.store["users"].get(key=target)
    if who == "operator":
        trading_house.PEOPLE["operator"] = Principal("operator", Role.OWNER, "operator_token")
    got, told = house.call(who, "PATCH", f"/api/admin/users/{target}", json=body)
    assert got == status, told
    if status != 200:
        assert house.world.store["users"].get(key=target) == before
        assert audited(house, "user.role") == audited(house, "user.enabled") == []


@pytest.mark.parametrize("body", [{"role": "admin"}, {"enabled": False}, {"role": "subscriber", "enabled": False}])
def test_the_last_owner_stays(house: House, body: dict[str, Any]) -> None:
    house.world.store["users"].update({"enabled": False}, key="operator")  # an owner who can't come in does not count
    status, told = house.call("owner", "PATCH", "/api/admin/users/u-owner", json=body)
    assert status == 409
    assert told["error"]["code"] in ("last_owner", "conflict")
    assert (house.world.store["users"].get(key="u-owner") or {})["role"] == "owner"


def test_who_is_switched_off_is_signed_out_and_trades_no_more(house: House) -> None:
    session = {"user_id": "u-subscriber", "revoked_at": None, "expires_at": 2**50, "last_used_at": 5}
    house.world.store["sessions"].insert({"id": "s1", **session})
    _, told = house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"enabled": False})
    assert told["user"]["enabled"] is False
    assert (house.world.store["sessions"].get(key="s1") or {})["revoked_at"] is not None
    assert state_of(house.world.store, Scope.USER, "u-subscriber").stage is Stage.REDUCING
    (row,) = audited(house, "safety.reducing")
    assert (row["who"], row["subject"]) == ("u-admin", "safety:user:u-subscriber")
    house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"enabled": True})
    assert (
        state_of(house.world.store, Scope.USER, "u-subscriber").stage is Stage.REDUCING
    )  # trading on is theirs to say
    assert verify(house.world.store, SECRET).ok


def test_a_user_is_signed_out_everywhere(house: House) -> None:
    for number in range(2):
        session = {"user_id": "u-subscriber", "revoked_at": None, "expires_at": 2**50, "last_used_at": number}
        house.world.store["sessions"].insert({"id": f"s{number}", **session})
    assert house.call("admin", "POST", "/api/admin/users/u-subscriber/sign-out")[1]["sessions_ended"] == 2
    assert house.call("admin", "POST", "/api/admin/users/u-owner/sign-out")[0] == 403
    assert all(each["revoked_at"] is not None for each in house.world.store["sessions"].all())


# ---- broadcasts -----------------------------------------------------------------------------------------------------


def said(house: House) -> list[str]:
    return [row["text"] for row in house.world.store["deliveries"].all() if row["kind"] == "Said"]


def test_a_broadcast_goes_to_every_group_once(house: House) -> None:
    body = {"text": "Maintenance <b>soon</b>"}
    assert house.call("operator", "POST", "/api/admin/broadcast", json=body) == (
        202,
        {"success": True, "chats": 2, "queued": 2},
    )
    assert house.call("operator", "POST", "/api/admin/broadcast", json=body)[1]["queued"] == 0
    assert said(house) == ["Maintenance &lt;b&gt;soon&lt;/b&gt;"] * 2
    assert len(audited(house, "broadcast.send")) == 1
    house.world.clock.advance(1201)
    assert house.call("operator", "POST", "/api/admin/broadcast", json=body)[1]["queued"] == 2


def test_a_broadcast_key_says_one_text(house: House) -> None:
    for text, status in (("one", 202), ("one", 202), ("two", 409)):
        headers = {"Idempotency-Key": "k-1"}
        got, _ = house.call("operator", "POST", "/api/admin/broadcast", json={"text": text}, headers=headers)
        assert got == status
    assert said(house) == ["one", "one"]


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "   "}, {"text": "x" * 3501}, {"text": 5}])
def test_a_broadcast_needs_a_text(house: House, body: dict[str, Any]) -> None:
    assert house.call("operator", "POST", "/api/admin/broadcast", json=body)[0] == 422
    assert said(house) == []


# ---- numbers --------------------------------------------------------------------------------------------------------


def test_the_whole_in_a_few_numbers(house: House) -> None:
    house.price("BTCUSDT", "60000")
    from tests.flows.world import ENTRY

    house.world.say(ENTRY)
    house.settle()
    _, told = house.call("operator", "GET", "/api/admin/overview")
    assert told["users"]["total"] == len(Role) + 1
    assert told["users"]["by_role"]["owner"] == 2
    assert told["signals"] == {"last_day": 1, "open": 1}
    assert told["trades"]["open_positions"] == 1
    assert told["accounts"]["trading"] >= 1
    _, metrics = house.call("operator", "GET", "/api/admin/metrics")
    assert metrics["metrics"]["documents"]["signals"] == 1
    assert metrics["metrics"]["journal"]["last_seq"] > 3
    _, health = house.call("operator", "GET", "/api/admin/health")
    assert health["store"]["bytes"] > 0
    assert health["disk"]["free_bytes"] > 0


def test_activity_is_deeds_and_facts_in_pages(house: House) -> None:
    house.price("BTCUSDT", "60000")
    for role in ("analyst", "subscriber", "analyst"):
        house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"role": role})
        house.call("admin", "PATCH", "/api/admin/users/u-read_only", json={"enabled": role == "subscriber"})
    _, whole = house.call("admin", "GET", "/api/admin/activity?limit=500")
    assert {each["kind"] for each in whole["activity"]} == {"deed", "fact"}
    assert whole["next_cursor"] is None
    paged: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        _, page = house.call("admin", "GET", f"/api/admin/activity?limit=2{f'&cursor={cursor}' if cursor else ''}")
        paged += page["activity"]
        cursor = page["next_cursor"]
    assert paged == whole["activity"]
    assert house.call("admin", "GET", "/api/admin/activity?cursor=x.y")[0] == 422


# ---- backups --------------------------------------------------------------------------------------------------------


def test_a_backup_is_made_listed_and_whole(house: House, tmp_path: Path) -> None:
    names = [house.call("admin", "POST", "/api/backup/create")[1]["backup"]["name"] for _ in range(3)]
    assert len(set(names)) == 3
    _, told = house.call("admin", "GET", "/api/backup/list")
    assert [each["name"] for each in told["backups"]] == sorted(names, reverse=True)
    _, page = house.call("admin", "GET", "/api/backup/list?limit=2")
    _, rest = house.call("admin", "GET", f"/api/backup/list?limit=2&cursor={page['next_cursor']}")
    assert [each["name"] for each in page["backups"] + rest["backups"]] == sorted(names, reverse=True)
    with open_records(f"sqlite:///{house.folder / 'backups' / names[-1]}", tmp_path) as copy:
        assert copy["users"].count() == len(Role) + 1
        assert verify(copy, SECRET).ok
    assert len(audited(house, "backup.created")) == 3


def test_a_restore_says_to_stop_first(house: House) -> None:
    name = house.call("admin", "POST", "/api/backup/create")[1]["backup"]["name"]
    status, told = house.call("admin", "POST", f"/api/backup/restore/{name}")
    assert (status, told["error"]["code"]) == (409, "stop_first")
    assert len(audited(house, "backup.restore_asked")) == 1


@pytest.mark.parametrize("name", ["..%2fs.db", "verzek-20260101T000000Z.db", "verzek.db", "x", "verzek-1.db%00", "."])
def test_a_backup_is_found_by_its_exact_name_only(house: House, name: str) -> None:
    house.call("admin", "POST", "/api/backup/create")
    assert house.call("admin", "POST", f"/api/backup/restore/{name}")[0] in (404, 405)
    assert audited(house, "backup.restore_asked") == []


# ---- the audit log --------------------------------------------------------------------------------------------------


def test_rows_are_filtered_and_paged(house: House) -> None:
    for role in ("analyst", "subscriber", "analyst"):
        house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"role": role})
    house.call("owner", "PATCH", "/api/admin/users/u-analyst", json={"enabled": False})

    def entries(query: str) -> list[dict[str, Any]]:
        status, told = house.call("admin", "GET", f"/api/audit?{query}")
        assert status == 200, told
        return list(told["entries"])

    assert len(entries("action=user.role")) == 3
    assert {each["action"] for each in entries("action=user.")} == {"user.role", "user.enabled"}
    assert {each["who"] for each in entries("who=u-owner")} == {"u-owner"}
    assert len(entries("subject=user:u-analyst")) == 1
    assert entries("until=2001-01-01T00:00:00Z") == []
    assert len(entries("since=2001-01-01T00:00:00Z&action=user.")) == 4
    _, first = house.call("admin", "GET", "/api/audit?limit=3")
    _, second = house.call("admin", "GET", f"/api/audit?limit=500&cursor={first['next_cursor']}")
    seqs = [each["seq"] for each in first["entries"] + second["entries"]]
    assert seqs == sorted(seqs, reverse=True)
    assert seqs[-1] == 1
    assert house.call("admin", "GET", "/api/audit?since=2001-01-01T00:00:00")[0] == 422
    assert house.call("admin", "GET", "/api/audit?cursor=999999")[0] == 422


def test_one_sees_what_was_done_to_one_but_not_who_did_it(house: House) -> None:
    house.call("admin", "PATCH", "/api/admin/users/u-subscriber", json={"role": "analyst"})
    _, own = house.call("subscriber", "GET", "/api/audit/user/u-subscriber")
    assert house.call("subscriber", "GET", "/api/audit/user/me?limit=1")[1]["entries"] == own["entries"][:1]
    assert [(each["who"], each["origin"], each["after"]) for each in own["entries"]] == [
        ("staff", "", {"role": "analyst"})
    ]
    assert house.call("subscriber", "GET", "/api/audit/user/u-admin")[0] == 404
    _, theirs = house.call("admin", "GET", "/api/audit/user/u-subscriber")
    assert "u-admin" in {each["who"] for each in theirs["entries"]}


def test_a_market_without_candles_refuses_nobody(house: House) -> None:
    status, body = house.call("admin", "GET", "/api/analytics/advanced-smc/XRPUSDT")
    assert (status, body["error"]["code"]) == (404, "no_data")
    assert audited(house, "access.refused") == []
    assert house.call("admin", "GET", "/api/signals/none")[0] == 404
    assert len(audited(house, "access.refused")) == 1


def test_refusals_are_written_down_and_many_of_them_are_an_alert(house: House) -> None:
    for _ in range(60):
        assert house.call("subscriber", "GET", "/api/admin/users")[0] == 403
    assert house.call(None, "GET", "/api/admin/users")[0] == 401
    rows = audited(house, "access.refused")
    assert len(rows) == 40  # more of them say nothing new
    assert rows[0]["subject"] == "GET /api/admin/users"
    _, told = house.call("admin", "GET", "/api/audit/suspicious")
    (finding,) = told["findings"]
    assert (finding["rule"], finding["about"]) == ("refused", "u-subscriber")
    assert len(finding["entries"]) == 20
    _, alerts = house.call("admin", "GET", "/api/audit/alerts")
    (alert,) = alerts["alerts"]
    assert house.call("operator", "GET", "/api/admin/overview")[1]["alerts"] == {"open": 1}
    path = f"/api/audit/alerts/{alert['id']}/acknowledge"
    assert house.call("admin", "POST", path)[1]["alert"]["acknowledged_by"] == "u-admin"
    assert house.call("admin", "GET", "/api/audit/alerts")[1]["alerts"] == []
    assert len(house.call("admin", "GET", "/api/audit/alerts?status=all")[1]["alerts"]) == 1
    assert house.call("admin", "POST", "/api/audit/alerts/none/acknowledge")[0] == 404
