"""Random sequences of writes against a plain dictionary; random documents through the store; random pages."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from database import CollectionSpec, DuplicateKey, Index, InvalidDocument, Store, open_store

SPECS = [CollectionSpec("things", indexes=(Index(("ref",), unique=True), Index(("rank",)))), CollectionSpec("others")]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.decimals()
    | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=8,
)


class Undo(Exception):
    """Raised inside a transaction to roll it back."""


class WritesAgainstAModel(RuleBasedStateMachine):
    """The model is a dictionary key -> (document, revision) and a list of journal entries."""

    keys = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        self.store: Store = STORES[0]
        with self.store.transaction() as tx:
            tx["things"].truncate()
        self.model: dict[Any, tuple[dict[str, Any], int]] = {}
        self.start = self.store.journal.last_seq()
        self.appended: list[dict[str, Any]] = []

    def _taken(self, document: dict[str, Any]) -> bool:
        ref = document.get("ref")
        return ref is not None and any(
            each.get("ref") == ref and key != document["id"] for key, (each, _) in self.model.items()
        )

    @rule(target=keys, key=st.integers(0, 6) | st.text("ab", min_size=1, max_size=2))
    def name(self, key: Any) -> Any:
        return key

    @rule(key=keys, ref=st.none() | st.integers(0, 3), rank=st.integers(0, 3))
    def insert(self, key: Any, ref: Any, rank: int) -> None:
        document = {"id": key, "ref": ref, "rank": rank}
        if key in self.model or self._taken(document):
            with pytest.raises(DuplicateKey):
                self.store["things"].insert(document)
            return
        assert self.store["things"].insert(document) == key
        self.model[key] = (document, 1)

    @rule(key=keys, rank=st.integers(0, 3), undo=st.booleans())
    def change_and_tell(self, key: Any, rank: int, undo: bool) -> None:
        try:
            with self.store.transaction() as tx:
                changed = tx["things"].update({"rank": rank}, key=key)
                tx.append("Changed", {"key": key, "rank": rank}, 1)
                if undo:
                    raise Undo
        except Undo:
            return
        assert changed == ([key] if key in self.model else [])
        self.appended.append({"key": key, "rank": rank})
        if changed:
            document, revision = self.model[key]
            self.model[key] = ({**document, "rank": rank}, revision + 1)

    @rule(key=keys, expected=st.none() | st.integers(0, 3), rank=st.integers(4, 6))
    def replace(self, key: Any, expected: int | None, rank: int) -> None:
        revision = self.model[key][1] if key in self.model else 0
        done = self.store["things"].replace({"id": key, "rank": rank}, expect_revision=expected)
        assert done is (expected is None or expected == revision)
        if done:
            self.model[key] = ({"id": key, "rank": rank}, revision + 1)

    @rule(key=keys, rank=st.integers(0, 3))
    def compare_and_set(self, key: Any, rank: int) -> None:
        done = self.store["things"].compare_and_set(key, {"rank": rank}, {"rank": rank + 1})
        assert done is (key in self.model and self.model[key][0]["rank"] == rank)
        if done:
            document, revision = self.model[key]
            self.model[key] = ({**document, "rank": rank + 1}, revision + 1)

    @rule(key=keys)
    def remove(self, key: Any) -> None:
        assert self.store["things"].remove(key=key) == ([key] if key in self.model else [])
        self.model.pop(key, None)

    @invariant()
    def the_store_is_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.store["things"].all() == [document for document, _ in self.model.values()]
        for key, kept in self.model.items():
            assert self.store["things"].get_with_revision(key) == kept
        assert [each.body for each in self.store.journal.read(self.start)] == self.appended


STORES: list[Store] = []


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('model')}/store.db", SPECS) as opened:
        STORES.append(opened)
        yield opened
        STORES.clear()


def test_writes_agree_with_a_model(store: Store) -> None:
    run_state_machine_as_test(
        WritesAgainstAModel, settings=settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True)
    )
    assert store.check() == []


def _as_json(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def _storable(value: Any) -> bool:
    match value:
        case None | bool():
            return True
        case int():
            return -(2**63) <= value < 2**64
        case float():
            return math.isfinite(value)
        case str():
            return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
        case list() | tuple():
            return all(_storable(each) for each in value)
        case dict():
            return all(_storable(name) and _storable(each) for name, each in value.items())
    return False


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=anything)
def test_a_document_comes_back_the_same_or_is_refused(store: Store, value: Any) -> None:
    others = store["others"]
    others.truncate()
    if not _storable(value):
        with pytest.raises(InvalidDocument):
            others.insert({"id": 1, "value": value})
        assert others.all() == []
        return
    others.insert({"id": 1, "value": value})
    found = others.get(key=1)
    assert found is not None
    assert found["value"] == _as_json(value)
    assert orjson.dumps(found["value"]) == orjson.dumps(value)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranks=st.lists(st.none() | st.integers(-2, 2) | st.sampled_from(["a", "b"]), max_size=12),
    size=st.integers(1, 5),
    descending=st.booleans(),
    by_rank=st.booleans(),
)
def test_pages_are_the_whole_cut_up(store: Store, ranks: list[Any], size: int, descending: bool, by_rank: bool) -> None:
    things = store["things"]
    things.truncate()
    things.insert_multiple({"id": n, "rank": rank} for n, rank in enumerate(ranks))
    order = {"order_by": "rank" if by_rank else None, "descending": descending}
    whole = things.search(**order)
    places = {int: 1, str: 2}
    if by_rank:
        wanted = sorted(
            things.all(), key=lambda each: (places.get(type(each["rank"]), 0), each["rank"] or 0, each["id"])
        )
        assert whole == (wanted[::-1] if descending else wanted)
    pages: list[dict[str, Any]] = []
    while page := things.search(limit=size, after=pages[-1]["id"] if pages else None, **order):
        assert len(page) <= size
        pages += page
    assert pages == whole
