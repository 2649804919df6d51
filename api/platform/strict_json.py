"""JSON as it is meant: no name twice, no NaN; a body is an object and says that it is JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, request
from flask.json.provider import DefaultJSONProvider

from modules.domain.errors import InvalidInput

_View = TypeVar("_View", bound=Callable[..., Any])


def takes_raw_body(view: _View) -> _View:
    """Declares that a route reads the body itself (another's webhook, or a switch that even a garbled body must reach)."""
    view.raw_body = True  # type: ignore[attr-defined]
    return view


class StrictJson(DefaultJSONProvider):
    """What Flask calls for JSON."""

    sort_keys = False

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """The value. Raises ValueError with the reason for what other readers let pass."""
        return json.loads(s, object_pairs_hook=_once_each, parse_constant=_no_constant)


def install(app: Flask) -> None:
    """Every body that comes with a changing request must be a JSON object, unless its route takes it raw."""
    app.json = StrictJson(app)

    @app.before_request
    def check_body() -> None:
        """Refuses a body that is no JSON, or of another type."""
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
