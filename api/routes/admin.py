"""What those who run the service do over HTTP: users, numbers, broadcasts, backups."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import request
from flask_openapi3 import APIBlueprint, Tag

from api.bodies.admin import ActivityQuery, BackupPath, BroadcastBody, UserPatch, UserPath, UsersQuery
from api.bodies.trading import ListQuery
from api.gate import current, needs, origin
from api.rooms import Rooms, answer
from modules import admin_views, backups
from modules.accounts import administration
from modules.accounts.administration import UserChange, UserFilter
from modules.accounts.audit import record
from modules.accounts.permissions import Verb
from modules.backups import Backup
from modules.domain.errors import Conflict
from modules.domain.market import iso_from_utc
from modules.notices.broadcasts import send_to_groups
from modules.trading import safety
from modules.trading.safety import Scope
from modules.trading.safety_records import SWITCHED_OFF, change

Answer = tuple[Any, int]
_SAME_TEXT_SECONDS = 600


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("admin", __name__, url_prefix="/api", abp_tags=[Tag(name="admin")])
    _users(blueprint, rooms)
    _broadcasts(blueprint, rooms)
    _numbers(blueprint, rooms)
    _backups(blueprint, rooms)
    return blueprint


def _users(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.get("/admin/users", summary="Users, newest first")
    @needs(Verb.MANAGE_USERS)
    def admin_users(query: UsersQuery) -> Answer:
        wanted = UserFilter(query.search, query.role, query.enabled)
        found, following = administration.list_users(rooms.store, wanted, limit=query.limit, cursor=query.cursor)
        return answer({"users": found, "next_cursor": following})

    @blueprint.get("/admin/users/<user_id>", summary="One user")
    @needs(Verb.MANAGE_USERS)
    def admin_user(path: UserPath) -> Answer:
        user = administration.one_user(rooms.store, path.user_id)
        return answer({"user": administration.user_row(rooms.store, user)})

    @blueprint.patch("/admin/users/<user_id>", summary="Change a user's role, or switch them off or on")
    @needs(Verb.MANAGE_USERS)
    def change_user(path: UserPath, body: UserPatch) -> Answer:
        now, who = rooms.clock.now(), current()
        with rooms.store.transaction() as tx:
            wanted = UserChange(body.role, body.enabled)
            changed = administration.change_user(tx, who, path.user_id, wanted, now=now, origin=origin())
            if changed and body.enabled is False:
                change(
                    rooms.store,
                    Scope.USER,
                    path.user_id,
                    lambda state: safety.kill(state, who.user_id, now, reason=SWITCHED_OFF),
                    now,
                    who=who,
                    origin=origin(),
                )
            user = administration.user_row(tx, administration.one_user(tx, path.user_id))
        return answer({"user": user, "changed": changed})

    @blueprint.post("/admin/users/<user_id>/sign-out", summary="End every sign-in of a user")
    @needs(Verb.MANAGE_USERS)
    def sign_out(path: UserPath) -> Answer:
        with rooms.store.transaction() as tx:
            count = administration.sign_out(tx, current(), path.user_id, now=rooms.clock.now(), origin=origin())
        return answer({"sessions_ended": count})


def _broadcasts(blueprint: APIBlueprint, rooms: Rooms) -> None:
    @blueprint.post("/admin/broadcast", summary="A text to the groups; the same text within ten minutes goes out once")
    @needs(Verb.BROADCAST)
    def broadcast(body: BroadcastBody) -> Answer:
        now = rooms.clock.now()
        given = request.headers.get("Idempotency-Key", "")
        named = given or f"{body.text}\0{int(now.timestamp()) // _SAME_TEXT_SECONDS}"
        digest = hashlib.sha256(f"{current().user_id}\0{bool(given)}\0{named}".encode()).hexdigest()
        sent = send_to_groups(rooms.store, current(), body.text, f"http:{digest}", now=now, origin=origin())
        return answer({"chats": sent.chats, "queued": sent.queued}, 202)


def _numbers(blueprint: APIBlueprint, rooms: Rooms) -> None:
    def health() -> dict[str, Any]:
        return rooms.views.health(rooms.clock.now(), trading=rooms.settings.trading, feed=rooms.prices.feed())

    @blueprint.get("/admin/overview", summary="The whole in a few numbers")
    @needs(Verb.READ_SYSTEM)
    def overview() -> Answer:
        return answer(admin_views.overview(rooms.store, rooms.clock.now(), health()))

    @blueprint.get("/admin/activity", summary="What people did and what happened, newest first")
    @needs(Verb.READ_AUDIT)
    def activity(query: ActivityQuery) -> Answer:
        found, following = admin_views.activity(rooms.store, query.limit, query.cursor)
        return answer({"activity": found, "next_cursor": following})

    @blueprint.get("/admin/health", summary="Every process, the store, the disk")
    @needs(Verb.READ_SYSTEM)
    def admin_health() -> Answer:
        return answer(admin_views.health_details(health(), rooms.store, rooms.settings.data_dir))

    @blueprint.get("/admin/metrics", summary="Counts by state, and how far every reader is behind")
    @needs(Verb.READ_SYSTEM)
    def metrics() -> Answer:
        return answer({"metrics": admin_views.metrics(rooms.store)})


def _backups(blueprint: APIBlueprint, rooms: Rooms) -> None:
    folder = rooms.settings.data_dir

    @blueprint.post("/backup/create", summary="Copy the store while everything runs")
    @needs(Verb.MANAGE_BACKUPS)
    def create_backup() -> Answer:
        made = backups.create(rooms.store, folder, current(), now=rooms.clock.now(), origin=origin())
        return answer({"backup": _backup_row(made)}, 201)

    @blueprint.get("/backup/list", summary="The copies there are, newest first")
    @needs(Verb.MANAGE_BACKUPS)
    def list_backups(query: ListQuery) -> Answer:
        found = [each for each in backups.listing(folder) if query.cursor is None or each.name < query.cursor]
        shown = found[: query.limit]
        following = shown[-1].name if len(found) > query.limit else None
        return answer({"backups": [_backup_row(each) for each in shown], "next_cursor": following})

    @blueprint.post("/backup/restore/<name>", summary="How to put a copy in the store's place")
    @needs(Verb.MANAGE_BACKUPS)
    def restore_backup(path: BackupPath) -> Answer:
        backups.named(folder, path.name)
        with rooms.store.transaction() as tx:
            subject = f"backup:{path.name}"
            record(tx, current(), "backup.restore_asked", subject, now=rooms.clock.now(), origin=origin())
        raise Conflict(
            "A store can't be replaced under running processes. Stop them, then run "
            f"`cli.py restore {backups.FOLDER}/{path.name}` in the data directory.",
            code="stop_first",
        )


def _backup_row(backup: Backup) -> dict[str, Any]:
    made = iso_from_utc(backup.made_at)
    return {"name": backup.name, "made_at": made, "bytes": backup.size_bytes}
