"""What goes with every answer: the request's id, what a browser may do with it, and who else may read it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, make_response, request

from modules.runtime.logs import log

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: The page over the API's description sets its own styles; nothing of users is shown there.
_DOCS_POLICY = _PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_DOCS = ("/api/docs", "/api/swagger")
_TOLD = "Retry-After, X-Request-ID, Idempotency-Replayed, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


def is_secure() -> bool:
    """Whether the client came by https; a proxy's word counts only where one was named."""
    if current_app.config.get("TRUST_PROXY"):
        return request.headers.get("X-Forwarded-Proto", request.scheme).split(",")[-1].strip() == "https"
    return request.is_secure


def request_id() -> str:
    """The id of the request that is being answered."""
    return str(g.request_id)


def install(app: Flask, cors_origins: Collection[str]) -> None:
    """Gives every request its id and every answer its headers. Without `cors_origins` no other site reads an answer."""

    @app.before_request
    def begin() -> Any:
        """Gives the request its id: the client's own where it is fit to be one."""
        asked = request.headers.get("X-Request-ID", "")
        g.request_id = asked if _REQUEST_ID.fullmatch(asked) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return make_response("", 204)
        return None

    @app.after_request
    def finish(response: Response) -> Response:
        """Puts the security headers and the request's id on every answer."""
        for name, value in _ALWAYS.items():
            response.headers.setdefault(name, value)
        policy = _DOCS_POLICY if request.path.startswith(_DOCS) else _PAGE_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers["X-Request-ID"] = getattr(g, "request_id", "")
        if request.path.startswith("/api/") and not request.path.startswith(_DOCS):
            response.headers["Cache-Control"] = "no-store"
        if is_secure():
            response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        _share(response, cors_origins)
        _log(response)
        return response


def _share(response: Response, origins: Collection[str]) -> None:
    """Lets the pages of the named origins read the answer."""
    origin = request.headers.get("Origin", "")
    if not origins:
        return
    response.vary.add("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _TOLD
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        response.headers["Access-Control-Allow-Headers"] = (
            "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-ID"
        )
        response.headers["Access-Control-Max-Age"] = "600"


def _log(response: Response) -> None:
    """One line for what changed something or failed here; reading is said to those who ask for every detail."""
    changing = request.method not in ("GET", "HEAD", "OPTIONS") and response.status_code < 400
    write = log("api").info if changing else log("api").debug
    write("answered", method=request.method, path=request.path, status=response.status_code)
