"""Random documents and random queries: the store answers as TinyDB does, whatever becomes SQL and whatever does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import tinydb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tinydb.storages import MemoryStorage

from database import CollectionSpec, Index, Query, Store, open_store

FIELDS = ("a", "b", "ä", "it's", 'q"t', "a.b", "[0]", "")
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=4) | st.sampled_from(
    ["1", "1.0", "true", "null", "[1]", '{"a":1}', "[", "{", "ab", "AB", "é", "𝄞"]
)
integers = (
    st.integers(-3, 3)
    | st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1])
)
numbers = (
    integers
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.1, 1.5, -0.0, 1e300, 5e-324, 1e23, float(2**63)])
)
scalars = st.none() | st.booleans() | numbers | texts
names = st.sampled_from(FIELDS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
documents = st.lists(st.dictionaries(names, values, max_size=4), max_size=6)
paths = st.lists(names, min_size=1, max_size=2)


def _field(kind: type[tinydb.Query], path: list[str]) -> tinydb.Query:
    query = kind()
    for step in path:
        query = query[step]
    return query


def _is_odd(value: object) -> bool:
    return isinstance(value, int) and value % 2 == 1


@st.composite
def comparisons(draw: st.DrawFn) -> Any:
    field = _field(draw(st.sampled_from([Query, tinydb.Query])), draw(paths))
    wanted = draw(values | numbers | st.integers())
    match draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "==", "!="])):
        case "==":
            return field == wanted
        case "!=":
            return field != wanted
        case "<":
            return field < wanted
        case "<=":
            return field <= wanted
        case ">":
            return field > wanted
        case _:
            return field >= wanted


@st.composite
def field_tests(draw: st.DrawFn) -> Any:
    field = _field(draw(st.sampled_from([Query, tinydb.Query])), draw(paths))
    pattern = draw(st.sampled_from(["a", "^.b$", "[0-9]+", "É"]))
    flags = draw(st.sampled_from([0, re.IGNORECASE]))
    some = draw(st.lists(values, max_size=3) | st.lists(integers | texts, min_size=17, max_size=20))
    match draw(
        st.sampled_from(
            ["exists", "matches", "search", "one_of", "any", "all", "fragment", "test", "map", "any in", "all in"]
        )
    ):
        case "exists":
            return field.exists()
        case "matches":
            return field.matches(pattern, flags)
        case "search":
            return field.search(pattern, flags)
        case "one_of":
            return field.one_of(some)
        case "any":
            return field.any(some)
        case "all":
            return field.all(some)
        case "fragment":
            return field.fragment(draw(st.dictionaries(names, values, max_size=2)))
        case "test":
            return field.test(_is_odd)
        case "map":
            return field.map(_is_odd) == draw(st.booleans())
        case "any in":
            return field.any(draw(comparisons()))
        case _:
            return field.all(draw(comparisons()))


queries = st.recursive(
    comparisons() | field_tests(),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1])
        | st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
        | inner.map(lambda query: ~query)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("queries") / "store.db"
    indexes = (Index(("a",)), Index(("a", "b")), Index(("ä", "it's")))
    with open_store(
        f"sqlite:///{path}", [CollectionSpec("things", indexes=indexes), CollectionSpec("plain")]
    ) as opened:
        yield opened


def _fill(store: Store, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    full = [{"id": f"d{number}", **body} for number, body in enumerate(bodies)]
    with store.transaction() as tx:
        for name in ("things", "plain"):
            tx[name].truncate()
            tx[name].insert_multiple(full)
    return full


def _answers(query: Any, document: dict[str, Any]) -> bool | None:
    """TinyDB's answer; None where it raises (a comparison by size between kinds, an unhashable member)."""
    try:
        return bool(query(document))
    except (TypeError, KeyError, IndexError):
        return None


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(bodies=documents, query=queries)
@example(
    bodies=[{"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": [1]}, {"a": None}, {}], query=tinydb.where("a") == 1
)
@example(bodies=[{"a": "[1]"}, {"a": [1]}], query=tinydb.where("a") == "[1]")
@example(bodies=[{"a": None}, {}, {"a": {"b": None}}], query=~(tinydb.where("a")["b"] == None))  # noqa: E711
@example(bodies=[{'q"t': 1}, {"q": 1}], query=tinydb.where('q"t') == 1)
@example(bodies=[{"a": None}, {}], query=tinydb.where("a").exists())
@example(bodies=[{"a": 2**63 + 1}, {"a": 2**63}], query=tinydb.where("a") > float(2**63))
@example(bodies=[{"a": 0.1234567890123456}, {"a": 5e-324}], query=tinydb.where("a") == 0.1234567890123456)
@example(bodies=[{"a": "É"}], query=~tinydb.where("a").matches("é", re.IGNORECASE))
def test_the_same_documents_are_found(store: Store, bodies: list[dict[str, Any]], query: Any) -> None:
    full = _fill(store, bodies)
    answers = {document["id"]: _answers(query, document) for document in full}
    certain = [name for name, answer in answers.items() if answer]
    undefined = {name for name, answer in answers.items() if answer is None}
    for name in ("things", "plain"):
        try:
            found = store[name].search(query)
            counted = store[name].count(query)
            first = store[name].get(query)
        except (TypeError, KeyError, IndexError):
            assert undefined
            continue
        assert [each["id"] for each in found if each["id"] not in undefined] == certain
        assert all(each == full[int(each["id"][1:])] for each in found)
        assert counted == len(found)
        assert first == (found[0] if found else None)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(bodies=documents, query=queries, change=st.dictionaries(names, values, max_size=2))
def test_updates_and_removals_meet_the_same_documents(
    store: Store, bodies: list[dict[str, Any]], query: Any, change: dict[str, Any]
) -> None:
    full = _fill(store, bodies)
    if None in [_answers(query, document) for document in full]:
        return
    memory = tinydb.TinyDB(storage=MemoryStorage)
    memory.insert_multiple(full)
    things = store["things"]
    assert len(things.update(change, query)) == len(memory.update(change, query))
    assert things.all() == memory.all()
    if None in [_answers(query, document) for document in things.all()]:
        return
    assert len(things.remove(query)) == len(memory.remove(query))
    assert things.all() == memory.all()
