"""Commands on users, roles and the audit log, for those who may manage them."""

from __future__ import annotations

from html import escape

from bots.chat import Answer, Button, Call, Command, example, table_text
from modules.accounts import administration, audit_views
from modules.accounts.administration import UserChange, UserFilter, role_named
from modules.accounts.audit_views import AuditFilter
from modules.accounts.permissions import Verb
from modules.admin_views import overview
from modules.domain.people import Role

_SHOWN = 12


async def users(call: Call) -> Answer:
    """The newest users, or those whose id, address or name has a part."""
    wanted = UserFilter(search=call.text.strip() or None)
    found, following = administration.list_users(call.rooms.store, wanted, limit=_SHOWN, cursor=None)
    if not found:
        return Answer("There is no such user.")
    rows = [("user", "role", "state")]
    rows += [(each["email"] or each["id"], each["role"], "on" if each["enabled"] else "off") for each in found]
    more = "\nThere are more: /users PART finds one." if following else ""
    return Answer(table_text(rows) + more)


async def grant(call: Call) -> Answer:
    """Gives a user a role and switches them on."""
    with example("grant ann@example.org analyst"):
        role = role_named(call.word(1))
    return _changed(call, UserChange(role, enabled=True))


async def revoke(call: Call) -> Answer:
    """Takes a user's role away and ends their sign-ins."""
    return _changed(call, UserChange(Role.SUBSCRIBER), sign_out=True)


async def audit(call: Call) -> Answer:
    """The newest rows of the audit log, of one user where one is named."""
    store = call.rooms.store
    who = str(administration.find_user(store, call.word(0))["id"]) if call.words else None
    found, _ = audit_views.rows(store, AuditFilter(who=who), limit=_SHOWN)
    if not found:
        return Answer("Nothing is written down.")
    rows = [("when", "who", "what", "about")]
    rows += [(each["at"][5:16].replace("T", " "), each["who"], each["action"], each["subject"][:24]) for each in found]
    return Answer(table_text(rows))


async def stats(call: Call) -> Answer:
    """The whole in a few numbers."""
    rooms = call.rooms
    health = rooms.views.health(call.now, trading=rooms.settings.trading, feed=rooms.feed())
    told = overview(rooms.store, call.now, health)
    rows = [
        ("users", f"{told['users']['enabled']} of {told['users']['total']}"),
        ("new this week", told["users"]["new_this_week"]),
        ("accounts that trade", f"{told['accounts']['trading']} of {told['accounts']['total']}"),
        ("open positions", told["trades"]["open_positions"]),
        ("working orders", told["trades"]["working_orders"]),
        ("trades closed in a day", told["trades"]["closed_last_day"]),
        ("signals in a day", told["signals"]["last_day"]),
        ("open alerts", told["alerts"]["open"]),
    ]
    buttons = ((Button("Health", "/health"), Button("Sources", "/sources")),)
    return Answer(table_text(rows), buttons)


def _changed(call: Call, wanted: UserChange, *, sign_out: bool = False) -> Answer:
    store, who = call.rooms.store, call.person.principal
    user_id = str(administration.find_user(store, call.word(0))["id"])
    with store.transaction() as tx:
        changed = administration.change_user(tx, who, user_id, wanted, now=call.now)
        if sign_out:
            administration.sign_out(tx, who, user_id, now=call.now)
        row = administration.user_row(tx, administration.one_user(tx, user_id))
    name, state = escape(row["email"] or row["id"]), "on" if row["enabled"] else "off"
    return Answer(f"{name} is {row['role']}, {state}." + ("" if changed else " Nothing changed."))


def _grant_question(call: Call) -> str:
    with example("grant ann@example.org analyst"):
        role = role_named(call.word(1))
    row = administration.find_user(call.rooms.store, call.word(0))
    return f"Make {escape(str(row.get('email') or row['id']))}, who is {row['role']}, {role.value}?"


def _revoke_question(call: Call) -> str:
    row = administration.find_user(call.rooms.store, call.word(0))
    return f"Take the role {row['role']} from {escape(str(row.get('email') or row['id']))} and end every sign-in?"


COMMANDS = (
    Command(
        "users", "users, or one by a part of the name", "users [PART]", Verb.MANAGE_USERS, users, example="users ann"
    ),
    Command(
        "grant",
        "give a user a role",
        "grant USER ROLE",
        Verb.MANAGE_USERS,
        grant,
        2,
        asks=_grant_question,
        example="grant ann@example.org analyst",
    ),
    Command(
        "revoke",
        "take a user's role away",
        "revoke USER",
        Verb.MANAGE_USERS,
        revoke,
        1,
        asks=_revoke_question,
        example="revoke ann@example.org",
    ),
    Command("audit", "who did what", "audit [USER]", Verb.READ_AUDIT, audit, example="audit ann@example.org"),
    Command("stats", "the whole in a few numbers", "stats", Verb.READ_SYSTEM, stats),
)
