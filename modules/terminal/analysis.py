"""Commands that look at markets: `analyse` and `scan` over candle files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from modules.terminal.ground import JsonFlag, errors, progress_bar


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command()(analyse)
    app.command()(scan)


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

    with errors():
        at_ms = None if at is None else int(moment(at).timestamp() * 1000)
        chosen = files.candles_of_file(candles, symbol=symbol, timeframe=timeframe, at_ms=at_ms)
        if history:
            rows = files.objects_of(chosen)
            typer.echo(json.dumps({"objects": rows}) if as_json else "\n".join(files.object_lines(rows)))
            return
        known = [each for file in opinions or [] for each in load_opinions(file)]
        if as_json:
            typer.echo(json.dumps(files.analysis_of(chosen, known)))
            return
        typer.echo("\n".join(files.analysis_lines(chosen, known)))


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

    with errors():
        at_ms = None if at is None else int(moment(at).timestamp() * 1000)
        wish = scans.ScanWish() if rules is None else scans.read_wish(rules)
        jobs = scans.file_jobs(candles, wish, at_ms)
        # A few symbols are read sooner than another process starts.
        chosen = workers or (1 if len(jobs) < 20 else os.cpu_count() or 1)
        with progress_bar("scanning") as told:
            step = None if told is None else lambda done, known: told(done / known)
            ranking = scans.scan(jobs, wish.rules, workers=chosen, progress=step)
        typer.echo(json.dumps(ranking.as_json()) if as_json else "\n".join(scans.ranking_lines(ranking)))
        if len(ranking.failures) == len(jobs):
            raise typer.Exit(1)
