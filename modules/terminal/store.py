"""Commands of the store: backup, restore, export, import, migrate, check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from modules.accounts.operator_commands import note
from modules.terminal.ground import JsonFlag, errors, open_place, refuse_while_running, said


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command()(backup)
    app.command()(restore)
    app.command(name="export")(export_)
    app.command(name="import")(import_)
    app.command()(migrate)
    app.command(name="check-store")(check_store)


def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.")],
    as_json: JsonFlag = False,
) -> None:
    """Copies the store while everything runs."""
    with open_place() as core:
        core.store.backup(file)
        note(core.store, "backup.created", "store", {"name": file.name}, core.clock.now())
    size = file.stat().st_size
    said({"file": str(file), "bytes": size}, f"{file}: {size} bytes", as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A copy made by `backup`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace the present store without asking.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Puts a copy in the store's place. Stop the processes first; the present store is kept beside it."""
    from modules.runtime.settings import load_settings

    with errors():
        settings = load_settings()
        target = Path(settings.store_url.removeprefix("sqlite:///"))
        if target.exists() and not yes:
            typer.confirm(f"Replace {target}? The present file is kept as {target.name}.before", abort=True)
        refuse_while_running(settings.data_dir)
        _put(file, target)
    with open_place() as core:
        note(core.store, "backup.restored", "store", {"name": file.name}, core.clock.now())
    said({"store": str(target)}, f"{target}: restored", as_json)


def _put(file: Path, target: Path) -> None:
    """The copy is examined and written beside the store first: a bad one changes nothing. Raises InvalidInput for it."""
    from database import StoreError, restore_backup
    from modules.domain.errors import InvalidInput

    draft = target.with_name(f"{target.name}.restoring")
    draft.unlink(missing_ok=True)
    try:
        restore_backup(file, draft)
    except StoreError as error:
        raise InvalidInput(str(error)) from error
    if target.exists():
        target.replace(target.with_name(f"{target.name}.before"))
    for side in ("-wal", "-shm"):
        target.with_name(target.name + side).unlink(missing_ok=True)
    draft.replace(target)


def export_(
    folder: Annotated[Path, typer.Argument(help="Where the JSON files go.")],
    as_json: JsonFlag = False,
) -> None:
    """Writes every collection as a JSON file."""
    with open_place() as core:
        files = [str(path) for path in core.store.export(folder)]
    said({"files": files}, "\n".join(files), as_json)


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder of JSON files made by `export`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is there without asking.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Replaces the collections whose JSON files are in the folder, all or none. Stop the processes first."""
    from database import InvalidDocument
    from modules.domain.errors import InvalidInput
    from modules.records import check_form

    with open_place() as core:
        refuse_while_running(core.settings.data_dir)
        if not yes:
            typer.confirm(f"Replace the collections of {core.store.path} by the files in {folder}?", abort=True)
        try:
            counts = core.store.import_(folder, check=check_form)
        except InvalidDocument as error:
            raise InvalidInput(str(error)) from error
        if not counts:
            raise InvalidInput(f"{folder}: holds no file of a collection; `export` writes such files")
        note(core.store, "store.imported", "store", counts, core.clock.now())
    said({"collections": counts}, "\n".join(f"{name}: {count}" for name, count in counts.items()), as_json)


def migrate(as_json: JsonFlag = False) -> None:
    """Brings the store to this version's form; a start does the same by itself."""
    with open_place() as core:
        version, path = core.store.schema_version, str(core.store.path)
    said({"version": version, "store": path}, f"store at version {version}: {path}", as_json)


def check_store(as_json: JsonFlag = False) -> None:
    """Looks through the whole store file; exit 1 when something is wrong with it."""
    with open_place() as core:
        problems = core.store.check()
    if as_json:
        typer.echo(json.dumps({"success": not problems, "problems": problems}))
    else:
        typer.echo("\n".join(problems) or "the store is sound")
    raise typer.Exit(1 if problems else 0)
