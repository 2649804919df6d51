"""What the operations of the API take and answer, by example: `examples.json` beside this, and the shapes read from it.

The file maps "METHOD /path" (in the description's spelling) to `body`, what may be sent, and `answers`, what is said, by
status. Ids, codes, keys and passwords in it are made up.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

_JSON = "application/json"


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Every example, by "METHOD /path". Read once, when the description is first asked for."""
    found: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("examples.json").read_text("utf-8"))
    return found


def show(operation: dict[str, Any], method: str, path: str) -> None:
    """Puts the examples of one operation into its description, and the shape of its answers; files keep what they say."""
    found = recorded().get(f"{method.upper()} {path}", {})
    sent = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    if sent is not None and "body" in found:
        sent["example"] = found["body"]
    for code, said in found.get("answers", {}).items():
        content = operation["responses"].get(code, {}).get("content", {})
        if _JSON in content:
            content[_JSON] = {"schema": answer_shape(said), "example": said}


def answer_shape(said: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an answer: `success` always, whatever else the example has where there is something to say."""
    told = shape(said)
    told["type"] = "object"
    told["required"] = ["success"]
    told["properties"]["success"] = {"const": True}
    return told


def shape(value: Any) -> dict[str, Any]:
    """The JSON Schema of a value like this one. One example can't tell what is never null, so anything may be."""
    match value:
        case None:
            return {}
        case bool():
            return {"type": ["boolean", "null"]}
        case int() | float():
            return {"type": ["number", "null"]}
        case str():
            return {"type": ["string", "null"]}
        case dict():
            return {
                "type": ["object", "null"],
                "properties": {name: shape(each) for name, each in value.items()},
                "additionalProperties": True,
            }
        case list():
            return {"type": ["array", "null"], **_items([shape(each) for each in value])}
    raise TypeError(f"{type(value).__name__} is no JSON")


def _items(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    """What a list says of its elements: something only if they are all alike."""
    return {"items": shapes[0]} if shapes and all(each == shapes[0] for each in shapes) else {}
