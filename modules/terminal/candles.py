"""Commands of the candle store: import, download, verify, list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from modules.terminal.ground import JsonFlag, errors, progress_bar

commands_app = typer.Typer(no_args_is_help=True, help="The candle store: histories of prices on this machine.")


@commands_app.command(name="import")
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

    with errors(), candle_store() as store:
        told = commands.import_paths(store, files, exchange=exchange, symbol=symbol, timeframe=timeframe, times=times)
    tell(told, as_json, failure=2)  # what can't be stored was bad input


@commands_app.command(name="download")
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

    with errors(), candle_store() as store:
        end = datetime.now(UTC) if until is None else commands.moment(until)
        start_ms, end_ms = (int(each.timestamp() * 1000) for each in (commands.moment(since), end))
        names = [commands.series_named(each, exchange) for each in series]
        wishes = [Wanted(name, start_ms, end_ms, repair=repair, kind=kind) for name in names]
        with progress_bar("downloading") as told:
            results = asyncio.run(fetch(exchange, store, wishes, address=address, progress=told))
    tell(commands.downloaded(results), as_json)


@commands_app.command(name="verify")
def candles_verify(
    series: Annotated[list[str] | None, typer.Argument(help="Histories like BTCUSDT-1h; all without them.")] = None,
    exchange: Annotated[str, typer.Option(help="Whose.")] = "binance",
    as_json: JsonFlag = False,
) -> None:
    """Looks for malformed, missing, doubled and odd candles; exit 1 when some can't be used."""
    from modules.candles import commands

    with errors(), candle_store() as store:
        told = commands.verify(store, [commands.series_named(each, exchange) for each in series or []])
    tell(told, as_json)


@commands_app.command(name="list")
def candles_list(as_json: JsonFlag = False) -> None:
    """What is stored: extent and holes of every history."""
    from modules.candles import commands

    with errors(), candle_store() as store:
        told = commands.listing(store)
    tell(told, as_json)


def tell(told: Any, as_json: bool, failure: int = 1) -> None:
    """Prints what a command on candles found; leaves with the exit code `failure` where some of it went wrong."""
    typer.echo(json.dumps({"success": not told.failed, "rows": told.rows}) if as_json else "\n".join(told.lines))
    if told.failed:
        raise typer.Exit(failure)


@contextmanager
def candle_store() -> Iterator[Any]:
    """The installation's own candle store, DATA_DIR/candles."""
    from modules.candles.store import CandleStore
    from modules.runtime.settings import load_settings

    yield CandleStore(load_settings().data_dir / "candles")
