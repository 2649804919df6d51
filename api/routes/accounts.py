"""Signing in and out, registering, passwords. What is open to everybody here tells nobody whether an address is known."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.bodies import accounts as bodies
from api.gate import country, current, needs, origin
from api.rooms import Rooms, answer
from modules.accounts.desk import Accounts, open_accounts
from modules.accounts.office import Caller
from modules.accounts.permissions import Verb
from modules.accounts.profile import profile_row
from modules.accounts.sessions import Grant
from modules.domain.errors import NotAllowed, NotSignedIn

Answer = tuple[Any, int]
COOKIE = "vzk_refresh"
COOKIE_PATH = "/api/auth"
_MAILED = "If this address can be used, a mail is on its way."


def caller() -> Caller:
    """Where the request came from."""
    return Caller(origin(), request.headers.get("User-Agent", "")[:300], country())


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("auth", __name__, url_prefix="/api/auth", abp_tags=[Tag(name="sign-in")])
    desk = open_accounts(rooms.store, rooms.clock, rooms.settings)
    _signing_in(blueprint, rooms, desk)
    _who_it_is(blueprint, rooms)
    _registering(blueprint, desk)
    _passwords(blueprint, desk)
    return blueprint


def granted(rooms: Rooms, grant: Grant, *, in_cookie: bool) -> Answer:
    """The answer to a sign-in; the refresh token is in it, or in a cookie that no script can read."""
    fields: dict[str, Any] = {"access_token": grant.access_token}
    if not in_cookie:
        fields["refresh_token"] = grant.refresh_token
    response, status = answer({**fields, "expires_in": grant.expires_in})
    if in_cookie:
        response.set_cookie(
            COOKIE,
            grant.refresh_token,
            max_age=grant.lasts_seconds,
            path=COOKIE_PATH,
            httponly=True,
            samesite="Strict",
            secure=_is_https(rooms),
        )
    return response, status


def _signing_in(blueprint: APIBlueprint, rooms: Rooms, desk: Accounts) -> None:
    @blueprint.post("/login", summary="Sign in with password, and a code where two-factor sign-in is on")
    @needs(None)
    def login(body: bodies.LoginBody) -> Answer:
        grant = desk.sign_in.with_password(body.email, body.password, body.totp, caller())
        return granted(rooms, grant, in_cookie=body.cookie)

    @blueprint.post("/refresh", summary="The next access token and refresh token; the old one is used up")
    @needs(None)
    def refresh(body: bodies.RefreshBody) -> Answer:
        token, in_cookie = _refresh_token(rooms, body)
        if token is None:
            raise NotSignedIn("A refresh token is needed.", code="no_refresh_token")
        return granted(rooms, desk.sessions.renew(token, caller()), in_cookie=in_cookie)

    @blueprint.post("/logout", summary="End this sign-in, by its refresh token or by the access token sent along")
    @needs(None)
    def logout(body: bodies.RefreshBody) -> Answer:
        token, _ = _refresh_token(rooms, body)
        who = desk.access.principal_of(request.headers)
        if token is not None:
            desk.sessions.end_by_token(token, caller())
        elif who is not None and who.session_id is not None:
            desk.sessions.end(who, who.session_id, caller())
        response, status = answer({})
        return _without_cookie(response), status

    @blueprint.post("/logout-all", summary="End every sign-in of one's own")
    @needs(Verb.OWN_PROFILE)
    def logout_all() -> Answer:
        response, status = answer({"sessions_ended": desk.sessions.end_all(current(), caller())})
        return _without_cookie(response), status


def _who_it_is(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/me", summary="Who is signed in")
    @needs(Verb.OWN_PROFILE)
    def me() -> Answer:
        who = current()
        user = profile_row(rooms.store["users"].get(key=who.user_id) or {})
        scopes = None if who.scopes is None else sorted(who.scopes)
        return answer({"user": user, "via": who.via, "session_id": who.session_id, "scopes": scopes})

    @blueprint.get("/check-verification", summary="Whether one's address is proven")
    @needs(Verb.OWN_PROFILE)
    def check_verification() -> Answer:
        email = (rooms.store["users"].get(key=current().user_id) or {}).get("email")
        return answer({"email": email, "verified": email is not None})


def _registering(blueprint: APIBlueprint, desk: Accounts) -> None:
    @blueprint.post("/register", summary="Register; a mail asks to confirm the address")
    @needs(None)
    def register(body: bodies.RegisterBody) -> Answer:
        desk.registration.register(body.email, body.password, body.name, caller())
        return answer({"message": _MAILED}, 202)

    @blueprint.post("/resend-verification", summary="Send the mail to confirm an address once more")
    @needs(None)
    def resend(body: bodies.EmailBody) -> Answer:
        desk.registration.resend(body.email, caller())
        return answer({"message": _MAILED}, 202)

    @blueprint.post("/verify-email", summary="Confirm an address with the code from the mail")
    @needs(None)
    def verify(body: bodies.CodeBody) -> Answer:
        return answer({"email": desk.registration.verify(body.token, caller())})

    @blueprint.get("/verify-email/<token>", summary="Confirm an address by the link in the mail")
    @needs(None)
    def verify_by_link(path: bodies.CodePath) -> Answer:
        return answer({"email": desk.registration.verify(path.token, caller())})

    @blueprint.post("/verify-email/<token>", summary="Confirm an address with the code in the path")
    @needs(None)
    def verify_by_path(path: bodies.CodePath) -> Answer:
        return answer({"email": desk.registration.verify(path.token, caller())})

    @blueprint.post("/email", summary="Change one's address; a mail to the new one asks to confirm it")
    @needs(Verb.OWN_PROFILE)
    def change_email(body: bodies.ChangeEmailBody) -> Answer:
        desk.sign_in.check_password(current(), body.password, caller())
        desk.registration.change_email(current(), body.email)
        return answer({"message": _MAILED}, 202)


def _passwords(blueprint: APIBlueprint, desk: Accounts) -> None:
    @blueprint.post("/forgot-password", summary="Ask for a mail with a code to set a new password")
    @needs(None)
    def forgot(body: bodies.EmailBody) -> Answer:
        desk.recovery.forgot(body.email)
        return answer({"message": "If this address has an account, a mail is on its way."}, 202)

    @blueprint.post("/reset-password/<token>", summary="Set a new password with the code from the mail")
    @needs(None)
    def reset(path: bodies.CodePath, body: bodies.NewPasswordBody) -> Answer:
        desk.recovery.reset(path.token, body.password, caller())
        return answer({})

    @blueprint.post("/password", summary="Change one's password; every other sign-in ends")
    @needs(Verb.OWN_PROFILE)
    def change(body: bodies.ChangePasswordBody) -> Answer:
        desk.sign_in.check_password(current(), body.current_password, caller())
        desk.recovery.change(current(), body.new_password, caller())
        return answer({})


def _refresh_token(rooms: Rooms, body: bodies.RefreshBody) -> tuple[str | None, bool]:
    """The refresh token, and whether it came in the cookie, which counts only for the page's own script."""
    if body.refresh_token is not None:
        return body.refresh_token, False
    token = request.cookies.get(COOKIE)
    if token is None:
        return None, False
    if request.headers.get("X-Requested-With") != "verzek" or not _is_same_origin(rooms):
        raise NotAllowed("The cookie counts only for this service's own page.", code="foreign_page")
    return token, True


def _is_same_origin(rooms: Rooms) -> bool:
    """Whether the page that asks is ours: its origin is this host, or the installation's public address."""
    try:
        asked = urlsplit(request.headers.get("Origin", ""))
    except ValueError:
        return False
    if asked.scheme not in ("http", "https") or not asked.netloc:
        return False
    public = urlsplit(rooms.settings.public_url)
    return asked.netloc == request.host or (asked.scheme, asked.netloc) == (public.scheme, public.netloc)


def _is_https(rooms: Rooms) -> bool:
    proxied = rooms.settings.trust_proxy > 0 and request.headers.get("X-Forwarded-Proto", "") == "https"
    return request.is_secure or proxied or rooms.settings.public_url.startswith("https://")


def _without_cookie(response: Response) -> Response:
    response.delete_cookie(COOKIE, path=COOKIE_PATH, httponly=True, samesite="Strict")
    return response
