"""The gate every request passes: who asks, and whether they may. A route without a declared verb is denied."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Flask, Request, Response, current_app, g, request

from api import problems
from api.platform.rate_limits import Allowance, Limits
from modules.accounts.permissions import Verb, require
from modules.domain.errors import TooMany
from modules.domain.people import Principal
from modules.domain.ports import Clock

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


def country() -> str:
    """The country a trusted proxy says the request came from (CF-IPCountry, two letters); empty where none does."""
    told = request.headers.get("CF-IPCountry", "") if int(current_app.config.get("TRUST_PROXY", 0)) else ""
    return told if len(told) == 2 and told.isascii() and told.isalpha() and told.isupper() else ""


def install(app: Flask, authenticate: Authenticate, limits: Limits, clock: Clock) -> None:
    """Makes every request of `app` pass the gate; `app.extensions["authenticate"]` is who says who asks."""
    app.extensions["authenticate"] = authenticate

    @app.before_request
    def pass_gate() -> Any:
        """Finds out who asks and whether they may; None lets the request through."""
        if request.path.startswith(_OPEN_PATHS):
            return None
        view = app.view_functions.get(request.endpoint or "")
        verb = getattr(view, "verb", _CLOSED)
        if verb is None or (view is None and not request.path.startswith("/api/")):
            _count_address(limits, clock)
            return None
        principal = app.extensions["authenticate"](request)
        if principal is None:
            _count_address(limits, clock)
            return problems.problem(401, "not_signed_in", _why_unknown())
        g.principal = principal
        _count(limits.for_principal(principal, clock.monotonic(), request.headers.get("X-API-Key", "")))
        if view is None:
            return None  # only who is signed in learns that there is no such path
        if verb is _CLOSED:
            return problems.problem(403, "not_allowed", "This path is closed.")
        require(principal, verb)
        return None

    @app.after_request
    def tell_limit(response: Response) -> Response:
        """Tells in the headers how many requests are left."""
        allowance: Allowance | None = g.get("allowance")
        if allowance is not None:
            response.headers["RateLimit-Limit"] = str(allowance.limit)
            response.headers["RateLimit-Remaining"] = str(allowance.remaining)
            response.headers["RateLimit-Reset"] = str(allowance.reset_seconds)
        return response


def _why_unknown() -> str:
    """What to tell whom nobody knows: whether a proof was missing, or not good, or one too many."""
    told = [name for name in ("Authorization", "X-API-Key") if request.headers.get(name)]
    if not told:
        return "A bearer token is needed: Authorization: Bearer TOKEN."
    if len(told) > 1:
        return "Send one proof of who you are, not two: Authorization or X-API-Key."
    return f"What was sent as {told[0]} is not good, or not any more. Sign in again, or use another key."


def _count_address(limits: Limits, clock: Clock) -> None:
    """Counts a request of somebody unknown. Asking for the state of health and for pages is free."""
    if request.path.startswith("/api/") and request.path != "/api/health":
        _count(limits.for_address(origin(), request.path, clock.monotonic()))


def _count(allowance: Allowance | None) -> None:
    """Raises TooMany when nothing is left."""
    g.allowance = allowance
    if allowance is not None and not allowance.allowed:
        raise TooMany(
            f"That is more than {allowance.limit} requests a minute.", retry_after_seconds=allowance.retry_seconds
        )
