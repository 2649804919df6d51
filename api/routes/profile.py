"""One's own things: profile, sessions, API keys, a copy of everything, and its erasure. Another user's are not found."""

from __future__ import annotations

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from api.bodies import accounts as bodies
from api.gate import current, needs
from api.rooms import Rooms, answer
from api.routes.accounts import caller
from modules.accounts.api_keys import NewKey
from modules.accounts.desk import Accounts, open_accounts
from modules.accounts.permissions import Verb
from modules.accounts.sessions import session_row
from modules.domain.errors import InvalidInput, NotFound

Answer = tuple[Any, int]
CONFIRMATION = "delete my account"


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("profile", __name__, url_prefix="/api", abp_tags=[Tag(name="profile")])
    desk = open_accounts(rooms.store, rooms.clock, rooms.settings)
    _sessions(blueprint, rooms, desk)
    _keys(blueprint, desk)
    _me(blueprint, rooms, desk)
    _by_id(blueprint, rooms, desk)
    return blueprint


def _sessions(blueprint: APIBlueprint, rooms: Rooms, desk: Accounts) -> None:
    @blueprint.get("/sessions", summary="Where one is signed in, the newest use first")
    @needs(Verb.OWN_PROFILE)
    def sessions(query: bodies.PageQuery) -> Answer:
        who = current()
        rows = [session_row(row, who.session_id) for row in desk.sessions.of_user(who.user_id, rooms.clock.now())]
        return answer(_page("sessions", rows, query))

    @blueprint.delete("/sessions/<session_id>", summary="End one sign-in")
    @needs(Verb.OWN_PROFILE)
    def end_session(path: bodies.SessionPath) -> Answer:
        desk.sessions.end(current(), path.session_id, caller())
        return answer({})


def _keys(blueprint: APIBlueprint, desk: Accounts) -> None:
    @blueprint.get("/keys", summary="API keys, newest first")
    @needs(Verb.MANAGE_KEYS)
    def keys(query: bodies.PageQuery) -> Answer:
        return answer(_page("keys", desk.keys.of_user(current().user_id), query))

    @blueprint.post("/keys", summary="Make an API key; it is shown this once")
    @needs(Verb.MANAGE_KEYS)
    def create_key(body: bodies.KeyBody) -> Answer:
        key, row = desk.keys.create(current(), NewKey(body.name, body.scopes, body.expires_at), caller())
        return answer({"key": key, "api_key": row}, 201)

    @blueprint.delete("/keys/<key_id>", summary="Revoke an API key at once")
    @needs(Verb.MANAGE_KEYS)
    def revoke_key(path: bodies.KeyPath) -> Answer:
        desk.keys.revoke(current(), path.key_id, caller())
        return answer({})


def _me(blueprint: APIBlueprint, rooms: Rooms, desk: Accounts) -> None:
    @blueprint.get("/users/me", summary="One's own profile")
    @needs(Verb.OWN_PROFILE)
    def me() -> Answer:
        return answer({"user": desk.profile.of(current().user_id)})

    @blueprint.patch("/users/me", summary="Change one's own profile")
    @needs(Verb.OWN_PROFILE)
    def change_me(body: bodies.ProfileBody) -> Answer:
        return answer({"user": desk.profile.change(current(), body.model_dump(exclude_none=True), caller())})

    @blueprint.delete("/users/me", summary="Erase one's account and what is known of oneself")
    @needs(Verb.OWN_PROFILE)
    def delete_me(body: bodies.DeleteBody) -> Answer:
        _erase_oneself(rooms, desk, body)
        return answer({})

    @blueprint.get("/users/me/export", summary="A copy of everything that is kept of oneself")
    @needs(Verb.OWN_PROFILE)
    def export_me() -> Answer:
        response, status = answer(desk.personal_data.export(current(), caller()))
        response.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
        return response, status

    @blueprint.post("/test/email", summary="Send a mail to one's own address, to see that it arrives")
    @needs(Verb.OWN_PROFILE)
    def test_email() -> Answer:
        desk.profile.send_test_mail(current())
        return answer({"message": "A mail is on its way."}, 202)

    @blueprint.post("/support/message", summary="Ask whoever runs this installation, by mail")
    @needs(Verb.OWN_PROFILE)
    def support(body: bodies.SupportBody) -> Answer:
        desk.profile.ask_for_help(current(), body.subject, body.message)
        return answer({"message": "Your question is on its way; the answer comes to your address."}, 202)


def _erase_oneself(rooms: Rooms, desk: Accounts, body: bodies.DeleteBody) -> None:
    """Erases who asks, once they proved that they mean it."""
    who = current()
    user = rooms.store["users"].get(key=who.user_id) or {}
    if user.get("password_hash"):
        if body.password is None:  # not a wrong try: nothing was tried
            raise InvalidInput("Your password is needed for this.", fields={"password": "is needed"})
        desk.sign_in.check_password(who, body.password, caller())
    elif body.confirm != CONFIRMATION:
        raise InvalidInput(f"Write {CONFIRMATION!r} to confirm.", fields={"confirm": f"must be {CONFIRMATION!r}"})
    desk.personal_data.erase(who, caller())


def _by_id(blueprint: APIBlueprint, rooms: Rooms, desk: Accounts) -> None:
    """The same by number, as older clients ask; every number but one's own is not found."""

    @blueprint.get("/users/<user_id>", summary="One's own profile, by id")
    @needs(Verb.OWN_PROFILE)
    def user(path: bodies.UserPath) -> Answer:
        return answer({"user": desk.profile.of(_oneself(path.user_id))})

    @blueprint.put("/users/<user_id>", summary="Change one's own profile, by id")
    @needs(Verb.OWN_PROFILE)
    def change_user(path: bodies.UserPath, body: bodies.ProfileBody) -> Answer:
        _oneself(path.user_id)
        return answer({"user": desk.profile.change(current(), body.model_dump(exclude_none=True), caller())})

    @blueprint.delete("/users/<user_id>", summary="Erase one's own account, by id")
    @needs(Verb.OWN_PROFILE)
    def delete_user(path: bodies.UserPath, body: bodies.DeleteBody) -> Answer:
        _oneself(path.user_id)
        _erase_oneself(rooms, desk, body)
        return answer({})

    _parts_by_id(blueprint, desk)


def _parts_by_id(blueprint: APIBlueprint, desk: Accounts) -> None:
    @blueprint.get("/users/<user_id>/general", summary="One's own general settings")
    @needs(Verb.OWN_PROFILE)
    def general(path: bodies.UserPath) -> Answer:
        return answer({"general": _general(desk, _oneself(path.user_id))})

    @blueprint.put("/users/<user_id>/general", summary="Change one's own general settings")
    @needs(Verb.OWN_PROFILE)
    def set_general(path: bodies.UserPath, body: bodies.ProfileBody) -> Answer:
        mine = _oneself(path.user_id)
        desk.profile.change(current(), body.model_dump(exclude_none=True), caller())
        return answer({"general": _general(desk, mine)})

    @blueprint.get("/users/<user_id>/preferences", summary="What one's clients keep here")
    @needs(Verb.OWN_PROFILE)
    def preferences(path: bodies.UserPath) -> Answer:
        return answer({"preferences": desk.profile.preferences(_oneself(path.user_id))})

    @blueprint.put("/users/<user_id>/preferences", summary="Replace what one's clients keep here")
    @needs(Verb.OWN_PROFILE)
    def set_preferences(path: bodies.UserPath, body: bodies.PreferencesBody) -> Answer:
        _oneself(path.user_id)
        return answer({"preferences": desk.profile.set_preferences(current(), body.preferences)})


def _oneself(user_id: str) -> str:
    """The id, if it is one's own. Raises NotFound for another: whether there is such a user is nobody's business."""
    if user_id not in (current().user_id, "me"):
        raise NotFound("There is no such user.")
    return current().user_id


def _general(desk: Accounts, user_id: str) -> dict[str, Any]:
    row = desk.profile.of(user_id)
    return {name: row[name] for name in ("name", "time_zone", "language")}


def _page(name: str, rows: list[dict[str, Any]], query: bodies.PageQuery) -> dict[str, Any]:
    """A page of a short list; the cursor is the id of the last row shown."""
    start = 0
    if query.cursor is not None:
        ids = [row["id"] for row in rows]
        if query.cursor not in ids:
            raise InvalidInput("The cursor does not fit this list.", fields={"cursor": "does not fit this list"})
        start = ids.index(query.cursor) + 1
    page = rows[start : start + query.limit]
    more = start + query.limit < len(rows)
    return {name: page, "next_cursor": page[-1]["id"] if more else None}
