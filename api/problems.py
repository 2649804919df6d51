"""Every way an answer can be a "no", in one shape: `{"success": false, "error": {"code", "message", "fields"}}`.

Domain errors map to a status here and nowhere else. No stack trace ever reaches a client.
"""

from __future__ import annotations

import math
from typing import Any

from flask import Flask, Response, jsonify, make_response, request
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed

from database import InvalidDocument, StoreError
from modules.domain.errors import (
    Conflict,
    Halted,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotIncluded,
    NotSignedIn,
    OutcomeUnknown,
    Rejected,
    TooMany,
    Trouble,
    Unavailable,
)
from modules.runtime.logs import log

_STATUS: tuple[tuple[type[Trouble], int], ...] = (
    (InvalidInput, 422),
    (NotIncluded, 402),
    (TooMany, 429),
    (Halted, 423),
    (NotSignedIn, 401),
    (NotFound, 404),
    (NotAllowed, 403),
    (Conflict, 409),
    (Rejected, 409),
    (Unavailable, 503),
    (OutcomeUnknown, 503),
)
#: A zero character as JSON says it; the store can't keep one.
_ZERO = b"\\u0000"
_CODES = {
    400: "malformed",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    429: "too_many",
}


def problem(status: int, code: str, message: str, fields: dict[str, str] | None = None) -> tuple[Response, int]:
    """The answer for one problem."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    response = jsonify({"success": False, "error": error})
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response, status


def invalid_fields(error: ValidationError) -> Response:
    """The answer to a body or query with wrong values: each field with what is wrong with it."""
    fields = {".".join(str(part) for part in each["loc"]) or "body": each["msg"] for each in error.errors()}
    response, status = problem(422, "invalid_input", "Some values are wrong: " + ", ".join(sorted(fields)), fields)
    response.status_code = status
    return response


def register(app: Flask) -> None:
    """Installs the handlers."""

    @app.errorhandler(Trouble)
    def trouble(error: Trouble) -> tuple[Response, int]:
        """Every error of the domain in the one shape, with its status."""
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        response, status = problem(status, error.code, error.message, error.fields)
        wait = getattr(error, "retry_after_seconds", None)
        if wait is not None:
            response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return response, status

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Response, int]:
        """What the framework refuses (no such path, a wrong method) in the same shape."""
        if error.response is not None:  # an answer that was made elsewhere, on its way out
            made = make_response(error.response)
            return made, made.status_code
        status = error.code or 500
        response, status = problem(status, _CODES.get(status, "http_error"), _sentence(error))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response, status

    _unreadable(app)
    _unable(app)


def _sentence(error: HTTPException) -> str:
    if error.description == BadRequest.description and request.is_json:
        return "The body is no JSON that can be read."
    return error.description or error.name


def _unreadable(app: Flask) -> None:
    @app.errorhandler(RecursionError)
    def nested(_error: RecursionError) -> tuple[Response, int]:
        return problem(400, "malformed", "The body is nested too deeply.")

    @app.errorhandler(UnicodeEncodeError)
    def half_a_character(_error: UnicodeEncodeError) -> tuple[Response, int]:
        return problem(400, "malformed", "A text holds half of a character.")


def _unable(app: Flask) -> None:
    @app.errorhandler(StoreError)
    def store(error: StoreError) -> tuple[Response, int]:
        """Trouble with the store is told without its particulars; those are in the log."""
        if isinstance(error, InvalidDocument) and _ZERO in request.get_data():
            return problem(422, "invalid_input", "A text holds a zero character, which can't be kept.")
        log("api").error("store trouble", error=repr(error))
        sentence = "The store can't be used right now; nothing was changed. Try again."
        response, status = problem(503, "store_unavailable", sentence)
        response.headers["Retry-After"] = "1"
        return response, status

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[Response, int]:
        log("api").error("request failed", error=repr(error), exc_info=error)
        return problem(500, "internal", "Something went wrong here; it was written to the log.")
