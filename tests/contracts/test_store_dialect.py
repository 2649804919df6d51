"""One suite for TinyDB in memory and for the store: the verbs and queries mean the same in both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tinydb
from tinydb import where
from tinydb.operations import add, delete, increment
from tinydb.storages import MemoryStorage

import database
from database import CollectionSpec, Index, InvalidDocument, Query, open_store

PEOPLE: list[dict[str, Any]] = [
    {"id": 1, "name": "Ann", "age": 31, "tags": ["a", "b"], "address": {"city": "Oslo", "code": "0150"}},
    {"id": 2, "name": "Bob", "age": 25, "tags": [], "address": {"city": "Rome"}, "vip": True},
    {"id": 3, "name": "Cid", "age": None, "tags": "abc", "vip": False},
    {"id": 4, "name": "ann", "age": 31.5, "tags": [{"kind": "x", "weight": 2}, {"kind": "y", "weight": 5}]},
    {"id": 5, "name": "Ænea", "address": None, "vip": 1, "note": "[1]"},
]

QUERIES: dict[str, Callable[[type[tinydb.Query]], Any]] = {
    "equal": lambda q: q().name == "Ann",
    "equal nested": lambda q: q().address.city == "Oslo",
    "equal null": lambda q: q().age == None,  # noqa: E711
    "equal true is one": lambda q: q().vip == True,  # noqa: E712
    "equal list": lambda q: q().tags == ["a", "b"],
    "equal tuple never": lambda q: q().tags == ("a", "b"),
    "equal object": lambda q: q().address == {"city": "Rome"},
    "equal text like JSON": lambda q: q().note == "[1]",
    "equal fraction": lambda q: q().age == 31.5,
    "unequal": lambda q: q().name != "Ann",
    "unequal null": lambda q: q().address != None,  # noqa: E711
    "less": lambda q: q().id < 3,
    "at most": lambda q: q().id <= 3,
    "greater text": lambda q: q().name > "Bob",
    "at least": lambda q: q().id >= 3,
    "and": lambda q: (q().age == 31) & (q().name == "Ann"),
    "or": lambda q: (q().age == 25) | (q().name == "Cid"),
    "not": lambda q: ~(q().age == 31),
    "not missing": lambda q: ~q().address.city.exists(),
    "exists": lambda q: q().address.code.exists(),
    "exists though null": lambda q: q().age.exists(),
    "matches": lambda q: q().name.matches("A"),
    "matches with flags": lambda q: q().name.matches("a", re.IGNORECASE),
    "not matches with flags": lambda q: ~q().name.matches("a", re.IGNORECASE),
    "search": lambda q: q().name.search("n+"),
    "one of": lambda q: q().name.one_of(["Ann", "Cid", "none"]),
    "one of numbers and null": lambda q: q().age.one_of([None, 25, 31.5]),
    "one of nothing": lambda q: q().name.one_of([]),
    "any": lambda q: q().tags.any(["b", "z"]),
    "any query": lambda q: q().tags.any(q().weight > 3),
    "all": lambda q: q().tags.all(["a", "b"]),
    "all of nothing": lambda q: q().tags.all([]),
    "all query": lambda q: q().tags.all(q().kind.exists()),
    "fragment": lambda q: q().fragment({"name": "Ann", "age": 31}),
    "fragment nested": lambda q: q().tags.any(q().fragment({"kind": "x"})),
    "test": lambda q: q().name.test(lambda name: name.islower()),
    "test and equal": lambda q: (q().age == 31) & q().name.test(str.istitle),
    "map": lambda q: q().name.map(len) == 3,
    "noop": lambda q: q().noop(),
    "key": lambda q: q().id == 4,
    "key of another type": lambda q: q().id == "4",
    "whole document": lambda _: lambda document: "vip" in document,
}


@pytest.fixture(params=["tinydb", "store"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "tinydb":
        table = tinydb.TinyDB(storage=MemoryStorage).table("people")
        table.insert_multiple(PEOPLE)
        yield table
        return
    indexes = (Index(("name",)), Index(("age",)), Index(("address.city", "name")))
    with open_store(f"sqlite:///{tmp_path}/people.db", [CollectionSpec("people", indexes=indexes)]) as store:
        store["people"].insert_multiple(PEOPLE)
        yield store["people"]


@pytest.mark.parametrize("kind", [tinydb.Query, Query])
@pytest.mark.parametrize("name", list(QUERIES))
def test_a_query_finds_what_it_accepts(people: Any, name: str, kind: type[tinydb.Query]) -> None:
    query = QUERIES[name](kind)
    try:
        wanted = [each for each in PEOPLE if QUERIES[name](tinydb.Query)(each)]
    except TypeError:  # TinyDB cannot compare null by size
        wanted = [each for each in PEOPLE if each.get("age") is not None and query(each)]
    assert people.search(query) == wanted
    assert people.count(query) == len(wanted)
    assert people.contains(query) is bool(wanted)
    assert people.get(query) == (wanted[0] if wanted else None)


def test_reading_without_a_condition(people: Any) -> None:
    assert people.all() == PEOPLE
    assert list(people) == PEOPLE
    assert len(people) == 5


def test_update_sets_fields_where_the_condition_holds(people: Any) -> None:
    assert people.update({"seen": True}, where("age") == 31) == [1]
    assert people.update({"seen": False}, where("name").test(str.islower)) == [4]
    assert [each.get("seen") for each in people] == [True, None, None, False, None]
    assert people.update({"seen": 0}) == [1, 2, 3, 4, 5]
    assert people.update({"seen": 1}, where("name") == "nobody") == []


def test_update_by_an_operation(people: Any) -> None:
    people.update(increment("age"), where("name") == "Ann")
    people.update(add("age", 5), where("name") == "Bob")
    people.update(delete("tags"), where("name") == "Cid")
    assert people.get(where("name") == "Ann")["age"] == 32
    assert people.get(where("name") == "Bob")["age"] == 30
    assert "tags" not in people.get(where("name") == "Cid")


def test_a_failing_operation_changes_nothing(people: Any) -> None:
    with pytest.raises(KeyError):
        people.update(delete("vip"))
    assert people.all()[1:] == PEOPLE[1:]


def test_upsert_updates_or_inserts(people: Any) -> None:
    assert people.upsert({"city": "Oslo"}, where("address")["city"] == "Oslo") == [1]
    assert people.get(where("id") == 1)["city"] == "Oslo"
    people.upsert({"id": 6, "name": "Fay"}, where("name") == "Fay")
    assert people.get(where("name") == "Fay") == {"id": 6, "name": "Fay"}
    assert len(people) == 6


def test_remove_and_truncate(people: Any) -> None:
    assert people.remove(where("age") == 31) == [1]
    assert people.remove(where("name").test(str.islower)) == [4]
    assert people.remove(where("name") == "nobody") == []
    assert [each["id"] for each in people] == [2, 3, 5]
    with pytest.raises((RuntimeError, database.InvalidQuery)):
        people.remove()
    people.truncate()
    assert people.all() == []


def test_documents_handed_in_and_out_are_copies(people: Any, request: pytest.FixtureRequest) -> None:
    if "tinydb" in request.node.name:
        pytest.skip("TinyDB's memory storage shares nested values; its file storage does not")
    people.get(where("id") == 1)["tags"].append("changed")
    assert people.get(where("id") == 1) == PEOPLE[0]


def test_what_is_no_document_is_refused(people: Any) -> None:
    with pytest.raises((ValueError, InvalidDocument)):
        people.insert(["no", "mapping"])
    assert len(people) == 5


@pytest.mark.parametrize("kind", [tinydb.Query, Query])
def test_an_unfinished_query_is_an_error(people: Any, kind: type[tinydb.Query]) -> None:
    with pytest.raises(RuntimeError):
        people.search(kind().name)


def test_a_broken_pattern_is_an_error(people: Any) -> None:
    with pytest.raises(re.error):
        people.search(Query().name.matches("("))
