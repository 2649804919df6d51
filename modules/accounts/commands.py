"""`user add`, `user role`, `user reset-password` at the terminal. A password made up here is shown this once.

Everything but typer is imported inside the commands, so that the terminal's other commands start fast.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modules.accounts.operator_commands import JsonFlag, OpenCore, User, terminal, terminal_origin

if TYPE_CHECKING:
    from datetime import datetime

    from database import Store
    from modules.runtime.settings import Settings

RoleText = Annotated[str, typer.Option("--role", help="owner, admin, operator, analyst, subscriber or read_only.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


def register_users(app: typer.Typer, core: OpenCore) -> None:
    """Adds the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Users: add, change the role, set a new password.")
    _adding(commands, core)
    _repairing(commands, core)
    app.add_typer(commands, name="user")


def _adding(commands: typer.Typer, core: OpenCore) -> None:
    @commands.command()
    def add(
        email: Annotated[str, typer.Argument(help="The address they sign in with.")],
        role: RoleText = "subscriber",
        name: Annotated[str, typer.Option(help="What to call them.")] = "",
        password_stdin: FromInput = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Makes a user whose address counts as proven."""
        with core() as opened:
            password = _password(given=password_stdin)
            user_id = add_by_hand(opened.store, opened.settings, opened.clock.now(), (email, password, name, role))
        _told(
            f"{email} is {user_id}, {role}.", {"user_id": user_id}, password, shown=not password_stdin, as_json=as_json
        )

    @commands.command(name="role")
    def role_(
        user: User,
        role: Annotated[str, typer.Argument(help="owner, admin, operator, analyst, subscriber or read_only.")],
        as_json: JsonFlag = False,
    ) -> None:
        """Sets what somebody is; it counts at once."""
        from modules.accounts.administration import UserChange, change_user, find_user, role_named

        with core() as opened, opened.store.transaction() as tx:
            found, wanted = find_user(tx, user), UserChange(role=role_named(role))
            now, origin = opened.clock.now(), terminal_origin()
            change_user(tx, terminal(), str(found["id"]), wanted, now=now, origin=origin)
        _told(f"{user} is {role} now.", {"user_id": found["id"], "role": role}, "", shown=False, as_json=as_json)


def _repairing(commands: typer.Typer, core: OpenCore) -> None:
    @commands.command()
    def reset_password(
        user: User,
        two_factor_off: Annotated[
            bool, typer.Option("--two-factor-off", help="Turn the second factor off too.")
        ] = False,
        password_stdin: FromInput = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Sets a new password and ends every sign-in."""
        with core() as opened:
            password = _password(given=password_stdin)
            now = opened.clock.now()
            user_id = reset_by_hand(opened.store, user, password, now, two_factor_off=two_factor_off)
        _told(f"{user} has a new password.", {"user_id": user_id}, password, shown=not password_stdin, as_json=as_json)


def add_by_hand(
    store: Store,
    settings: Settings,
    now: datetime,
    wanted: tuple[str, str, str, str],
) -> str:
    """Makes a user of (address, password, name, role); the id. Raises InvalidInput, or Conflict for a known address."""
    from database import DuplicateKey
    from modules.accounts import audit
    from modules.accounts.administration import role_named
    from modules.accounts.passwords import Passwords, check_new
    from modules.accounts.people import add_user, normal_email
    from modules.domain.errors import Conflict

    email, password, name, role = wanted
    normal, role_wanted = normal_email(email), role_named(role)
    check_new(password, email=normal)
    kept = Passwords().kept(password)
    with store.transaction() as tx:
        try:
            user = add_user(tx, settings, now, email=normal, password_hash=kept, name=name, role=role_wanted)
        except DuplicateKey as error:
            raise Conflict(f"{normal} has an account already.") from error
        subject, after = f"user:{user['id']}", {"role": role_wanted}
        audit.record(tx, terminal(), "user.added", subject, now=now, origin=terminal_origin(), after=after)
    return str(user["id"])


def reset_by_hand(store: Store, wanted: str, password: str, now: datetime, *, two_factor_off: bool = False) -> str:
    """Sets a user's password; the id. Raises NotFound, or InvalidInput for a weak password."""
    from modules.accounts import audit
    from modules.accounts.administration import find_user
    from modules.accounts.passwords import Passwords, check_new
    from modules.accounts.sessions import end_all

    check_new(password)
    kept = Passwords().kept(password)
    with store.transaction() as tx:
        user = find_user(tx, wanted)
        user_id, subject, origin = str(user["id"]), f"user:{user['id']}", terminal_origin()
        fields: dict[str, Any] = {"password_hash": kept, **({"two_factor": None} if two_factor_off else {})}
        tx["users"].update(fields, key=user_id)
        after = {"sessions_ended": end_all(tx, user_id, "a new password was set by an operator", now)}
        audit.record(tx, terminal(), "password.reset", subject, now=now, origin=origin, after=after)
        if two_factor_off:
            audit.record(tx, terminal(), "two_factor.off", subject, now=now, origin=origin)
    return user_id


def _password(*, given: bool) -> str:
    if given:
        return typer.get_text_stream("stdin").readline().rstrip("\r\n")
    from modules.accounts.passwords import made_up

    return made_up()


def _told(sentence: str, fields: dict[str, Any], password: str, *, shown: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"success": True, **fields, **({"password": password} if shown else {})}))
        return
    typer.echo(sentence)
    if shown:
        typer.echo(f"password: {password}   (shown this once)")
