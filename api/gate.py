"""The gate every request passes: who asks, and whether they may. A route without a declared verb is denied."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Flask, Request, current_app, g, request

from api import problems
from modules.accounts.permissions import Verb, require
from modules.domain.people import Principal

Authenticate = Callable[[Request], Principal | None]
_View = TypeVar("_View", bound=Callable[..., Any])
_CLOSED: Any = object()
_OPEN_PATHS = ("/api/openapi.json", "/api/docs", "/api/swagger")


def needs(verb: Verb | None) -> Callable[[_View], _View]:
    """Declares what a route needs (put it directly above the function); None opens it to everybody."""

    def declare(view: _View) -> _View:
        view.verb = verb  # type: ignore[attr-defined]
        return view

    return declare


def current() -> Principal:
    """Who sent the request that is being answered."""
    principal: Principal = g.principal
    return principal


def origin() -> str:
    """The address the request came from.

    `TRUST_PROXY` says how many proxies of one's own stand before this process; what each of them appended to
    X-Forwarded-For is believed, and nothing that the client itself wrote there.
    """
    hops = int(current_app.config.get("TRUST_PROXY", 0))
    told = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    if hops and len(told) >= hops:
        try:
            return str(ip_address(told[-hops]))
        except ValueError:  # not an address: whoever wrote it is not the proxy that was meant
            pass
    return request.remote_addr or ""


def install(app: Flask, authenticate: Authenticate) -> None:
    """Makes every request of `app` pass the gate; `app.extensions["authenticate"]` is who says who asks."""
    app.extensions["authenticate"] = authenticate

    @app.before_request
    def pass_gate() -> Any:
        if request.path.startswith(_OPEN_PATHS):
            return None
        view = app.view_functions.get(request.endpoint or "")
        verb = getattr(view, "verb", _CLOSED)
        if verb is None or (view is None and not request.path.startswith("/api/")):
            return None
        principal = app.extensions["authenticate"](request)
        if principal is None:
            return problems.problem(401, "not_signed_in", "A bearer token is needed: Authorization: Bearer TOKEN.")
        g.principal = principal
        if view is None:
            return None  # only who is signed in learns that there is no such path
        if verb is _CLOSED:
            return problems.problem(403, "not_allowed", "This path is closed.")
        require(principal, verb)
        return None
