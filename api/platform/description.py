"""The API's description (OpenAPI 3.1) made complete in one place, and the page that shows it.

Every operation says who may call it, which answers it gives and which problems it can have; the gate, the limits and the
body check are the same for all, so their answers are written here and not beside each route.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, get_type_hints

from flask import Response, jsonify, redirect
from flask_openapi3 import OpenAPI
from pydantic import BaseModel

from api.gate import needs
from api.platform import examples
from api.platform.idempotency import HEADER
from modules.accounts.permissions import Verb

_DESCRIPTION = """Signals in, trades out. Every answer is JSON with `success`; a problem has `error` with a stable `code`, a
sentence, and `fields` where values were wrong. Lists are paged by `limit` and `cursor`. Money and quantities are decimal
strings, times ISO-8601 UTC. POSTs that trade take an `Idempotency-Key`: the same key and body gives the same answer."""
_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEMS = {
    "400": "The request can't be read.",
    "401": "Nobody is signed in, or the sign-in has ended.",
    "402": "The plan of whoever asks does not include this.",
    "403": "Whoever asks may not do this.",
    "404": "There is no such thing, or it belongs to somebody else.",
    "409": "It clashes with what is already so, or the Idempotency-Key was used for something else.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "Some values are wrong; `fields` says which.",
    "423": "Trading is halted; closing still works.",
    "429": "Too many requests; Retry-After says when to ask again.",
    "503": "A part that is needed does not answer; asking again later makes sense.",
}
_DONE = {"200": "Done.", "201": "Made.", "202": "Taken; `status` says what became of it so far.", "204": "Done."}
_PROBLEM = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
    "examples": [{"success": False, "error": {"code": "not_found", "message": "You have no such position."}}],
}
_YES = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
_KEY_HEADER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes repeating harmless: the same key and body gives the same answer for a day, another body 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "example": "open-2026-01-31-1",
}
SECURITY: dict[str, dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token, or the operator's token."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key with its scopes."},
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="icon" href="/api/swagger/images/swagger.svg">
<link rel="stylesheet" href="/api/swagger/css/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/api/swagger/js/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
_START = """window.addEventListener("load", () => {
  SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null, docExpansion: "none",
    filter: true, persistAuthorization: false});
});
"""


def file_answer(media_type: str) -> dict[Any, Any]:
    """What a route declares as its `responses` where its yes is a file and no JSON."""
    return {200: {"content": {media_type: {"schema": {"type": "string"}}}}}


def install(app: OpenAPI) -> None:
    """Serves the whole description at /api/openapi.json and the page over it at /api/docs."""
    made: dict[str, Any] = {}

    def description() -> Response:
        if not made:
            made.update(described(app))
        return jsonify(made)

    app.view_functions["openapi.doc_url"] = needs(None)(description)
    for page in ("openapi.openapi", "swagger.swagger", "swagger.oauth2-redirect"):
        app.view_functions[page] = needs(None)(
            lambda: redirect("/api/docs")
        )  # one page, and one that the policy allows
    files: Callable[..., Any] = app.view_functions["swagger.static"]

    def file_of_the_page(filename: str) -> Any:
        return files(filename=filename)

    app.view_functions["swagger.static"] = needs(None)(file_of_the_page)

    @app.get("/api/docs", summary="This description as a page", doc_ui=False)
    @needs(None)
    def docs() -> Response:
        return Response(_PAGE, mimetype="text/html")

    @app.get("/api/docs/start.js", summary="What begins the page", doc_ui=False)
    @needs(None)
    def docs_start() -> Response:
        return Response(_START, mimetype="text/javascript")


def described(app: OpenAPI) -> dict[str, Any]:
    """The description of every registered path. To be asked for once all areas are registered."""
    app.generate_spec_json()  # type: ignore[no-untyped-call]
    spec: dict[str, Any] = app.spec_json
    spec["info"]["description"] = _DESCRIPTION
    spec["servers"] = [{"url": "/"}]
    views = _views(app)
    for rule, item in spec["paths"].items():
        for method, operation in item.items():
            if method in _METHODS and (view := views.get((_shape(rule), method))) is not None:
                _complete(operation, method, view)
                examples.show(operation, method, rule)
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("ValidationErrorModel", None)
    for view in map(inspect.unwrap, views.values()):
        if "body" in view.__annotations__:
            _show_examples(schemas, get_type_hints(view)["body"])
    schemas["Problem"] = _PROBLEM
    spec["components"]["securitySchemes"] = SECURITY
    return spec


def _show_examples(schemas: dict[str, Any], body: type[BaseModel]) -> None:
    """Puts back the examples of a body and its fields, which the making of the description leaves out."""
    told = body.model_json_schema()
    for name, model in {**told.pop("$defs", {}), body.__name__: told}.items():
        described_model = schemas.get(name, {})
        if "examples" in model:
            described_model["examples"] = model["examples"]
        fields = described_model.get("properties", {})
        for field, each in model.get("properties", {}).items():
            if "examples" in each and field in fields:
                fields[field]["examples"] = each["examples"]


def _views(app: OpenAPI) -> dict[tuple[str, str], Callable[..., Any]]:
    """Each view by the shape of its path and its method."""
    return {
        (_shape(str(rule)), method.lower()): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def _shape(rule: str) -> str:
    """A path with its parameters nameless, so that Flask's and the description's spelling are one."""
    parts = rule.replace("{", "<").replace("}", ">").split("/")
    return "/".join("<>" if part.startswith("<") else part for part in parts)


def _complete(operation: dict[str, Any], method: str, view: Callable[..., Any]) -> None:
    verb: Verb | None = getattr(view, "verb", None)
    operation["security"] = [] if verb is None else [{"token": []}, {"key": []}]
    once = bool(getattr(view, "answered_once", False))
    if once:
        operation.setdefault("parameters", []).append(_KEY_HEADER)
    responses = {code: each for code, each in operation.get("responses", {}).items() if code.startswith("2")}
    for code in responses or success_codes(view):
        said = responses.get(code, {})
        content = said.get("content") or {"application/json": {"schema": _YES}}
        responses[code] = {**said, "description": _DONE[code], "content": content}
    changes = method != "get"
    for code in _problem_codes(verb, changes=changes) | ({"423"} if once else set()):
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[code] = {"description": _PROBLEMS[code], "content": content}
        if code == "429":
            wait = {"description": "Seconds until the next request is allowed.", "schema": {"type": "integer"}}
            responses[code]["headers"] = {"Retry-After": wait}
    operation["responses"] = dict(sorted(responses.items()))


def _problem_codes(verb: Verb | None, *, changes: bool) -> set[str]:
    """Which problems an operation can have, by what it takes and who may call it."""
    codes = {"400", "404", "422", "429", "503"}
    if verb is not None:
        codes |= {"401", "402", "403"}
    if changes:
        codes |= {"401", "403", "409", "413", "415"}
    return codes


def success_codes(view: Callable[..., Any]) -> list[str]:
    """The yes of a view, read from what it returns: the number beside `answer(...)`, or 200."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(view))))
    except (OSError, SyntaxError):  # sources that are not at hand
        return ["200"]
    found = {
        str(node.args[1].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "answer"
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
    }
    return sorted(found & _DONE.keys()) or ["200"]
