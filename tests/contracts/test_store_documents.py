"""What the store adds to TinyDB's verbs: keys, revisions, unique and compound indexes, pages, strict documents."""

from __future__ import annotations

import enum
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from database import (
    Collection,
    CollectionSpec,
    DuplicateKey,
    Index,
    InvalidDocument,
    InvalidQuery,
    Query,
    Store,
    UnknownCollection,
    open_store,
    where,
)

SPECS = [
    CollectionSpec(
        "orders",
        indexes=(
            Index(("client_id",), unique=True),
            Index(("venue.name", "venue.id"), unique=True),
            Index(("user", "created_ms")),
            Index(("status",)),
        ),
    ),
    CollectionSpec("prices", key="symbol"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/orders.db", SPECS) as opened:
        yield opened


@pytest.fixture
def orders(store: Store) -> Collection:
    return store["orders"]


def _plan(store: Store, sql: str, *parameters: object) -> str:
    connection = sqlite3.connect(store.path)
    try:
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))
    finally:
        connection.close()


def test_keys_are_text_or_integers_and_keep_their_type(orders: Collection) -> None:
    assert orders.insert_multiple([{"id": 1}, {"id": "1"}]) == [1, "1"]
    assert orders.get(key=1) == {"id": 1}
    assert orders.get(key="1") == {"id": "1"}
    assert orders.get(key="2") is None
    assert orders.contains(key=1)
    assert orders.update({"a": 1}, key="1") == ["1"]
    assert orders.remove(key=1) == [1]
    assert orders.all() == [{"id": "1", "a": 1}]


@pytest.mark.parametrize("key", [None, "", True, 1.5, ["x"], 2**63])
def test_a_document_without_a_usable_key_is_refused(orders: Collection, key: Any) -> None:
    with pytest.raises(InvalidDocument):
        orders.insert({"id": key})
    with pytest.raises(InvalidDocument):
        orders.insert({"name": "none"})


def test_another_field_can_be_the_key(store: Store) -> None:
    prices = store["prices"]
    prices.insert({"symbol": "BTC", "price": "1"})
    with pytest.raises(DuplicateKey) as caught:
        prices.insert({"symbol": "BTC"})
    assert (caught.value.collection, caught.value.fields) == ("prices", ("symbol",))
    assert prices.upsert({"symbol": "BTC", "time": 5}) == ["BTC"]
    assert prices.upsert({"symbol": "ETH"}) == ["ETH"]
    assert prices.all() == [{"symbol": "BTC", "price": "1", "time": 5}, {"symbol": "ETH"}]


def test_unique_fields_ignore_missing_and_null(orders: Collection) -> None:
    orders.insert_multiple(
        [{"id": 1, "client_id": "c"}, {"id": 2}, {"id": 3, "client_id": None}, {"id": 4, "client_id": None}]
    )
    with pytest.raises(DuplicateKey) as caught:
        orders.insert({"id": 5, "client_id": "c"})
    assert (caught.value.collection, caught.value.fields) == ("orders", ("client_id",))
    with pytest.raises(DuplicateKey):
        orders.update({"client_id": "c"}, key=2)
    assert orders.get(key=2) == {"id": 2}


def test_a_compound_unique_index(orders: Collection) -> None:
    orders.insert({"id": 1, "venue": {"name": "bybit", "id": 7}})
    orders.insert({"id": 2, "venue": {"name": "binance", "id": 7}})
    orders.insert_multiple([{"id": 3, "venue": {"name": "bybit"}}, {"id": 4, "venue": {"name": "bybit"}}])
    with pytest.raises(DuplicateKey) as caught:
        orders.insert({"id": 5, "venue": {"name": "bybit", "id": 7}})
    assert caught.value.fields == ("venue.name", "venue.id")


def test_insert_multiple_is_all_or_nothing(store: Store) -> None:
    orders = store["orders"]
    with pytest.raises(DuplicateKey):
        orders.insert_multiple([{"id": 1}, {"id": 2}, {"id": 1}])
    assert len(orders) == 0
    with store.transaction() as tx:
        tx["orders"].insert({"id": 9})
        with pytest.raises(DuplicateKey):
            tx["orders"].insert_multiple([{"id": 1}, {"id": 9}])
    assert orders.all() == [{"id": 9}]


def test_the_key_cannot_change(orders: Collection) -> None:
    orders.insert({"id": 1})
    for change in ({"id": 2}, {"id": "1"}, lambda document: document.pop("id")):
        with pytest.raises(InvalidDocument):
            orders.update(change, key=1)
    assert orders.all() == [{"id": 1}]


def test_revisions_grow_with_each_write(orders: Collection) -> None:
    orders.insert({"id": 1, "n": 0})
    assert orders.get_with_revision(1) == ({"id": 1, "n": 0}, 1)
    orders.update({"n": 1}, key=1)
    assert orders.replace({"id": 1, "n": 2}, expect_revision=2)
    assert not orders.replace({"id": 1, "n": 3}, expect_revision=2)
    assert orders.get_with_revision(1) == ({"id": 1, "n": 2}, 3)
    assert orders.get_with_revision(2) is None


def test_replace_without_expectation_stores_in_any_case(orders: Collection) -> None:
    assert orders.replace({"id": 1, "a": 1})
    assert orders.replace({"id": 1, "b": 1})
    assert orders.get_with_revision(1) == ({"id": 1, "b": 1}, 2)
    assert not orders.replace({"id": 2}, expect_revision=1)
    assert orders.replace({"id": 2}, expect_revision=0)
    assert not orders.replace({"id": 2, "late": True}, expect_revision=0)
    assert orders.get(key=2) == {"id": 2}


def test_compare_and_set(orders: Collection) -> None:
    orders.insert({"id": 1, "state": "new", "owner": None})
    assert orders.compare_and_set(1, {"state": "new", "owner": None, "claimed": None}, {"state": "sent", "owner": "x"})
    assert not orders.compare_and_set(1, {"state": "new"}, {"state": "lost"})
    assert not orders.compare_and_set(2, {}, {"state": "lost"})
    assert orders.get(key=1) == {"id": 1, "state": "sent", "owner": "x"}


class _Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.5"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC).date(), uuid.UUID(int=1), _Colour.RED,
        float("nan"), float("inf"), -float("inf"), {1, 2}, b"bytes", 2**64, -(2**63) - 1, "\ud800", "a\0b", {1: "a"}, {"a\0": 1}, object(),
    ],
)  # fmt: skip
def test_what_json_cannot_carry_is_refused_by_name(orders: Collection, value: Any) -> None:
    orders.insert({"id": 1})
    for document in ({"id": 2, "deep": [{"here": value}]}, {"id": 1, "deep": [{"here": value}]}):
        with pytest.raises(InvalidDocument, match=r"deep\[0\]\.here"):
            orders.replace(document)
    with pytest.raises(InvalidDocument):
        orders.update({"x": value}, key=1)
    assert orders.all() == [{"id": 1}]


def test_odd_but_lawful_values_come_back_the_same(orders: Collection) -> None:
    document = {
        "id": "ключ 🔑",
        "big": 2**64 - 1,
        "small": -(2**63),
        "float": 0.1 + 0.2,
        "tiny": 5e-324,
        "text": "\\u0000 \"quoted\" 'single' \n\t\x7f\u2028",
        "": {"": [None, True, [], {}]},
        "tuple": (1, 2),
    }
    orders.insert(document)
    assert orders.get(key="ключ 🔑") == {**document, "tuple": [1, 2]}
    deep: Any = 1
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(InvalidDocument):
        orders.insert({"id": "deep", "deep": deep})


def test_comparing_by_size_never_meets_another_kind(orders: Collection) -> None:
    values = [None, 5, 7.5, "5", "z", [9], {"a": 9}, True]
    orders.insert_multiple({"id": n, "v": value} for n, value in enumerate(values))
    orders.insert({"id": 99})
    for query, keys in (
        (where("v") > 4, [1, 2]),
        (where("v") >= 5, [1, 2]),
        (where("v") < 6, [1, 7]),
        (where("v") <= 0.5, []),
        (where("v") > "", [3, 4]),
        (where("v") <= "5", [3]),
        (~(where("v") > 4), [0, 3, 4, 5, 6, 7, 99]),
    ):
        assert [each["id"] for each in orders.search(query)] == keys, query


def test_common_questions_use_an_index(store: Store) -> None:
    orders = store["orders"]
    used = {
        "orders:u:client_id": where("client_id") == "c",
        "orders:i:user,created_ms": (where("user") == 7) & (where("created_ms") >= 5) & (where("note") == "x"),
        "orders:i:status": where("status").one_of(["open", "sent"]),
        "orders:u:venue.name,venue.id": (where("venue")["name"] == "bybit") & where("note").test(bool),
        "sqlite_autoindex_doc_orders_1": where("id") == "x",
    }
    for name, query in used.items():
        condition = orders.compiled(query)
        plan = _plan(store, f"SELECT row, body FROM doc_orders WHERE {condition.sql}", *condition.parameters)
        assert name in plan, (plan, condition)


def test_pages_follow_an_index_without_sorting(store: Store) -> None:
    orders = store["orders"]
    condition = orders.compiled(where("user") == 7)
    sql = f"""SELECT body FROM doc_orders WHERE {condition.sql} ORDER BY json_extract(body,'$."created_ms"') DESC, row DESC LIMIT 5"""
    plan = _plan(store, sql, *condition.parameters)
    assert "orders:i:user,created_ms" in plan
    assert "TEMP B-TREE" not in plan


def test_pages_cover_everything_once(orders: Collection) -> None:
    times = [5, None, 3, 5, "late", 1, None, 5]
    orders.insert_multiple([{"id": n, "user": n % 2, **({"created_ms": t} if n else {})} for n, t in enumerate(times)])
    for descending in (False, True):
        whole = orders.search(order_by="created_ms", descending=descending)
        pages: list[dict[str, Any]] = []
        while page := orders.search(
            order_by="created_ms", descending=descending, limit=3, after=pages[-1]["id"] if pages else None
        ):
            pages += page
        assert pages == whole
        assert len(whole) == 8
    assert [each["id"] for each in orders.search(order_by="created_ms")] == [0, 1, 6, 5, 2, 3, 7, 4]
    assert [each["id"] for each in orders.search(where("user") == 1, descending=True, limit=2)] == [7, 5]
    assert [each["id"] for each in orders.search(where("user").test(bool), limit=2, after=1)] == [3, 5]
    assert [each["id"] for each in orders.search(order_by="id", descending=True, limit=1)] == [7]
    assert orders.search(limit=0) == []


def test_questions_without_sense_are_refused(store: Store) -> None:
    orders = store["orders"]
    orders.insert({"id": 1})
    for ask in (
        orders.get,
        lambda: orders.get(where("a") == 1, key=1),
        lambda: orders.update({}, where("a") == 1, key=1),
        lambda: orders.search(limit=-1),
        lambda: orders.search(limit=1, after="gone"),
        lambda: orders.search(order_by="a..b"),
        lambda: Index(()),
        lambda: Index(('a"b',)),
        lambda: CollectionSpec("Bad Name"),
        lambda: CollectionSpec("x", file="../x.json"),
        lambda: CollectionSpec("x", key="a.b"),
    ):
        with pytest.raises(InvalidQuery):
            ask()
    with pytest.raises(UnknownCollection, match="nothing"):
        store["nothing"]


def test_values_never_become_statements(orders: Collection) -> None:
    nasty = "x'); DROP TABLE doc_orders; --"
    orders.insert({"id": nasty, "it's": {"a'b": nasty}})
    assert orders.get(where("it's")["a'b"] == nasty) is not None
    assert orders.count(where(nasty) == nasty) == 0
    assert orders.search(Query()["it's"].fragment({"a'b": nasty}), order_by="it's.a'b", limit=1) != []
    assert len(orders) == 1


def test_every_document_is_iterated_in_pages(orders: Collection) -> None:
    orders.insert_multiple({"id": n} for n in range(2500))
    orders.remove(where("id") < 10)
    assert [each["id"] for each in orders] == list(range(10, 2500))
