"""What every command of the terminal needs: errors as one line and an exit code, an open store, a progress bar, answers.

Rooms are imported inside, so that a command loads only what it uses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@contextmanager
def open_place() -> Iterator[Any]:
    """The settings and the open store; problems become one line and an exit code."""
    from modules.wiring import open_core

    with errors():
        core = open_core()
        try:
            yield core
        finally:
            core.store.close()


@contextmanager
def errors() -> Iterator[None]:
    """Domain errors become one clear line and the right exit code."""
    from database import StoreError
    from modules.domain.errors import Conflict, InvalidInput, Misconfigured, NotFound, Trouble

    try:
        yield
    except Misconfigured as error:
        for problem in error.problems:
            typer.echo(f"wrong setting: {problem}", err=True)
        raise typer.Exit(78) from error
    except (InvalidInput, NotFound, Conflict) as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from error
    except (Trouble, StoreError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress_bar(what: str = "rehearsing") -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def said(row: dict[str, Any], sentence: str, as_json: bool) -> None:
    """Prints what was done: `row` for programs, `sentence` for people; an empty sentence prints nothing."""
    if as_json:
        typer.echo(json.dumps({"success": True, **row}))
    elif sentence:
        typer.echo(sentence)


def refuse_while_running(data_dir: Path) -> None:
    """Raises Conflict naming the processes of this installation whose heartbeat is younger than five seconds."""
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
