"""The candles that a backtest at the terminal looks at: a file, a folder of them, or this machine's own store.

The rooms are imported inside the functions, so that the terminal's other commands start fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modules.backtest_jobs.descriptions import Description
    from modules.backtest_jobs.histories import Material

#: What a strategy that says nothing is tested on.
USUAL_TIMEFRAME = "1h"


@dataclass(frozen=True, slots=True)
class CandleFiles:
    """The symbols of a test, the file of each that has one, and the timeframe of these files."""

    symbols: list[str]
    files: Mapping[str, Path]
    timeframe: str


def files_of(path: Path, names: list[str], timeframe: str | None, document: Mapping[str, Any]) -> CandleFiles:
    """The candle files that --candles names, of the symbols `names` or of those the strategy's document names.

    Raises InvalidInput or BadCandles, saying what is wrong.
    """
    return _in_folder(path, names, timeframe, document) if path.is_dir() else _in_file(path, names, timeframe)


def _in_folder(folder: Path, names: list[str], timeframe: str | None, document: Mapping[str, Any]) -> CandleFiles:
    """The folder's files of the symbols named, or else of the strategy's. Raises InvalidInput where nobody names any."""
    from modules.backtest_jobs.histories import choose_files

    wanted = wanted_symbols(names, document, "--candles is a folder")
    length = timeframe or str(document.get("timeframe", USUAL_TIMEFRAME))
    return CandleFiles(wanted, choose_files(folder, wanted, length), length)


def wanted_symbols(names: list[str], document: Mapping[str, Any], why: str) -> list[str]:
    """The symbols named, or else the strategy's. Raises InvalidInput where nobody names any."""
    from modules.domain.errors import InvalidInput

    wanted = names or [str(each).upper() for each in document.get("symbols", [])]
    if not wanted:
        raise InvalidInput(f"{why} and the strategy names no symbols: say which with --symbol")
    return wanted


def _in_file(path: Path, names: list[str], timeframe: str | None) -> CandleFiles:
    """The one file, of the symbol that is given or that its name says.

    Raises BadCandles where there is no such file, InvalidInput for several symbols or another than its own.
    """
    from modules.backtest_jobs.histories import file_timeframe
    from modules.candles import BadCandles, parse_file_name
    from modules.domain.errors import InvalidInput

    if not path.exists():
        raise BadCandles(f"--candles {path}: no such file")
    said = parse_file_name(path)
    if len(names) > 1:
        raise InvalidInput("--candles is one file, so --symbol can name one symbol only")
    if names and said is not None and names[0] != said.symbol:
        raise InvalidInput(f"--symbol {names[0]}: {path.name} holds candles of {said.symbol}")
    symbol = names[0] if names else said.symbol if said else path.name.split(".")[0].upper()
    return CandleFiles([symbol], {symbol: path}, file_timeframe(path, None if said else timeframe))


def material_of(described: Description, files: CandleFiles | None, lower: Path | None) -> Material:
    """The candles, out of the files or out of this machine's store. Raises NotFound, saying how to get them, without any."""
    from modules.backtest_jobs.histories import from_files, from_store
    from modules.backtest_jobs.running import needs_of
    from modules.candles import CandleStore
    from modules.domain.errors import InvalidInput, NotFound
    from modules.runtime.settings import load_settings

    needs = needs_of(described)
    if files is not None:
        return from_files(needs, files.files, timeframe=files.timeframe, lower=lower)
    if lower is not None:
        raise InvalidInput("--lower is a file beside those of --candles: give --candles, too")
    try:
        return from_store(needs, CandleStore(load_settings().data_dir / "candles"))
    except NotFound as missing:
        series = " ".join(f"{symbol}-{needs.timeframe}" for symbol in needs.symbols)
        hint = f"`cli.py candles download {series} --since 2024-01-01` fetches it, `cli.py candles list` shows what is stored"
        raise NotFound(f"{missing.message}; {hint}", code=missing.code) from missing
