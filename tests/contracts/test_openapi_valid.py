"""The API's description is a valid OpenAPI 3.1 document: by the specification's own schema, and schema by schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.contracts.trading_house import House

_METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    house = House(tmp_path_factory.mktemp("valid"))
    yield house.client.get("/api/openapi.json").get_json()
    house.close()


def test_it_fits_the_schema_of_the_specification(spec: dict[str, Any]) -> None:
    jsonschema_rs.meta.validate(OPENAPI_31)
    found = jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(spec)
    assert not [(each.instance_path, each.message[:200]) for each in found]


def test_that_schema_finds_faults(spec: dict[str, Any]) -> None:
    """The check above means something: a parameter without a place, and an answer without a description, are no OpenAPI."""
    for broken in ({"parameters": [{"name": "a", "schema": {}}]}, {"responses": {"200": {}}}):
        wrong = {**spec, "paths": {"/x": {"get": broken}}}
        assert not jsonschema_rs.Draft202012Validator(OPENAPI_31).is_valid(wrong), broken


def _schemas(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a request or an answer, and where it stands; examples are no schemas, whatever their keys."""
    if isinstance(part, dict):
        for name, each in part.items():
            if name == "schema":
                yield f"{path}/schema", each
            elif name not in ("example", "examples"):
                yield from _schemas(each, f"{path}/{name}")
    elif isinstance(part, list):
        for number, each in enumerate(part):
            yield from _schemas(each, f"{path}/{number}")


def test_every_schema_is_a_json_schema(spec: dict[str, Any]) -> None:
    named = [*_schemas(spec["paths"], "paths"), *spec["components"]["schemas"].items()]
    different = {json.dumps(schema, sort_keys=True): (name, schema) for name, schema in named}
    assert not [name for name, schema in different.values() if not jsonschema_rs.meta.is_valid(schema)]
    assert len(different) > 100
    assert not jsonschema_rs.meta.is_valid({"properties": {"price": {"type": "money"}}})


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from _references(each)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


def test_every_reference_leads_somewhere(spec: dict[str, Any]) -> None:
    for reference in set(_references(spec)):
        where: Any = spec
        assert reference.startswith("#/"), reference
        for step in reference[2:].split("/"):
            where = where[step.replace("~1", "/").replace("~0", "~")]


def test_operations_are_told_apart_and_name_their_place_holders(spec: dict[str, Any]) -> None:
    names, shapes = [], []
    for path, item in spec["paths"].items():
        shapes.append(re.sub(r"{\w+}", "{}", path))
        for method in set(item) & set(_METHODS):
            operation = item[method]
            names.append(operation["operationId"])
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            said = [each["name"] for each in parameters if each["in"] == "path"]
            assert sorted(said) == sorted(re.findall(r"{(\w+)}", path)), path
            assert all(each["required"] for each in parameters if each["in"] == "path"), path
            keys = [(each["in"], each["name"]) for each in parameters]
            assert len(keys) == len(set(keys)), path
            for scheme in operation.get("security", []):
                assert set(scheme) <= set(spec["components"]["securitySchemes"]), path
    assert len(names) == len(set(names))
    assert len(shapes) == len(set(shapes))
