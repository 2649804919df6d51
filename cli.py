"""The terminal's door: every command has --help; `--json` gives machine output; exit 0 = done, 2 = bad input, 1 = failed."""

# Rooms are imported inside the commands, so that `parse` and `kill` start fast and work whatever else is broken.

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from modules.accounts.commands import register_users
from modules.accounts.operator_commands import register, terminal, terminal_origin
from modules.terminal import analysis, backtests, candles, store
from modules.terminal.ground import JsonFlag, errors, open_place, progress_bar, said

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

HERE = Path(__file__).resolve().parent
app.add_typer(candles.commands_app, name="candles")
analysis.register(app)
store.register(app)


@app.command()
def parse(
    file: Annotated[Path | None, typer.Argument(help="A file with one message; standard input without it.")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help='Lines {"id", "text"} in, one parse per line out.')] = False,
) -> None:
    """Reads a message and prints what it says, as JSON."""
    from modules.signals.parsing import parse as read

    if jsonl:
        source = file.open(encoding="utf-8") if file else sys.stdin
        for number, line in enumerate(source, start=1):
            if line.strip():
                row = _json_line(line, number)
                print(json.dumps({"id": row.get("id"), **read(str(row.get("text", ""))).as_json()}, ensure_ascii=False))
        return
    text = _read_text(file)
    print(json.dumps(read(text).as_json(), ensure_ascii=False, indent=2))


@app.command()
def rehearse(
    messages: Annotated[Path, typer.Option(help="Lines with `text` and a time (`logged_at` or `at`).")],
    candles: Annotated[Path, typer.Option(help="Folder of candle files SYMBOL-TIMEFRAME.parquet or .csv.")],
    settings: Annotated[Path | None, typer.Option(help="Trade settings as JSON, as /settings shows them.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write the result's picture (PNG) here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Trades a channel's past messages through the real planner, exits and paper exchange over real candles."""
    from modules.rehearsal.report import render, to_json
    from modules.rehearsal.run import rehearse_files

    with errors():
        with progress_bar() as told:
            result = rehearse_files(messages, candles, settings, progress=told)
        if picture is not None:
            from modules.rehearsal.picture import draw

            picture.write_bytes(draw(result))
    print(json.dumps(to_json(result), ensure_ascii=False) if as_json else render(result))


@app.command()
def demo(
    picture: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("var/demo.png"),
) -> None:
    """A rehearsed day at high speed, with the project's own small example; ends by itself."""
    from modules.rehearsal.demo import run_demo

    with errors():
        print(run_demo(picture, HERE.parent / "shared" / "data"))


@app.command()
def kill(
    user: Annotated[str | None, typer.Option(help="Only this user's trading.")] = None,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close every position too.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the record.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Stops new entries at once (and closes everything with --flatten). Works with everything else down."""
    from modules.runtime.settings import load_settings
    from modules.trading import safety
    from modules.trading.safety import Scope, Stage

    stage = Stage.FLATTEN if flatten else Stage.REDUCING
    with errors():
        settings = load_settings()
        if user is None:
            _write_kill_file(settings.kill_file, flatten=flatten, quiet=as_json)
        try:
            _change_safety(user, lambda state, now: safety.kill(state, "cli", now, stage=stage, reason=reason))
        except Exception as error:
            if user is not None or not settings.kill_file.exists():
                raise
            print(f"The store could not be told ({error}); the file is enough.", file=sys.stderr)
            said({"scope": "global", "stage": stage.value, "store_told": False}, "", as_json)
            return
    scope = Scope.GLOBAL if user is None else Scope.USER
    whose = "everybody" if user is None else user
    done = "everything is being closed" if flatten else "no new entries; open positions keep their stops and targets"
    sentence = f"Trading is stopped for {whose}: {done}. Closing works. `cli.py resume` trades on."
    said({"scope": scope.value, "stage": stage.value, "store_told": True}, sentence, as_json)


@app.command()
def resume(
    user: Annotated[str | None, typer.Option(help="Only this user's trading.")] = None,
    reason: Annotated[str, typer.Option(help="Kept with the record.")] = "",
    stop_closing: Annotated[
        bool, typer.Option("--stop-closing", help="After kill --flatten: leave open what is not closed yet.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Trades on after a kill, from a fresh baseline of the day."""
    from modules.domain.errors import Conflict
    from modules.runtime.settings import load_settings
    from modules.trading import safety
    from modules.trading.safety import Stage

    def step(state: Any, now: datetime) -> Any:
        if state.stage is Stage.FLATTEN:
            if not stop_closing:
                raise Conflict(
                    "everything is being closed; wait for the executor, or add --stop-closing to leave the rest open"
                )
            state = safety.kill(state, "cli", now, stage=Stage.LOCKED, reason="closing was stopped")
        return safety.resume(state, "cli", now, reason=reason)

    with errors():
        state = _change_safety(user, step)
        if user is None:
            load_settings().kill_file.unlink(missing_ok=True)
    said({"scope": state.id, "stage": state.stage.value}, f"{state.id} is {state.stage.value}.", as_json)


@app.command()
def status(as_json: JsonFlag = False) -> None:
    """What runs, what is open, what the kill switch says."""
    import asyncio

    from modules.views import Views
    from modules.wiring import feed_now

    with open_place() as core:
        views = Views(core.store, core.run_dir)
        feed = asyncio.run(feed_now(core))
        health = views.health(datetime.now(UTC), trading=core.settings.trading, feed=feed)
        rows = views.positions("open").rows
    if as_json:
        print(json.dumps({"success": True, "health": health, "positions": rows}))
        return
    print(
        f"status {health['status']}, trading {health['trading']}, prices {health['prices']}, version {health['version']}"
    )
    for name, row in health["processes"].items():
        last = row["last_work_seconds_ago"]
        print(f"  {name:<10} {row['state']:<9} last work {last if last is not None else '?'} s ago  {row['detail']}")
    for row in rows:
        print(f"  {row['symbol']} {row['side']} {row['quantity']} at {row['average_price']}, stop {row['stop_loss']}")


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Checks settings, data directory, store, port, clock, tokens and disk; says what to do about each finding."""
    from modules.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps({"success": all(each.ok for each in findings), "findings": [each.row() for each in findings]}))
    else:
        for each in findings:
            print(f"{'ok  ' if each.ok else 'FAIL'} {each.area}: {each.sentence}")
    raise typer.Exit(0 if all(each.ok for each in findings) else 1)


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="The message; `-` reads standard input.")],
    source: Annotated[str, typer.Option(help="The source it counts for.")] = "local:terminal",
    reply_to: Annotated[str | None, typer.Option(help="Id of the message it answers.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Hands in one message as a source would, and prints what was understood."""
    from modules.domain.signals import SourceMessage
    from modules.wiring import make_intake

    with open_place() as core:
        now = core.clock.now()
        content = sys.stdin.read() if text == "-" else text
        message = SourceMessage(source, f"t{int(now.timestamp() * 1000)}", content, now, now, reply_to=reply_to)
        taken = make_intake(core).take(message)
    if as_json:
        print(json.dumps({"message_id": message.message_id, "accepted": taken.accepted, "kind": taken.kind.value,
                          "signal_id": taken.signal_id, "reason": taken.reason}))  # fmt: skip
    else:
        mark = "accepted" if taken.accepted else "not acted on"
        print(f"{mark}: {taken.kind.value}, {taken.reason} [message {message.message_id}, signal {taken.signal_id}]")


@app.command()
def chat() -> None:
    """The local chat in this terminal: the same commands as in Telegram, and every notice as it comes."""
    from bots.local_chat import converse

    with open_place() as core:
        converse(core)


def _write_kill_file(path: Path, *, flatten: bool, quiet: bool) -> None:
    """The file stops by being there; what is in it only says whether to close everything too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        path.write_text("flatten" if flatten else "reduce", encoding="utf-8")
    except OSError as error:
        told = "; that everything shall be closed could not be kept" if flatten else ""
        print(f"{path} is there, but could not be written ({error}){told}.", file=sys.stderr)
    if not quiet:
        print(f"{path}: every executor on this data directory stops new entries now.")


def _change_safety(user: str | None, step: Any) -> Any:
    from modules.domain.errors import NotFound
    from modules.trading.safety import Scope
    from modules.trading.safety_state import change
    from modules.wiring import open_core

    core = open_core()
    try:
        now = core.clock.now()
        scope, scope_id = (Scope.GLOBAL, "") if user is None else (Scope.USER, user)
        if user is not None and not core.store["users"].contains(key=user):
            raise NotFound(f"There is no user {user}; `cli.py user list` names them.")
        by, place = terminal(), terminal_origin()
        return change(core.store, scope, scope_id, lambda state: step(state, now), now, who=by, origin=place)
    finally:
        core.store.close()


def _read_text(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file or 'standard input'} can't be read: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


def _json_line(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        print(f"line {number} is not JSON: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    if not isinstance(row, dict):
        print(f"line {number} is not an object", file=sys.stderr)
        raise typer.Exit(2)
    return row


register(app, open_place)
register_users(app, open_place)
backtests.register(app)

if __name__ == "__main__":
    from modules.runtime.logs import set_up_logs

    set_up_logs("terminal", "WARNING", out=sys.stderr)  # what is printed is the answer
    app()
