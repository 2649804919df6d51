"""A backtest as one self-contained HTML page: no script, no request, every text escaped.

The page refuses to load anything by its own policy, so it can be kept, mailed and printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import numpy as np

from modules.analysis.candles import Candles
from modules.backtesting.benchmark import hold_equity
from modules.backtesting.documents import points, result_document, thinned
from modules.backtesting.result import Result
from modules.backtesting.statistics import MEANINGS
from modules.backtesting.warnings import Checks
from modules.notices.backtests.canvas import percent
from modules.notices.backtests.drawings import (
    MOST_CANDLES,
    MOST_MARKS,
    Points,
    candles_drawing,
    distribution_drawing,
    equity_drawing,
    fan_drawing,
    merged,
)
from modules.notices.backtests.style import STYLE

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FRACTIONS: Final = frozenset(
    {
        "total_return", "annual_return", "cagr", "volatility", "downside_volatility", "max_drawdown", "ulcer_index",
        "value_at_risk", "conditional_value_at_risk", "exposure", "win_rate", "average_trade_return", "best_trade_return",
        "worst_trade_return", "kelly", "average_mae", "worst_mae", "average_mfe", "best_mfe", "return", "average_return",
        "excess_return", "alpha", "tracking_error",
    }
)  # fmt: skip
_MONEY: Final = frozenset(
    {
        "final_equity", "net_profit", "max_drawdown_value", "expectancy", "average_win", "average_loss", "best_trade",
        "worst_trade", "turnover", "fees", "funding", "pnl",
    }
)  # fmt: skip
#: Figures whose sign is worth a colour.
_SIGNED: Final = frozenset(
    {"total_return", "cagr", "net_profit", "sharpe", "expectancy", "excess_return", "return", "pnl"}
)
_COUNTS: Final = frozenset({"consecutive_losses", "trades"})
_CARDS: Final = (
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "expectancy",
    "trades",
    "exposure",
)
_TABLES: Final = (
    ("by_symbol", "symbol"), ("by_side", "side"), ("by_exit_reason", "exit_reason"), ("by_weekday", "weekday"),
    ("by_hour", "hour"),
)  # fmt: skip
_WORDS: Final = ("meaning", "chosen", "parameters")
_MOST_ROWS: Final = 500
_DEEPEST_SHADE: Final = 0.12


def report(result: Result, strategy: Mapping[str, Any] | str, *, checks: Checks | None = None) -> str:
    """The page of a run."""
    document = result_document(result, strategy, checks=checks, tables=True)
    held = hold_equity(result)
    chosen = thinned(held)
    return page(document, result.markets, points(result.times[chosen], held[chosen]))


def page(document: Mapping[str, Any], markets: Sequence[Candles] = (), held: Points = ()) -> str:
    """The page of a result's JSON (made with its tables). `markets` are the candles to draw trades on, `held` the curve of
    buy and hold; `monte_carlo`, `walk_forward` and `search` (with its `heat_map` and `luck`) are shown where the JSON has them."""
    name = strategy_name(document["strategy"])
    sections = [
        _head(name, document), _cards(document), _warnings(document["warnings"]), _curve(document, held),
        _markets(markets, document["trades"]), _months(document["breakdown"]["monthly"]), _returns(document["trades"]),
        _groups(document["breakdown"]), _simulated(document.get("monte_carlo")), _walked(document.get("walk_forward")), _searched(document.get("search")),
        _figures(document), _assumptions(document["assumptions"]), _trade_list(document["trades"]), _foot(document),
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(name)} — backtest</title><style>{STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def strategy_name(strategy: Mapping[str, Any] | str) -> str:
    """What a strategy is called."""
    return str(strategy.get("name") or "Strategy") if isinstance(strategy, Mapping) else strategy


def shown(name: str, value: object) -> str:
    """A figure as people read it; a dash where it isn't defined."""
    if value is None:
        return "–"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if name in _FRACTIONS:
        return percent(value, 2)
    if name in _MONEY:
        return f"{value:,.2f}"
    return f"{value:,.0f}" if isinstance(value, int) or name in _COUNTS else f"{value:,.3f}"


def _colour(name: str, value: object) -> str:
    if name not in _SIGNED or not isinstance(value, int | float) or value == 0:
        return ""
    return "good" if value > 0 else "bad"


def _section(title: str, body: str, style: str = "") -> str:
    return f'<section class="{style}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A table of (words, class) cells; words are escaped here."""
    names = "".join(f'<th class="{"words" if name in _WORDS else ""}">{escape(name)}</th>' for name in head)
    lines = "".join(
        "<tr>" + "".join(f'<td class="{style}">{escape(words)}</td>' for words, style in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(name: str, value: object) -> tuple[str, str]:
    return shown(name, value), _colour(name, value)


def _day(at_ms: float | None) -> str:
    return "–" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _head(name: str, document: Mapping[str, Any]) -> str:
    data = document["data"]
    shade = "".join(
        f'<label><input type="radio" name="shade" id="{each}"{checked}> {each}</label>'
        for each, checked in (("auto", " checked"), ("light", ""), ("dark", ""))
    )
    told = f"{data['symbol'] or 'unnamed market'} · {data['timeframe']} · {_day(data['from'])} to {_day(data['to'])} UTC · {data['rows']:,} bars"
    return f'<div class="shade">{shade}</div><h1>{escape(name)}</h1><p class="sub">{escape(told)}</p>'


def _cards(document: Mapping[str, Any]) -> str:
    metrics, held = document["metrics"], document["benchmark"]["total_return"]
    cards = [(name.replace("_", " "), *_cell(name, metrics[name])) for name in _CARDS]
    cards.insert(1, ("buy and hold", *_cell("total_return", held)))
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><span>{escape(name)}</span><b class="{style}">{escape(words)}</b></div>'
            for name, words, style in cards
        )
        + "</div>"
    )


def _warnings(warnings: Sequence[Mapping[str, str]]) -> str:
    items = "".join(f"<li>{escape(each['message'])} <code>{escape(each['code'])}</code></li>" for each in warnings)
    return _section("Before you believe it", f"<ul>{items}</ul>" if items else "", "warnings")


def _curve(document: Mapping[str, Any], held: Points) -> str:
    if len(document["equity"]) < 2:
        return ""
    told, capital = document["equity"], document["assumptions"]["capital"]
    drawn = [told[place] for place in thinned(np.array([point[1] for point in told])).tolist()]
    return _section("Equity and drawdown", equity_drawing(drawn, held, capital))


def _markets(markets: Sequence[Candles], trades: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for candles in markets:
        if not len(candles):
            continue
        own = [trade for trade in trades if trade["symbol"] == (candles.symbol or "")]
        together = merged(candles)[1]
        notes = [f"{together} bars to a candle"] if together > 1 else []
        notes += [f"{MOST_MARKS} of {len(own):,} trades, evenly chosen"] if len(own) > MOST_MARKS else []
        parts.append(
            f"<h3>{escape(' · '.join([candles.symbol or 'market', *notes]))}</h3>{candles_drawing(candles, own)}"
        )
    return _section("Trades on candles", "".join(parts))


def _months(monthly: Sequence[Mapping[str, Any]]) -> str:
    """The heat map: one row a year, the darker the more."""
    years: dict[int, dict[int, float]] = {}
    for each in monthly:
        years.setdefault(int(each["year"]), {})[each["month"]] = each["return"]
    rows = []
    for year, months in sorted(years.items()):
        total = 1.0
        for value in months.values():
            total *= 1.0 + value
        cells = "".join(_shade(months.get(month)) for month in range(1, 13))
        rows.append(f'<tr><td class="year">{year}</td>{cells}{_shade(total - 1.0)}</tr>')
    head = "".join(f"<th>{month}</th>" for month in ("", *_MONTHS, "Year"))
    body = f'<div class="wide"><table class="heat"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    return _section("Monthly returns", body if rows else "")


def _shade(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    return _tinted(value / _DEEPEST_SHADE, percent(value))


def _tinted(share: float, words: str) -> str:
    """A cell of a heat map: the colour of gain or loss, stronger up to a share of one."""
    strength, colour = min(abs(share), 1.0) * 60 + 6, "gain" if share >= 0 else "loss"
    return f'<td style="background:color-mix(in srgb,var(--{colour}) {strength:.0f}%,transparent)">{escape(words)}</td>'


def _returns(trades: Sequence[Mapping[str, Any]]) -> str:
    return _section(
        "Distribution of trade returns", distribution_drawing([t["return"] for t in trades]) if trades else ""
    )


def _groups(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    names = ("trades", "net_profit", "win_rate", "profit_factor", "average_return", "average_r")
    parts = []
    for table, key in _TABLES:
        groups = tables[table]
        if not groups or (key == "symbol" and len(groups) < 2):
            continue
        rows = [
            [(str(group[key]).replace("_", " ") or "–", ""), *(_cell(n, group[n]) for n in names)] for group in groups
        ]
        parts.append(
            f"<div><h3>{escape(table.replace('_', ' '))}</h3>{_table([key.replace('_', ' '), *(n.replace('_', ' ') for n in names)], rows)}</div>"
        )
    return _section("Where it comes from", "".join(parts))


def _simulated(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    rungs = list(told["total_return"])
    rows = [
        [(name.replace("_", " "), ""), *(_cell(name, told[name][rung]) for rung in rungs)]
        for name in ("total_return", "max_drawdown", "consecutive_losses")
    ]
    words = (
        f"{told['runs']:,} runs ({told['method'].replace('_', ' ')}): chance of a loss {percent(told['loss_probability'])}, of falling to"
        f" {percent(told['ruin_level'], 0)} of the capital {percent(told['ruin_probability'])}."
    )
    return _section("Monte Carlo", f"<p>{escape(words)}</p>{fan_drawing(told['fan'])}{_table(['', *rungs], rows)}")


def _walked(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    rows = []
    for step in told["steps"]:
        chosen = ", ".join(f"{name} {value}" for name, value in (step["parameters"] or {}).items()) or "nothing"
        inside, outside = step["in_sample"], step["out_of_sample"]
        rows.append(
            [
                (_day(step["test_from"]), ""), (chosen, "words"), _cell("total_return", inside["total_return"]),
                _cell("total_return", outside["total_return"]), _cell("sharpe", outside["sharpe"]), _cell("trades", outside["trades"]),
            ]
        )  # fmt: skip
    efficiency = told["efficiency"]
    words = f"Efficiency {'–' if efficiency is None else percent(efficiency, 0)}; {percent(told['profitable_tests'], 0)} of the tests earned."
    head = ("tested from", "chosen", "trained", "tested", "sharpe", "trades")
    return _section("Walk-forward", f"<p>{escape(words)}</p>{_table(head, rows)}")


def _searched(told: Mapping[str, Any] | None) -> str:
    """The best sets of a search, the heat map of two parameters, and what luck would have found."""
    if told is None:
        return ""
    words = [f"{told['trials']:,} sets tried, {told['scored']:,} with a score ({told['objective'].replace('_', ' ')})."]
    if told["stability"] is not None:
        words.append(f"The neighbours of the best keep {percent(told['stability'], 0)} of its score.")
    luck = told.get("luck") or {}
    if luck.get("deflated_sharpe"):
        words.append(
            f"Chance that the best has skill (deflated Sharpe ratio): {percent(luck['deflated_sharpe']['probability'])}."
        )
    if luck.get("overfitting"):
        words.append(f"Probability of backtest overfitting: {percent(luck['overfitting']['probability'])}.")
    rows = [
        [(", ".join(f"{n} {v}" for n, v in trial["parameters"].items()), "words"), (f"{trial['score']:,.3f}", ""),
         *(_cell(name, trial["figures"].get(name)) for name in ("total_return", "max_drawdown", "trades"))]
        for trial in told["ranking"][:15]
    ]  # fmt: skip
    head = ("parameters", "score", "total return", "max drawdown", "trades")
    return _section("Search", f"<p>{escape(' '.join(words))}</p>{_heat(told.get('heat_map'))}{_table(head, rows)}")


def _heat(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    reach = max((abs(score) for row in told["scores"] for score in row if score is not None), default=0.0) or 1.0
    corner = f"{told['down']} by {told['across']}"
    head = "".join(f"<th>{escape(str(value))}</th>" for value in (corner, *told["across_values"]))
    rows = "".join(
        f'<tr><td class="year">{escape(str(value))}</td>'
        + "".join("<td></td>" if s is None else _tinted(s / reach, f"{s:,.2f}") for s in scores)
        + "</tr>"
        for value, scores in zip(told["down_values"], told["scores"], strict=True)
    )
    return f'<div class="wide"><table class="heat"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _figures(document: Mapping[str, Any]) -> str:
    metrics, held = document["metrics"], document["benchmark"]
    rows = [
        [(name.replace("_", " "), ""), _cell(name, value), (shown(name, held[name]) if name in held else "", ""), (MEANINGS.get(name, ""), "words")]
        for name, value in metrics.items()
    ]  # fmt: skip
    against = [
        [(name.replace("_", " "), ""), _cell(name, held[name])]
        for name in ("excess_return", "alpha", "beta", "correlation", "tracking_error", "information_ratio")
    ]
    return _section(
        "All figures",
        _table(("", "strategy", "buy and hold", "meaning"), rows)
        + "<h3>against buy and hold</h3>"
        + _table(("", "value"), against),
    )


def _assumptions(assumed: Mapping[str, Any]) -> str:
    order = "".join(f"<li>{escape(each)}</li>" for each in assumed["order_of_events"])
    plain = [(name, value) for name, value in assumed.items() if name not in ("rules", "order_of_events")]
    tables = "".join(
        f"<div><h3>{title}</h3>{_table(('', ''), [[(n.replace('_', ' '), ''), (_setting(v), '')] for n, v in values])}</div>"
        for title, values in (("run", plain), ("rules of every trade", assumed["rules"].items()))
    )
    return _section("Assumptions", f'<div class="two">{tables}</div><h3>order of events</h3><ol>{order}</ol>')


def _setting(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_setting(each) for each in value) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_setting(each)}" for name, each in value.items())
    return "–" if value is None else f"{value:,g}" if isinstance(value, float) else str(value)


def _trade_list(trades: Sequence[Mapping[str, Any]]) -> str:
    if not trades:
        return ""
    names = ("entry_price", "exit_price", "quantity", "pnl", "return", "r_multiple", "fees")
    rows = [
        [(_day(t["entry_time"]), ""), (_day(t["exit_time"]), ""), (t["symbol"], ""), (t["side"], ""), *(_price_cell(n, t[n]) for n in names), (t["exit_reason"].replace("_", " "), "")]
        for t in trades[:_MOST_ROWS]
    ]  # fmt: skip
    head = ("entry (UTC)", "exit", "symbol", "side", *(name.replace("_", " ") for name in names), "reason")
    count = f"the first {_MOST_ROWS} of {len(trades):,}" if len(trades) > _MOST_ROWS else f"all {len(trades):,}"
    return _section("Trades", f"<details><summary>{count} trades</summary>{_table(head, rows)}</details>")


def _price_cell(name: str, value: object) -> tuple[str, str]:
    if name in ("entry_price", "exit_price", "quantity") and isinstance(value, float):
        return f"{value:,.8g}", ""
    return _cell(name, value)


def _foot(document: Mapping[str, Any]) -> str:
    kept = document["equity_points"]
    words = f"Data {document['data']['hash']}, engine {document['engine_version']}. Equity: {kept['kept']:,} of {kept['of']:,} bars, {kept['rule']}."
    drawn = f" Candles: at most {MOST_CANDLES} a drawing." if kept["of"] > MOST_CANDLES else ""
    return f"<footer>{escape(words + drawn)}</footer>"
