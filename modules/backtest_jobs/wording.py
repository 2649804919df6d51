"""A result for people: the figures that matter most, what was assumed, what to beware of, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from modules.backtest_jobs.jobs import Job

#: (Figure, its name for people, how it is written).
_FIGURES: Final = (
    ("total_return", "Total return", "share"),
    ("cagr", "A year (CAGR)", "share"),
    ("max_drawdown", "Deepest drawdown", "share"),
    ("sharpe", "Sharpe", "ratio"),
    ("sortino", "Sortino", "ratio"),
    ("calmar", "Calmar", "ratio"),
    ("profit_factor", "Profit factor", "ratio"),
    ("win_rate", "Win rate", "part"),
    ("trades", "Trades", "count"),
    ("expectancy", "Mean trade", "money"),
    ("exposure", "Time in market", "part"),
    ("fees", "Fees paid", "money"),
    ("final_equity", "Final equity", "money"),
)
_SHORT: Final = ("total_return", "max_drawdown", "sharpe", "profit_factor", "win_rate", "trades")
Document = Mapping[str, Any]


def when(at_ms: int | None, otherwise: str) -> str:
    """A time for people."""
    return otherwise if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def figure(value: float | None, how: str) -> str:
    """A figure as people read it; what is not defined is a dash."""
    if value is None:
        return "–"
    ways = {"share": "{:+.2%}", "part": "{:.1%}", "ratio": "{:.2f}", "count": "{:,.0f}", "money": "{:,.2f}"}
    return ways[how].format(value)


def short_figures(metrics: Document) -> list[tuple[str, str]]:
    """The six figures that fit a chat."""
    return [(name, figure(metrics[key], how)) for key, name, how in _FIGURES if key in _SHORT]


def result_lines(document: Document) -> list[str]:
    """A whole result for the terminal."""
    lines = [heading(document), ""]
    versions = [document["metrics"], *([document["b"]["metrics"]] if "b" in document else [])]
    held = document["benchmark"]
    for key, name, how in _FIGURES:
        row = [figure(each[key], how) for each in versions]
        row.append(figure(held[key], how) if key in held and len(versions) == 1 else "")
        lines.append(f"  {name:<18}" + "".join(f"{cell:>16}" for cell in row).rstrip())
    heads = ["A", "B"] if len(versions) == 2 else ["strategy", "buy and hold"]
    lines.insert(2, "  " + " " * 18 + "".join(f"{each:>16}" for each in heads))
    for name, tell in _MORE.items():
        if name in document:
            lines += ["", *tell(document[name])]
    return [*lines, "", assumption_line(document), *warning_lines(document), "", next_line(document)]


def heading(document: Document) -> str:
    """Which strategy over which candles."""
    data, strategy = document["data"], document["strategy"]
    name = strategy if isinstance(strategy, str) else strategy.get("name", "a strategy")
    span = f"{when(data['from'], '')} to {when(data['to'], '')}"
    return f"{name} on {data['symbol']} {data['timeframe']}, {data['rows']:,} bars, {span} UTC ({data['origin']})"


def assumption_line(document: Document) -> str:
    """What the figures rest on, in a line."""
    said = document["assumptions"]
    slip = "no slippage"
    if said["slippage"] != "none":
        unit = {"bps": " bps"}.get(said["slippage"], f" ({said['slippage'].replace('_', ' ')})")
        slip = f"slippage {said['slippage_size']:g}{unit}"
    return (
        f"Assumed: capital {said['capital']:,.0f}, fee {said['taker_fee']:.3%} a side, {slip}; filled at the next open,"
        " stop before target."
    )


def warning_lines(document: Document) -> list[str]:
    """Every warning, a line each."""
    return [f"! {each['message']}" for each in document["warnings"]]


def next_line(document: Document) -> str:
    """What to do with such a result."""
    codes = {each["code"] for each in document["warnings"]}
    if not document["metrics"]["trades"]:
        return "Next: no trade was made; loosen the conditions or give more candles."
    if codes & {"too_good", "look_ahead", "recursive"}:
        return "Next: find out why it is this good: --check-lookahead and --check-recursive."
    if document["kind"] == "search":
        return "Next: trust the neighbourhood, not the best set; confirm it with `walk-forward`."
    if document["kind"] == "walk_forward":
        return "Next: an efficiency under 0.5 means the choice was mostly luck; if it holds, try it on paper."
    if document["kind"] == "monte_carlo":
        return "Next: size the position so that the 5 % drawdown above can be borne; then `walk-forward`."
    if document["metrics"]["net_profit"] <= 0:
        return "Next: it loses on these candles; another market, other parameters (`search`) or another idea."
    if codes & {"few_trades", "short_history"}:
        return "Next: give it more history before believing any of this."
    return "Next: `monte-carlo` for what luck could have done, `walk-forward` before real money."


def _monte_carlo(told: Document) -> Iterator[str]:
    yield f"  {told['runs']:,} paths ({told['method'].replace('_', ' ')}) of {told['trades']} trades"
    for name, words in (("total_return", "Total return"), ("max_drawdown", "Deepest drawdown")):
        found = told[name]
        yield f"  {words:<18}" + "".join(f"  {rung} {found[rung]:+.2%}" for rung in ("p5", "p50", "p95"))
    yield f"  Chance of a loss {told['loss_probability']:.1%}, of losing {1 - told['ruin_level']:.0%} {told['ruin_probability']:.1%}"


def _walk_forward(told: Document) -> Iterator[str]:
    way = "anchored" if told["anchored"] else "rolling"
    yield f"  {len(told['steps'])} tests of {told['test_bars']} bars after {way} trainings of {told['train_bars']}"
    yield f"  Efficiency {figure(told['efficiency'], 'ratio')}, {told['profitable_tests']:.0%} of the tests earned something"
    for step in told["steps"][-8:]:
        out = step["out_of_sample"].get("total_return")
        yield f"  {when(step['test_from'], '')}  {figure(out, 'share'):>9}  {_values(step['parameters'])}"


def _search(told: Document) -> Iterator[str]:
    yield f"  {told['trials']:,} sets, {told['scored']:,} with at least {told['min_trades']} trades; best by {told['objective']}:"
    for trial in told["ranking"][:8]:
        figures = trial["figures"]
        yield (
            f"  {trial['score']:>9.3f}  return {figure(figures['total_return'], 'share'):>9}"
            f"  drawdown {figure(figures['max_drawdown'], 'share'):>9}  {_values(trial['parameters'])}"
        )
    if told["stability"] is not None:
        yield f"  Its neighbours keep {told['stability']:.0%} of the best score"
    yield from _luck(told["luck"])


def _luck(told: Document) -> Iterator[str]:
    deflated, overfitting = told["deflated_sharpe"], told["overfitting"]
    if deflated is not None:
        yield f"  Deflated Sharpe: {deflated['probability']:.0%} likely to be more than the luck of {deflated['trials']:,} trials"
    if overfitting is not None:
        yield f"  Probability of backtest overfitting: {overfitting['probability']:.0%}"


def _comparison(told: Document) -> Iterator[str]:
    for name, words in (("annual_return", "Mean return a year"), ("sharpe", "Sharpe")):
        each = told[name]
        low, high = each["interval"]
        yield f"  {words}: B less A {each['difference']:+.3f}, 95 % of draws {low:+.3f} to {high:+.3f}, p {each['p_value']:.3f}"
    better = told["better"]
    yield f"  {better} is better, beyond luck" if better else "  The difference may be luck"


def _values(parameters: Document | None) -> str:
    return (
        "no set qualified"
        if parameters is None
        else ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in parameters.items())
    )


_MORE: Final = {
    "monte_carlo": _monte_carlo,
    "walk_forward": _walk_forward,
    "search": _search,
    "comparison": _comparison,
}


# ---- for a chat -----------------------------------------------------------------------------------------------------------


def chat_text(document: Document) -> str:
    """A result for a chat (Telegram's HTML): the figures that fit a small screen, and what to beware of."""
    data, strategy = document["data"], document["strategy"]
    name = strategy if isinstance(strategy, str) else str(strategy.get("name", "a strategy"))
    rows = short_figures(document["metrics"])
    rows.append(("Buy and hold", figure(document["benchmark"]["total_return"], "share")))
    width = max(len(each) for each, _ in rows)
    table = "\n".join(f"{each:<{width}}  {value:>10}" for each, value in rows)
    span = f"{when(data['from'], '')[:10]} to {when(data['to'], '')[:10]}"
    lines = [
        f"<b>{escape(name)}</b> on {escape(data['symbol'])} {data['timeframe']}, {span}",
        f"<pre>{escape(table)}</pre>",
        escape(assumption_line(document)),
        *(f"⚠️ {escape(each['message'])}" for each in document["warnings"][:4]),
    ]
    return "\n".join(lines)


def failed_text(job: Job) -> str:
    """What a chat is told of a job that came to nothing."""
    said = job.error["message"] if job.error else f"It was {job.status}."
    return f"⚠️ {escape(job.title)}: {escape(said)}"
