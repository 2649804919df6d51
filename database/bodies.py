"""Documents to JSON text and back, refusing whatever would come back different from what was given.

Decimals and times are not accepted: the caller decides how they are written. NaN and infinity have no JSON form. Integers
must fit 64 bits. A zero character cannot be kept by SQL's JSON functions, so it is refused as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from database.errors import InvalidDocument

Document = dict[str, Any]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

decode = orjson.loads


def encode(document: Mapping[str, Any]) -> str:
    """The document as compact JSON text; raises InvalidDocument naming the first field that cannot be kept.

    Reading the text back and comparing costs two microseconds and finds everything that the encoder would change silently
    (NaN becomes null, an identifier object becomes text).
    """
    if type(document) is not dict:
        if not isinstance(document, Mapping):
            raise InvalidDocument(f"a document is a mapping, not {type(document).__name__}")
        document = dict(document)
    try:
        raw = orjson.dumps(document, option=_OPTIONS)
    except TypeError as error:
        raise InvalidDocument(_first_fault(document) or str(error)) from error
    if orjson.loads(raw) != document or b"\\u0000" in raw:
        fault = _first_fault(document)
        if fault is not None:
            raise InvalidDocument(fault)
    return raw.decode()


def _first_fault(document: Mapping[Any, Any]) -> str | None:
    """The first value that JSON cannot carry, as a sentence; None when there is none (a tuple is kept as a list)."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        place, value = waiting.pop()
        reason = _fault(value)
        if reason is not None:
            return f"field {place.lstrip('.') or '(document)'}: {reason}"
        if isinstance(value, Mapping):
            waiting.extend((f"{place}.{name}", inner) for name, inner in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((f"{place}[{position}]", inner) for position, inner in enumerate(value))
    return None


def _fault(value: Any) -> str | None:
    match value:
        case None | bool() | list() | tuple():
            return None
        case str():
            return _text_fault(value)
        case int():
            return None if _SMALLEST <= value <= _LARGEST else "an integer beyond 64 bits"
        case float():
            return None if math.isfinite(value) else f"{value} has no JSON form"
        case dict():
            return next((reason for name in value if (reason := _key_fault(name))), None)
    return f"a {type(value).__name__} must be converted by the caller"


def _key_fault(name: Any) -> str | None:
    return _text_fault(name) if isinstance(name, str) else f"the key {name!r} is not text"


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "text with a zero character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "text that is not valid Unicode"
    return None
