"""The terminal's door: every command has --help; `--json` gives machine output; exit 0 = done, 2 = bad input, 1 = failed.

Rooms are imported inside the commands, so that `parse` and `kill` start fast and work whatever else is broken.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from modules.accounts.commands import register_users
from modules.accounts.operator_commands import note, register, terminal, terminal_origin

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

HERE = Path(__file__).resolve().parent
JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
candles_app = typer.Typer(no_args_is_help=True, help="The candle store: histories of prices on this machine.")
app.add_typer(candles_app, name="candles")


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

    with _errors():
        with _progress() as told:
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

    with _errors():
        print(run_demo(picture, HERE.parent / "shared" / "data"))


@app.command()
def kill(
    user: Annotated[str | None, typer.Option(help="Only this user's trading.")] = None,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close every position too.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the record.")] = "",
) -> None:
    """Stops new entries at once (and closes everything with --flatten). Works with everything else down."""
    from modules.runtime.settings import load_settings
    from modules.trading import safety
    from modules.trading.safety import Scope, Stage

    stage = Stage.FLATTEN if flatten else Stage.REDUCING
    with _errors():
        settings = load_settings()
        if user is None:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            settings.kill_file.write_text("flatten" if flatten else "reduce", encoding="utf-8")
            print(f"{settings.kill_file}: every executor on this data directory stops new entries now.")
        try:
            _change_safety(user, lambda state, now: safety.kill(state, "cli", now, stage=stage, reason=reason))
        except Exception as error:
            if user is not None:
                raise
            print(f"The store could not be told ({error}); the file is enough.", file=sys.stderr)
            return
    scope = Scope.GLOBAL if user is None else Scope.USER
    print(f"Stopped: {scope.value} is {stage.value}. Closing still works. `cli.py resume` trades on.")


@app.command()
def resume(
    user: Annotated[str | None, typer.Option(help="Only this user's trading.")] = None,
    reason: Annotated[str, typer.Option(help="Kept with the record.")] = "",
) -> None:
    """Trades on after a kill, from a fresh baseline of the day."""
    from modules.runtime.settings import load_settings
    from modules.trading import safety

    with _errors():
        state = _change_safety(user, lambda state, now: safety.resume(state, "cli", now, reason=reason))
        if user is None:
            load_settings().kill_file.unlink(missing_ok=True)
    print(f"{state.id} is {state.stage.value}.")


@app.command()
def status(as_json: JsonFlag = False) -> None:
    """What runs, what is open, what the kill switch says."""
    from modules.views import Views

    with _core() as core:
        views = Views(core.store, core.run_dir)
        health = views.health(datetime.now(UTC), trading=core.settings.trading, feed=None)
        rows = views.positions("open").rows
    if as_json:
        print(json.dumps({"success": True, "health": health, "positions": rows}))
        return
    print(f"status {health['status']}, trading {health['trading']}, version {health['version']}")
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

    with _core() as core:
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
def analyse(
    candles: Annotated[Path, typer.Option(help="A candle file, like BTCUSDT-1h.parquet.")],
    at: Annotated[str | None, typer.Option(help="Candles up to and including this one: ISO-8601 (UTC) or ms.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Every structure object of the file.")] = False,
    symbol: Annotated[str | None, typer.Option(help="Where the file's name does not say.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Where the file's name does not say.")] = None,
    opinions: Annotated[list[Path] | None, typer.Option(help="CSV of fear & greed, headlines or flows.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """What the detectors and their score say of a candle file as of a time; with --history, every structure object of it."""
    from modules.analysis_views import files
    from modules.candles.commands import moment
    from modules.opinions.files import load_opinions

    with _errors():
        at_ms = None if at is None else int(moment(at).timestamp() * 1000)
        chosen = files.candles_of_file(candles, symbol=symbol, timeframe=timeframe, at_ms=at_ms)
        if history:
            rows = files.objects_of(chosen)
            print(json.dumps({"objects": rows}) if as_json else "\n".join(files.object_lines(rows)))
            return
        known = [each for file in opinions or [] for each in load_opinions(file)]
        if as_json:
            print(json.dumps(files.analysis_of(chosen, known)))
            return
        print("\n".join(files.analysis_lines(chosen, known)))


@app.command()
def scan(
    candles: Annotated[Path, typer.Option(help="A folder of candle files, like BTCUSDT-1h.parquet.")],
    rules: Annotated[Path | None, typer.Option(help="JSON: symbols, timeframes, min_score, max_risk_level …")] = None,
    at: Annotated[str | None, typer.Option(help="As of this time: ISO-8601 (UTC) or ms.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one for each core without it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ranks the symbols of a folder over their timeframes, best opportunity first."""
    from modules.analysis_views import scans
    from modules.candles.commands import moment

    with _errors():
        at_ms = None if at is None else int(moment(at).timestamp() * 1000)
        wish = scans.ScanWish() if rules is None else scans.read_wish(rules)
        jobs = scans.file_jobs(candles, wish, at_ms)
        # A few symbols are read sooner than another process starts.
        chosen = workers or (1 if len(jobs) < 20 else os.cpu_count() or 1)
        with _progress("scanning") as told:
            step = None if told is None else lambda done, known: told(done / known)
            ranking = scans.scan(jobs, wish.rules, workers=chosen, progress=step)
        print(json.dumps(ranking.as_json()) if as_json else "\n".join(scans.ranking_lines(ranking)))
        if len(ranking.failures) == len(jobs):
            raise typer.Exit(1)


@candles_app.command(name="import")
def candles_import(
    files: Annotated[list[Path], typer.Argument(help="Candle files, or folders of them, like BTCUSDT-1h.parquet.")],
    exchange: Annotated[str | None, typer.Option(help="Whose; else the name's venue, else binance.")] = None,
    symbol: Annotated[str | None, typer.Option(help="For a file whose name does not say.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="For a file whose name does not say.")] = None,
    times: Annotated[str, typer.Option(help="What its times are: auto, utc, s, ms, us, ns.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Stores candles from Parquet or CSV files; the same again changes nothing."""
    from modules.candles import commands

    with _errors(), _candle_store() as store:
        told = commands.import_paths(store, files, exchange=exchange, symbol=symbol, timeframe=timeframe, times=times)
    _tell(told, as_json)


@candles_app.command(name="download")
def candles_download(
    series: Annotated[list[str], typer.Argument(help="Histories like BTCUSDT-1h.")],
    since: Annotated[str, typer.Option(help="First open time, ISO-8601 (UTC) or ms.")],
    until: Annotated[str | None, typer.Option(help="Closed by this time; now without it.")] = None,
    exchange: Annotated[str, typer.Option(help="As ccxt calls it.")] = "binance",
    kind: Annotated[str, typer.Option(help="spot or perpetual.")] = "spot",
    repair: Annotated[bool, typer.Option("--repair", help="Ask for the holes of what is stored, too.")] = False,
    address: Annotated[str | None, typer.Option(help="Another server in the exchange's place.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetches what the store lacks; broken off, it goes on where it stopped."""
    import asyncio

    from modules.candles import commands
    from modules.connections.candle_download import Wanted
    from modules.connections.candle_fetch import fetch

    with _errors(), _candle_store() as store:
        end = datetime.now(UTC) if until is None else commands.moment(until)
        start_ms, end_ms = (int(each.timestamp() * 1000) for each in (commands.moment(since), end))
        names = [commands.series_named(each, exchange) for each in series]
        wishes = [Wanted(name, start_ms, end_ms, repair=repair, kind=kind) for name in names]
        with _progress("downloading") as told:
            results = asyncio.run(fetch(exchange, store, wishes, address=address, progress=told))
    _tell(commands.downloaded(results), as_json)


@candles_app.command(name="verify")
def candles_verify(
    series: Annotated[list[str] | None, typer.Argument(help="Histories like BTCUSDT-1h; all without them.")] = None,
    exchange: Annotated[str, typer.Option(help="Whose.")] = "binance",
    as_json: JsonFlag = False,
) -> None:
    """Looks for malformed, missing, doubled and odd candles; exit 1 when some can't be used."""
    from modules.candles import commands

    with _errors(), _candle_store() as store:
        told = commands.verify(store, [commands.series_named(each, exchange) for each in series or []])
    _tell(told, as_json)


@candles_app.command(name="list")
def candles_list(as_json: JsonFlag = False) -> None:
    """What is stored: extent and holes of every history."""
    from modules.candles import commands

    with _errors(), _candle_store() as store:
        told = commands.listing(store)
    _tell(told, as_json)


@app.command()
def chat() -> None:
    """The local chat in this terminal: the same commands as in Telegram, and every notice as it comes."""
    from bots.local_chat import converse

    with _core() as core:
        converse(core)


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where the copy goes.")]) -> None:
    """Copies the store while everything runs."""
    with _core() as core:
        core.store.backup(file)
        note(core.store, "backup.created", "store", {"name": file.name}, core.clock.now())
    print(f"{file}: {file.stat().st_size} bytes")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A copy made by `backup`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace the present store without asking.")] = False,
) -> None:
    """Puts a copy in the store's place. Stop the processes first; the present store is kept beside it."""
    from database import restore_backup
    from modules.runtime.settings import load_settings

    with _errors():
        settings = load_settings()
        target = Path(settings.store_url.removeprefix("sqlite:///"))
        if target.exists() and not yes:
            typer.confirm(f"Replace {target}? The present file is kept as {target.name}.before", abort=True)
        _refuse_while_running(settings.data_dir)
        if target.exists():
            target.replace(target.with_name(f"{target.name}.before"))
            for side in ("-wal", "-shm"):
                target.with_name(target.name + side).unlink(missing_ok=True)
        restore_backup(file, target)
    with _core() as core:
        note(core.store, "backup.restored", "store", {"name": file.name}, core.clock.now())
    print(f"{target}: restored")


@app.command(name="export")
def export_(folder: Annotated[Path, typer.Argument(help="Where the JSON files go.")]) -> None:
    """Writes every collection as a JSON file."""
    with _core() as core:
        for path in core.store.export(folder):
            print(path)


@app.command(name="import")
def import_(folder: Annotated[Path, typer.Argument(help="Folder of JSON files made by `export`.")]) -> None:
    """Replaces the collections whose JSON files are in the folder, all or none."""
    with _core() as core:
        for name, count in core.store.import_(folder).items():
            print(f"{name}: {count}")


@app.command()
def migrate() -> None:
    """Brings the store to this version's form; a start does the same by itself."""
    with _core() as core:
        print(f"store at version {core.store.schema_version}: {core.store.path}")


@app.command(name="check-store")
def check_store() -> None:
    """Looks through the whole store file."""
    with _core() as core:
        problems = core.store.check()
    print("\n".join(problems) or "the store is sound")
    raise typer.Exit(1 if problems else 0)


def _change_safety(user: str | None, step: Any) -> Any:
    from modules.trading.safety import Scope
    from modules.trading.safety_state import change
    from modules.wiring import open_core

    core = open_core()
    try:
        now = core.clock.now()
        scope, scope_id = (Scope.GLOBAL, "") if user is None else (Scope.USER, user)
        by, place = terminal(), terminal_origin()
        return change(core.store, scope, scope_id, lambda state: step(state, now), now, who=by, origin=place)
    finally:
        core.store.close()


def _refuse_while_running(data_dir: Path) -> None:
    from modules.domain.errors import Conflict
    from modules.runtime.heartbeat import read_beats

    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    alive = [
        name
        for name, beat in read_beats(data_dir / "run").items()
        if now_ms - beat.at_ms < 5000 and beat.state != "stopping"
    ]
    if alive:
        raise Conflict(f"these processes still run: {', '.join(alive)}; stop them first")


def _tell(told: Any, as_json: bool) -> None:
    print(json.dumps({"success": not told.failed, "rows": told.rows}) if as_json else "\n".join(told.lines))
    if told.failed:
        raise typer.Exit(1)


@contextmanager
def _candle_store() -> Iterator[Any]:
    from modules.candles.store import CandleStore
    from modules.runtime.settings import load_settings

    yield CandleStore(load_settings().data_dir / "candles")


@contextmanager
def _progress(what: str = "rehearsing") -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


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


@contextmanager
def _core() -> Iterator[Any]:
    from modules.wiring import open_core

    with _errors():
        core = open_core()
        try:
            yield core
        finally:
            core.store.close()


@contextmanager
def _errors() -> Iterator[None]:
    """Domain errors become one clear line and the right exit code."""
    from database import StoreError
    from modules.domain.errors import Conflict, InvalidInput, Misconfigured, NotFound, Trouble

    try:
        yield
    except Misconfigured as error:
        for problem in error.problems:
            print(f"wrong setting: {problem}", file=sys.stderr)
        raise typer.Exit(78) from error
    except (InvalidInput, NotFound, Conflict) as error:
        print(error.message, file=sys.stderr)
        raise typer.Exit(2) from error
    except (Trouble, StoreError, OSError) as error:
        print(str(error), file=sys.stderr)
        raise typer.Exit(1) from error


register(app, _core)
register_users(app, _core)

if __name__ == "__main__":
    app()
