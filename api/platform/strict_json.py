"""JSON as it is meant: no name twice, no NaN, no half characters; a body is an object and says that it is JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request, current_app, request
from flask.json import dumps as dump_json

from modules.domain.errors import InvalidInput

_View = TypeVar("_View", bound=Callable[..., Any])


def takes_raw_body(view: _View) -> _View:
    """Declares that a route reads the body itself (another's webhook, or a switch that even a garbled body must reach)."""
    view.raw_body = True  # type: ignore[attr-defined]
    return view


class StrictJson:
    """What Flask calls for JSON."""

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:
        """The value. Raises ValueError with the reason for what other readers let pass."""
        value = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
        whole = text if isinstance(text, str) else text.decode("utf-8", "replace")
        if "\\ud" in whole.lower():
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise ValueError("half of a surrogate pair") from None
        return value

    dumps = staticmethod(dump_json)


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    json_module = StrictJson


def install(app: Flask) -> None:
    """Every body that comes with a changing request must be a JSON object, unless its route takes it raw."""
    app.request_class = StrictRequest

    @app.before_request
    def check_body() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is None or getattr(view, "raw_body", False) or request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if not request.content_length and not request.get_data(cache=True):
            return
        body = request.get_json()  # 415 for another content type, 400 for what is not JSON
        if not isinstance(body, dict):
            raise InvalidInput("The body must be a JSON object.", fields={"body": "not an object"})


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
