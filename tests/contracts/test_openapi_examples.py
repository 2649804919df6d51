"""The examples in the API's description: there for every operation, true, and without anything that is somebody's."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from api.platform.description import _METHODS, _shape, _views
from api.platform.examples import recorded, shape
from tests.contracts.trading_house import House

_JSON = "application/json"
#: These never say yes in JSON: one always answers how it is done by hand, the other draws a picture.
_NO_YES = {"POST /api/backup/restore/{name}", "GET /api/strategies/{strategy_id}/chart"}
_SOMEBODYS = re.compile(r"eyJ[\w-]{10,}|whsec_|vzk_|/(?:tmp|work|root|home)/|-----BEGIN")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("examples"), rate_address_per_minute=1_000_000)
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


@pytest.fixture(scope="module")
def operations(house: House) -> dict[str, dict[str, Any]]:
    paths = house.client.get("/api/openapi.json").get_json()["paths"]
    return {f"{m.upper()} {path}": each for path, item in paths.items() for m, each in item.items() if m in _METHODS}


def test_every_operation_shows_an_answer(operations: dict[str, dict[str, Any]]) -> None:
    bare = set()
    for name, operation in operations.items():
        said = [each["content"] for code, each in operation["responses"].items() if code[0] == "2"]
        plain = [content[_JSON] for content in said if _JSON in content]
        if plain and not any("example" in each for each in plain):
            bare.add(name)
    assert bare == _NO_YES


def test_every_body_has_an_example_that_its_model_takes(house: House, operations: dict[str, dict[str, Any]]) -> None:
    views = _views(house.app)
    wrong = []
    for name, operation in operations.items():
        if _JSON not in operation.get("requestBody", {}).get("content", {}):
            continue
        method, path = name.split(" ")
        model = get_type_hints(inspect.unwrap(views[_shape(path), method.lower()]))["body"]
        try:
            model.model_validate(operation["requestBody"]["content"][_JSON]["example"])
        except (KeyError, ValueError) as no:
            wrong.append(f"{name}: {no!r}")
    assert not wrong, "\n".join(wrong)


def test_every_example_belongs_to_an_operation_and_says_yes(operations: dict[str, dict[str, Any]]) -> None:
    assert recorded().keys() <= operations.keys()
    for name, example in recorded().items():
        for code, said in example.get("answers", {}).items():
            assert said["success"] is True, (name, code)


def test_nothing_in_them_is_somebodys() -> None:
    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield name
                yield from texts(each)
        elif isinstance(value, list):
            for each in value:
                yield from texts(each)
        elif isinstance(value, str):
            yield value

    assert [text for text in texts(recorded()) if _SOMEBODYS.search(text)] == []


def test_real_answers_have_the_keys_of_their_examples(house: House, operations: dict[str, dict[str, Any]]) -> None:
    tried, other = 0, []
    for name in operations:
        method, path = name.split(" ")
        if method != "GET" or "{" in path:
            continue
        answer = house.client.get(path, headers={"Authorization": "Bearer operator"})
        example = recorded().get(name, {}).get("answers", {}).get(str(answer.status_code))
        if example is not None and answer.mimetype == _JSON:
            tried += 1
            if example.keys() != answer.get_json().keys():
                other.append(f"{name}: {sorted(example.keys() ^ answer.get_json().keys())}")
    assert not other, "\n".join(other)
    assert tried > 30


def test_a_shape_says_what_each_part_is() -> None:
    told = shape({"a": [1, 2.5], "b": [{"c": True}], "d": None, "e": [1, "x"]})["properties"]
    assert told["a"]["items"] == {"type": ["number", "null"]}
    assert told["b"]["items"]["properties"] == {"c": {"type": ["boolean", "null"]}}
    assert told["d"] == {}
    assert "items" not in told["e"]
