"""What an operator does at the terminal of the machine: the audit log, roles by hand, the change of the master key.

Whoever can write this machine's files is the owner here; what is done is written into the audit log all the same. Everything
but typer is imported inside the commands, so that the terminal's other commands start fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from database import Store
    from modules.accounts.audit import Verdict
    from modules.domain.people import Principal
    from modules.runtime.settings import Settings

#: Opens the installation's store and clock, and turns errors into exit codes.
OpenCore = Callable[[], AbstractContextManager[Any]]
JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
User = Annotated[str, typer.Argument(help="A user's id or e-mail address.")]
Who = Annotated[str | None, typer.Option(help="Id of the user who acted.")]
Action = Annotated[str | None, typer.Option(help="As in user.role; `session.` is every one that begins so.")]
Subject = Annotated[str | None, typer.Option(help="As in user:u-1.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")]


def register(app: typer.Typer, core: OpenCore) -> None:
    """Adds `audit verify`, `audit list`, `grant`, `revoke` and `vault rotate` to the terminal's commands."""
    app.add_typer(_audit_commands(core), name="audit")
    app.add_typer(_vault_commands(core), name="vault")
    _role_commands(app, core)


def terminal() -> Principal:
    """Who acts at the terminal: the owner."""
    from modules.accounts.first_start import OPERATOR
    from modules.domain.people import Principal, Role

    return Principal(OPERATOR, Role.OWNER, "cli")


def terminal_origin() -> str:
    """From where: the name of the machine's account."""
    import getpass

    try:
        return f"terminal:{getpass.getuser()}"
    except (OSError, KeyError):  # an account without a name, as in a container
        return "terminal"


def note(store: Store, action: str, subject: str, after: Mapping[str, Any], now: datetime) -> None:
    """Writes down what was done at the terminal."""
    from modules.accounts.audit import record

    with store.transaction() as tx:
        record(tx, terminal(), action, subject, now=now, origin=terminal_origin(), after=after)


def rotate(store: Store, settings: Settings, now: datetime) -> tuple[int, int]:
    """Closes everything anew that MASTER_KEY_OLD closed; how many exchange keys and second factors there were.

    All or nothing, and once more is harmless. Raises Misconfigured where MASTER_KEY_OLD is missing or not the one.
    """
    from modules.accounts.audit import record
    from modules.accounts.vault import keyring
    from modules.domain.errors import Misconfigured
    from modules.runtime.settings import kept_secret

    old = settings.master_key_old.get_secret_value()
    if not old:
        raise Misconfigured(["MASTER_KEY_OLD: give the key that closed what is kept, and the new one as MASTER_KEY"])
    ring = keyring(settings)
    with store.transaction(durable=True) as tx:
        keys = _close_keys_anew(tx, ring)
        factors = _close_factors_anew(tx, old, kept_secret(settings, "master_key"))
        after = {"exchanges": keys, "second_factors": factors}
        record(tx, terminal(), "vault.rotated", "vault", now=now, origin=terminal_origin(), after=after)
    return keys, factors


def _close_keys_anew(tx: Any, ring: Any) -> int:
    from modules.accounts.exchange_keys import KEYS, mark_of, place_of
    from modules.accounts.vault import seal
    from modules.accounts.vault_opening import open_sealed

    count = 0
    for row in tx[KEYS].all():
        if row["sealed"]["key_id"] == ring.current.id:
            continue
        fields, place = open_sealed(ring, row["sealed"], place_of(row)), place_of(row)
        mark = mark_of(ring, row["exchange"], fields["api_key"], testnet=row["testnet"])
        tx[KEYS].update({"sealed": seal(ring, fields, place), "mark": mark}, key=row["id"])
        count += 1
    return count


def _close_factors_anew(tx: Any, old: str, new: str) -> int:
    from modules.accounts.two_factor import reseal
    from modules.domain.errors import Misconfigured

    try:
        return reseal(tx, old, new)
    except Misconfigured:
        reseal(tx, new, new)  # done already; raises for a key that is neither
        return 0


def _audit_commands(core: OpenCore) -> typer.Typer:
    commands = typer.Typer(no_args_is_help=True, help="The audit log: who did what.")

    @commands.command()
    def verify(as_json: JsonFlag = False) -> None:
        """Looks whether every row is as it was written; exit 1 when one is not, naming the first."""
        from modules.accounts import audit
        from modules.runtime.settings import kept_secret

        with core() as opened:
            verdict = audit.verify(opened.store, kept_secret(opened.settings, "secret_key"))
        typer.echo(_verdict_line(verdict, as_json=as_json))
        raise typer.Exit(0 if verdict.ok else 1)

    @commands.command(name="list")
    def list_(
        who: Who = None, action: Action = None, subject: Subject = None, limit: Limit = 50, as_json: JsonFlag = False
    ) -> None:
        """The newest rows."""
        from modules.accounts.audit_views import AuditFilter, rows

        with core() as opened:
            found, _ = rows(opened.store, AuditFilter(who, action, subject), limit=limit)
        if as_json:
            typer.echo(json.dumps({"success": True, "entries": found}, ensure_ascii=False))
            return
        for row in found:
            typer.echo(f"{row['seq']:>6}  {row['at']}  {row['who']} ({row['via']})  {row['action']}  {row['subject']}")

    return commands


def _verdict_line(verdict: Verdict, *, as_json: bool) -> str:
    if as_json:
        told = {"ok": verdict.ok, "rows": verdict.rows, "broken_seq": verdict.broken_seq, "reason": verdict.reason}
        return json.dumps({"success": verdict.ok, **told})
    if verdict.ok:
        return f"{verdict.rows} rows: {verdict.reason}"
    return f"BROKEN at row {verdict.broken_seq}: {verdict.reason} ({verdict.rows} rows before it are sound)"


def _vault_commands(core: OpenCore) -> typer.Typer:
    commands = typer.Typer(no_args_is_help=True, help="What is kept encrypted: exchange keys and second factors.")

    @commands.callback()
    def vault() -> None:
        """Keeps `rotate` a command of its own name."""

    @commands.command(name="rotate")
    def rotate_(as_json: JsonFlag = False) -> None:
        """Encrypts everything anew with MASTER_KEY, reading it with MASTER_KEY_OLD; then MASTER_KEY_OLD can go."""
        with core() as opened:
            keys, factors = rotate(opened.store, opened.settings, opened.clock.now())
        if as_json:
            typer.echo(json.dumps({"success": True, "exchange_keys": keys, "second_factors": factors}))
        else:
            typer.echo(f"{keys} exchange keys and {factors} second factors are encrypted anew.")

    return commands


def _role_commands(app: typer.Typer, core: OpenCore) -> None:
    @app.command()
    def grant(
        user: User, role: Annotated[str, typer.Argument(help="owner, admin, operator, analyst, subscriber, read_only.")]
    ) -> None:
        """Gives a user a role, and switches the account on."""
        _change(core, user, role, switch_on=True)

    @app.command()
    def revoke(user: User) -> None:
        """Takes a user's role away (a subscriber is left) and ends every sign-in."""
        _change(core, user, "subscriber", switch_on=False)


def _change(core: OpenCore, wanted: str, role: str, *, switch_on: bool) -> None:
    from modules.accounts import administration

    with core() as opened:
        change = administration.UserChange(administration.role_named(role), True if switch_on else None)
        user_id, now = str(administration.find_user(opened.store, wanted)["id"]), opened.clock.now()
        with opened.store.transaction() as tx:
            who, origin = terminal(), terminal_origin()
            administration.change_user(tx, who, user_id, change, now=now, origin=origin)
            if not switch_on:
                administration.sign_out(tx, who, user_id, now=now, origin=origin)
            row = administration.user_row(tx, administration.one_user(tx, user_id))
    typer.echo(f"{row['id']} ({row['email'] or 'no e-mail'}) is {row['role']}, {'on' if row['enabled'] else 'off'}.")
