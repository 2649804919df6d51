"""Backtests at the terminal: one run, walk-forward, Monte Carlo, a search for parameters, and two versions compared.

Reads files, writes files, and prints; what is tested and how is decided in `backtest_jobs`. Everything but typer is imported
inside the commands, so that the terminal's other commands start fast.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modules.terminal.ground import JsonFlag, errors, progress_bar
from modules.terminal.tested_candles import USUAL_TIMEFRAME, CandleFiles, files_of, material_of, wanted_symbols

if TYPE_CHECKING:
    from modules.backtest_jobs.descriptions import Description
    from modules.backtest_jobs.running import Means, Outcome

Strategy = Annotated[str, typer.Option("--strategy", help="A built-in strategy's name, or a JSON file.")]
Candles = Annotated[
    Path | None,
    typer.Option(
        "--candles", help="A candle file like BTCUSDT-1h.parquet, or a folder of them; this machine's store without it."
    ),
]
Symbol = Annotated[list[str] | None, typer.Option("--symbol", help="Which symbol; several with a folder of files.")]
Timeframe = Annotated[
    str | None, typer.Option("--timeframe", help="Test on this one; the strategy's or file's without.")
]
From = Annotated[str | None, typer.Option("--from", help="First bar that counts: ISO-8601 (UTC) or ms.")]
To = Annotated[str | None, typer.Option("--to", help="Last bar that counts, included; a day means all of it.")]
Fee = Annotated[float | None, typer.Option("--fee", help="Fee a side as a fraction; 0.001 without it.")]
Slippage = Annotated[str | None, typer.Option("--slippage", help="Fraction (0.0005), '5 bps', volume:0.1 or atr:0.05.")]
Capital = Annotated[float | None, typer.Option("--capital", help="Money to begin with; 10000 without it.")]
Parameter = Annotated[
    list[str] | None, typer.Option("--parameter", help="NAME=VALUE of the strategy; may be repeated.")
]
Assume = Annotated[
    list[str] | None, typer.Option("--assume", help="NAME=VALUE of another assumption (spread_bps=2 …).")
]
Simulated = Annotated[bool, typer.Option("--simulated", help="Allow candles of the simulated market.")]
Report = Annotated[Path | None, typer.Option("--report", help="Write the report (one HTML file) here.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write trades.csv and equity.csv into this folder.")]
Png = Annotated[Path | None, typer.Option("--png", help="Write the picture here.")]
Vary = Annotated[list[str] | None, typer.Option("--vary", help="NAME=LOW:HIGH[:STEP] or NAME=A,B,C; may be repeated.")]
Method = Annotated[str | None, typer.Option("--method", help="grid, random or tpe.")]
Trials = Annotated[int | None, typer.Option("--trials", help="Sets to try, but for a grid.")]
Objective = Annotated[str, typer.Option("--objective", help="The figure that makes a set good.")]
MinTrades = Annotated[int, typer.Option("--min-trades", help="A set with fewer trades does not count.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same answer.")]
Processes = Annotated[int, typer.Option("--processes", min=0, help="Processes of their own; 0 uses threads.")]
Resume = Annotated[
    Path | None, typer.Option("--resume", help="Folder that keeps what is finished; DATA_DIR/searches without it.")
]

_RANGE = re.compile(r"(-?[\d.]+):(-?[\d.]+)(?::([\d.]+))?\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def register(app: typer.Typer) -> None:
    """Adds `backtest`, `walk-forward`, `monte-carlo`, `search` and `compare` to the terminal's commands."""
    _one_run(app)
    _luck(app)
    _choosing(app)


def _one_run(app: typer.Typer) -> None:
    @app.command()
    def backtest(  # noqa: PLR0913 - an argument for each option
        strategy: Strategy, candles: Candles = None, symbol: Symbol = None, timeframe: Timeframe = None,
        since: From = None, until: To = None, fee: Fee = None, slippage: Slippage = None, capital: Capital = None,
        parameter: Parameter = None, assume: Assume = None, simulated: Simulated = False,
        report: Report = None, csv: Csv = None, png: Png = None,
        check_lookahead: Annotated[bool, typer.Option("--check-lookahead", help="Does it look ahead?")] = False,
        check_recursive: Annotated[bool, typer.Option("--check-recursive", help="Does it hang on where candles begin?")] = False,
        lower: Annotated[Path | None, typer.Option("--lower", help="Finer candles that decide inside a bar.")] = None,
        tables: Annotated[bool, typer.Option("--tables", help="Add the tables by month, side, weekday, hour …")] = False,
        as_json: JsonFlag = False,
    ) -> None:  # fmt: skip
        """Replays a strategy over candles: figures, trades, equity, and what to beware of."""
        with errors():
            asked = _asked(strategy, candles, symbol, timeframe, (since, until), parameter, simulated)
            asked.wish["assumptions"] = _assumed(fee, slippage, capital, assume)
            asked.wish["checks"] = check_lookahead or check_recursive
            outcome = _carry_out(asked, "testing", lower=lower, tables=tables)
            _write_files(outcome, report, csv, png)
            _print(outcome.document, as_json)

    @app.command()
    def compare(  # noqa: PLR0913 - an argument for each option
        strategy: Strategy,
        other: Annotated[str, typer.Option("--with", help="Version B: a built-in strategy's name, or a JSON file.")],
        candles: Candles = None, symbol: Symbol = None, timeframe: Timeframe = None, since: From = None, until: To = None,
        fee: Fee = None, slippage: Slippage = None, capital: Capital = None, assume: Assume = None,
        simulated: Simulated = False, seed: Seed = 1, as_json: JsonFlag = False,
    ) -> None:  # fmt: skip
        """Two versions on the same candles: is one better, or was it luck?"""
        with errors():
            asked = _asked(strategy, candles, symbol, timeframe, (since, until), None, simulated)
            asked.wish |= {"kind": "compare", "other": read_strategy_argument(other)[0], "luck": {"seed": seed}}
            asked.wish["assumptions"] = _assumed(fee, slippage, capital, assume)
            _print(_carry_out(asked, "comparing").document, as_json)


def _luck(app: typer.Typer) -> None:
    @app.command(name="monte-carlo")
    def monte_carlo(  # noqa: PLR0913 - an argument for each option
        strategy: Strategy, candles: Candles = None, symbol: Symbol = None, timeframe: Timeframe = None,
        since: From = None, until: To = None, fee: Fee = None, slippage: Slippage = None, capital: Capital = None,
        parameter: Parameter = None, assume: Assume = None, simulated: Simulated = False,
        runs: Annotated[int, typer.Option("--runs", help="Paths to simulate.")] = 1_000,
        method: Annotated[str, typer.Option("--method", help="shuffle, bootstrap or as_it_was.")] = "bootstrap",
        block: Annotated[int | None, typer.Option("--block", help="Trades drawn together.")] = None,
        noise: Annotated[float, typer.Option("--noise-bps", help="Further slippage, at random, in basis points.")] = 0.0,
        skip: Annotated[float, typer.Option("--skip", help="Chance that a trade is missed.")] = 0.0,
        ruin: Annotated[float, typer.Option("--ruin", help="Ruin is to fall to this share of the capital.")] = 0.5,
        seed: Seed = 1, as_json: JsonFlag = False,
    ) -> None:  # fmt: skip
        """The same trades in other orders, drawn again, skipped and worse filled: what luck could have done."""
        with errors():
            asked = _asked(strategy, candles, symbol, timeframe, (since, until), parameter, simulated)
            asked.wish["assumptions"] = _assumed(fee, slippage, capital, assume)
            asked.wish |= {"kind": "monte_carlo", "luck": {
                "method": method, "runs": runs, "seed": seed, "block": block, "slippage_bps": noise, "skip": skip, "ruin": ruin,
            }}  # fmt: skip
            _print(_carry_out(asked, "simulating").document, as_json)


def _choosing(app: typer.Typer) -> None:
    @app.command()
    def search(  # noqa: PLR0913 - an argument for each option
        strategy: Strategy, candles: Candles = None, symbol: Symbol = None, timeframe: Timeframe = None,
        since: From = None, until: To = None, fee: Fee = None, slippage: Slippage = None, capital: Capital = None,
        assume: Assume = None, simulated: Simulated = False, vary: Vary = None, method: Method = None,
        trials: Trials = None, objective: Objective = "sharpe", min_trades: MinTrades = 10, seed: Seed = 1,
        processes: Processes = 0, resume: Resume = None, as_json: JsonFlag = False,
    ) -> None:  # fmt: skip
        """Looks for parameters, and says how much of the best is selection. Broken off, it goes on where it was."""
        with errors():
            asked = _asked(strategy, candles, symbol, timeframe, (since, until), None, simulated)
            asked.wish["assumptions"] = _assumed(fee, slippage, capital, assume)
            asked.wish |= {"kind": "search", "search": _search_wish(vary, method, trials, objective, min_trades, seed)}
            outcome = _carry_out(asked, "searching", kept=resume or _kept(), processes=processes)
            _print(outcome.document, as_json)

    @app.command(name="walk-forward")
    def walk_forward(  # noqa: PLR0913 - an argument for each option
        strategy: Strategy, candles: Candles = None, symbol: Symbol = None, timeframe: Timeframe = None,
        since: From = None, until: To = None, fee: Fee = None, slippage: Slippage = None, capital: Capital = None,
        assume: Assume = None, simulated: Simulated = False, vary: Vary = None, method: Method = None,
        trials: Trials = None, objective: Objective = "sharpe", min_trades: MinTrades = 10, seed: Seed = 1,
        train: Annotated[int, typer.Option("--train", help="Bars of a training stretch.")] = 2_000,
        test: Annotated[int, typer.Option("--test", help="Bars of a test stretch.")] = 500,
        anchored: Annotated[bool, typer.Option("--anchored", help="Trainings always begin at the first bar.")] = False,
        processes: Processes = 0, resume: Resume = None, as_json: JsonFlag = False,
    ) -> None:  # fmt: skip
        """Parameters are chosen on one stretch and traded on the next, again and again."""
        with errors():
            asked = _asked(strategy, candles, symbol, timeframe, (since, until), None, simulated)
            asked.wish["assumptions"] = _assumed(fee, slippage, capital, assume)
            asked.wish |= {
                "kind": "walk_forward",
                "search": _search_wish(vary, method, trials, objective, min_trades, seed),
            }
            asked.wish["walk"] = {"train_bars": train, "test_bars": test, "anchored": anchored}
            outcome = _carry_out(asked, "walking", kept=resume or _kept(), processes=processes)
            _print(outcome.document, as_json)


@dataclass(slots=True)
class _Asked:
    """A wish on the way to a description, and the files its candles are in; None for the candle store."""

    wish: dict[str, Any]
    candles: CandleFiles | None

    def described(self) -> Description:
        """The description of the wish. Raises InvalidInput for what it can't be."""
        from modules.backtest_jobs.descriptions import read_description

        return read_description(self.wish)


def read_strategy_argument(text: str, parameters: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """The document and the source (`builtin:NAME` or `document`) of what was given for --strategy.

    Raises InvalidInput for neither a built-in strategy nor a readable file, or a parameter it does not have.
    """
    from modules.backtest_jobs.parameter_search import varied
    from modules.domain.errors import InvalidInput
    from modules.strategies.builtin import builtin_document, builtin_names
    from modules.strategies.documents import read_strategy, write_strategy

    values = dict(parameters or {})
    if text in builtin_names():
        return builtin_document(text, values), f"builtin:{text}"
    path = Path(text)
    if not path.is_file():
        raise InvalidInput(
            f"--strategy: {text!r} is neither a file nor a built-in strategy ({', '.join(builtin_names())})"
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: is no JSON: {error}") from error
    if isinstance(document, dict) and "builtin" in document:
        name = str(document.pop("builtin"))
        given = {**dict(document.pop("parameters", None) or {}), **document, **values}
        return builtin_document(name, given), f"builtin:{name}"
    read = read_strategy(document)
    return write_strategy(varied(read, "document", values)), "document"


def _asked(
    strategy: str, candles: Path | None, symbols: list[str] | None, timeframe: str | None,
    span: tuple[str | None, str | None], parameters: list[str] | None, simulated: bool,
) -> _Asked:  # fmt: skip
    """The wish as far as all commands share it. Raises InvalidInput naming what is wrong."""
    document, source = read_strategy_argument(strategy, _pairs(parameters, "--parameter"))
    names = [each.upper().replace("/", "") for each in symbols or []]
    found = None if candles is None else files_of(candles, names, timeframe, document)
    wanted = found.symbols if found else wanted_symbols(names, document, "this machine's candles are many")
    # A built-in strategy, and one that doesn't say its timeframe, is tested on the files' candles as they are.
    free = source.startswith("builtin:") or "timeframe" not in document
    chosen = timeframe or (found.timeframe if free and found else str(document.get("timeframe", USUAL_TIMEFRAME)))
    wish = {
        "document": document, "source": source, "symbols": wanted, "timeframe": chosen,
        "simulated": simulated, "from": _moment_ms(span[0], last=False), "to": _moment_ms(span[1], last=True),
    }  # fmt: skip
    return _Asked(wish, found)


def _moment_ms(text: str | None, *, last: bool) -> int | None:
    """A time in ms; a day as the last one means its end."""
    from modules.candles.commands import moment

    if text is None:
        return None
    day = 86_400_000 - 1 if last and _DAY.match(text.strip()) else 0
    return int(moment(text).timestamp() * 1000) + day


def _assumed(
    fee: float | None, slippage: str | None, capital: float | None, others: list[str] | None
) -> dict[str, Any]:
    said = {"fee": fee, "slippage": slippage, "capital": capital}
    return {**_pairs(others, "--assume"), **{name: value for name, value in said.items() if value is not None}}


def _pairs(texts: list[str] | None, option: str) -> dict[str, Any]:
    """NAME=VALUE texts; a value that reads as JSON is one."""
    from modules.domain.errors import InvalidInput

    found: dict[str, Any] = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InvalidInput(f"{option} {text!r}: write NAME=VALUE")
        found[name] = _plain(value)
    return found


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _search_wish(
    vary: list[str] | None, method: str | None, trials: int | None, objective: str, min_trades: int, seed: int
) -> dict[str, Any]:
    said: dict[str, Any] = {"objective": objective, "min_trades": min_trades, "seed": seed}
    said |= {name: value for name, value in (("method", method), ("trials", trials)) if value is not None}
    if vary:
        said["space"] = {name: _space(str(value)) for name, value in _texts(vary).items()}
    return said


def _texts(vary: list[str]) -> dict[str, str]:
    from modules.domain.errors import InvalidInput

    found = {}
    for text in vary:
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise InvalidInput(f"--vary {text!r}: write NAME=LOW:HIGH[:STEP] or NAME=A,B,C")
        found[name] = value
    return found


def _space(text: str) -> Any:
    """`5:50:5` is a range, `5,10,20` are choices."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return [_plain(each) for each in text.split(",")]
    low, high, step = (None if each is None else _plain(each) for each in found.groups())
    return {"low": low, "high": high, **({} if step is None else {"step": step})}


def _kept() -> Path:
    """Where finished pieces of long tests are kept, so that the same command goes on from them."""
    from modules.runtime.settings import load_settings

    return load_settings().data_dir / "searches"


def _carry_out(
    asked: _Asked, what: str, *, lower: Path | None = None, kept: Path | None = None,
    processes: int = 0, tables: bool = False,
) -> Outcome:  # fmt: skip
    from modules.backtest_jobs.running import Means, carry_out

    described = asked.described()
    material = material_of(described, asked.candles, lower)
    means: Means = Means(kept=kept, processes=processes, tables=tables, most_points=sys.maxsize)
    with progress_bar(what) as told:
        return carry_out(described, material, told or (lambda _share: None), means)


def _write_files(outcome: Outcome, report: Path | None, csv: Path | None, png: Path | None) -> None:
    from modules.backtesting.documents import equity_csv, trades_csv

    if csv is not None:
        csv.mkdir(parents=True, exist_ok=True)
        (csv / "trades.csv").write_text(trades_csv(outcome.result), encoding="utf-8")
        (csv / "equity.csv").write_text(equity_csv(outcome.result), encoding="utf-8")
    if report is not None or png is not None:
        from modules.backtest_jobs.drawing import report_page, result_picture

        if report is not None:
            report.write_text(report_page(outcome), encoding="utf-8")
        if png is not None:
            png.write_bytes(result_picture(outcome))


def _print(document: Mapping[str, Any], as_json: bool) -> None:
    from modules.backtest_jobs.wording import result_lines

    typer.echo(json.dumps(document, allow_nan=False) if as_json else "\n".join(result_lines(document)))
