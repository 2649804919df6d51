"""The audit log: nothing can be changed, taken out, moved, cut off or slipped in without being found; no secret gets in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database import Store
from modules.accounts import audit
from modules.accounts.audit import Verdict, record, verify
from modules.domain.people import Principal, Role
from modules.records import open_records
from modules.trading.safety import Stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Principal("u-ada", Role.ADMIN, "access_token")
SECRET = "the secret of this installation"


@pytest.fixture(autouse=True)
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_seal_key", b"")  # put back at the end
    audit.seal_with(SECRET)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_records(f"sqlite:///{tmp_path / 's.db'}", tmp_path) as opened:
        yield opened


def write(store: Store, count: int, **fields: Any) -> None:
    for number in range(count):
        with store.transaction() as tx:
            record(tx, ADA, "user.role", f"user:u{number}", now=NOW + timedelta(seconds=number), **fields)


def test_a_row_says_who_did_what_to_what_from_where(store: Store) -> None:
    with store.transaction() as tx:
        before, after = {"role": "subscriber"}, {"role": Role.ANALYST, "limit": Decimal("0.10"), "at": NOW}
        seq = record(tx, ADA, "user.role", "user:u1", now=NOW, origin="10.0.0.1", before=before, after=after)
    (row,) = store["audit_log"].all()
    assert seq == 1
    assert {name: row[name] for name in ("seq", "who", "role", "via", "origin", "action", "subject")} == {
        "seq": 1,
        "who": "u-ada",
        "role": "admin",
        "via": "access_token",
        "origin": "10.0.0.1",
        "action": "user.role",
        "subject": "user:u1",
    }
    assert row["before"] == {"role": "subscriber"}
    assert row["after"] == {"role": "analyst", "limit": "0.10", "at": int(NOW.timestamp() * 1000)}
    assert row["previous_hash"] == audit.FIRST_HASH
    assert verify(store, SECRET) == Verdict(ok=True, rows=1)


def test_a_deed_that_is_undone_leaves_no_row(store: Store) -> None:
    write(store, 1)
    with pytest.raises(RuntimeError), store.transaction() as tx:
        record(tx, ADA, "user.role", "user:u9", now=NOW)
        raise RuntimeError
    write(store, 1)
    assert [row["seq"] for row in store["audit_log"].all()] == [1, 2]
    assert verify(store, SECRET).ok


def test_an_empty_log_is_whole(store: Store) -> None:
    assert verify(store, SECRET) == Verdict(ok=True, rows=0)


def _change(store: Store, seq: int, **fields: Any) -> None:
    store["audit_log"].update(fields, key=seq)


def _swap(store: Store) -> None:
    second, third = store["audit_log"].get(key=2), store["audit_log"].get(key=3)
    assert second
    assert third
    store["audit_log"].replace({**third, "seq": 2})
    store["audit_log"].replace({**second, "seq": 3})


def _forge(store: Store, seq: int) -> None:
    """Changes a row and computes its hash anew, as somebody who knows the code would."""
    row = store["audit_log"].get(key=seq)
    assert row
    row["subject"] = "user:nobody"
    store["audit_log"].replace({**row, "hash": audit.hash_of(row)})


def _rewrite(store: Store, first: int) -> None:
    """Changes a row and computes every hash after it anew, too."""
    rows = sorted(store["audit_log"].all(), key=lambda row: row["seq"])
    for earlier, row in zip([None, *rows], rows, strict=False):
        if row["seq"] == first:
            row["who"] = "u-eve"
        row["previous_hash"] = earlier["hash"] if earlier else audit.FIRST_HASH
        row["hash"] = audit.hash_of(row)
        store["audit_log"].replace(row)


def _cut(store: Store, keep: int) -> None:
    for seq in range(keep + 1, 6):
        store["audit_log"].remove(key=seq)


def _cut_with_head(store: Store) -> None:
    """Cuts the tail off and sets the head back, without the secret to seal it."""
    _cut(store, 3)
    row = store["audit_log"].get(key=3)
    assert row
    store["audit_heads"].update({"seq": 3, "hash": row["hash"]}, key="head")


def _cut_all_and_head(store: Store) -> None:
    store["audit_heads"].truncate()
    _cut(store, 2)


def _append(store: Store) -> None:
    last = store["audit_log"].get(key=5)
    assert last
    row = {**last, "seq": 6, "previous_hash": last["hash"]}
    store["audit_log"].insert({**row, "hash": audit.hash_of(row)})


@pytest.mark.parametrize(
    ("attack", "seq", "reason"),
    [
        (lambda store: _change(store, 2, who="u-eve"), 2, "changed"),
        (lambda store: _change(store, 5, at=0), 5, "changed"),
        (lambda store: _change(store, 1, after={"x": 1}), 1, "changed"),
        (lambda store: store["audit_log"].remove(key=3), 3, "missing"),
        (lambda store: store["audit_log"].remove(key=1), 1, "missing"),
        (_swap, 2, "changed"),
        (lambda store: _forge(store, 2), 3, "does not follow"),
        (lambda store: _forge(store, 5), 5, "written anew"),
        (lambda store: _rewrite(store, 2), 5, "written anew"),
        (lambda store: _cut(store, 3), 4, "at the end"),
        (lambda store: _cut(store, 0), 1, "at the end"),
        (_cut_with_head, 3, "seal"),
        (_append, 6, "not known to the head"),
        (lambda store: store["audit_heads"].truncate(), 5, "head is missing"),
        (_cut_all_and_head, 2, "head is missing"),
    ],
)
def test_whatever_is_done_to_the_rows_is_found_and_named(
    store: Store, attack: Callable[[Store], object], seq: int, reason: str
) -> None:
    write(store, 5)
    attack(store)
    verdict = verify(store, SECRET)
    assert (verdict.ok, verdict.broken_seq) == (False, seq), verdict
    assert reason in verdict.reason


@pytest.mark.parametrize(
    "attack", [lambda s: _cut(s, 3), _cut_with_head, lambda s: s["audit_heads"].truncate(), _append]
)
def test_later_rows_do_not_hide_what_was_done_before_them(store: Store, attack: Callable[[Store], object]) -> None:
    write(store, 5)
    attack(store)
    write(store, 3)  # an honest process goes on: it must neither fail nor heal the log
    verdict = verify(store, SECRET)
    assert not verdict.ok
    assert verdict.broken_seq is not None
    assert verdict.broken_seq >= 4


def test_another_secret_does_not_fit(store: Store) -> None:
    write(store, 2)
    assert "seal" in verify(store, "another secret").reason


def test_two_writers_at_once_make_one_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"

    def writer() -> None:
        with open_records(url, tmp_path) as opened:
            write(opened, 25)

    with open_records(url, tmp_path) as store:
        threads = [threading.Thread(target=writer) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert verify(store, SECRET) == Verdict(ok=True, rows=50)


def test_the_walk_goes_over_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_PAGE", 2)
    write(store, 7)
    assert verify(store, SECRET) == Verdict(ok=True, rows=7)


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "api_key", "secret", "apiSecret", "passphrase", "refresh_token", "token_hash", "TOTP",
     "key", "backup_codes", "cookie"],
)  # fmt: skip
def test_secrets_are_known_by_their_name_at_any_depth(store: Store, name: str) -> None:
    with store.transaction() as tx:
        record(tx, ADA, "x", "y", now=NOW, before={name: "hunter2hunter2"}, after={"deep": [{"er": {name: "hunter2"}}]})
    assert "hunter2" not in json.dumps(store["audit_log"].all())


def test_secrets_are_known_by_their_shape(store: Store) -> None:
    with store.transaction() as tx:
        record(tx, ADA, "x", "Bearer abcdefghijkl", now=NOW, after={"note": "vzk_abcdefghijklmnop"}, origin="o" * 500)
    written = json.dumps(store["audit_log"].all())
    assert "abcdefghijkl" not in written
    assert "o" * 201 not in written


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20)
    | st.decimals() | st.datetimes(timezones=st.just(UTC)) | st.sampled_from(Stage) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    | st.frozensets(st.text(max_size=4), max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=8), _VALUES, max_size=4), st.text(max_size=30))
def test_whatever_is_recorded_is_kept_and_verifies(values: dict[str, Any], text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, open_records(f"sqlite:///{folder}/s.db", Path(folder)) as store:
        with store.transaction() as tx:
            record(tx, ADA, "x", text, now=NOW, origin=text, before=values, after=values)
        assert verify(store, SECRET) == Verdict(ok=True, rows=1)
