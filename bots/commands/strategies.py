"""Commands for strategies and indicators of one's own: list, make step by step, switch, ask what they say now."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from html import escape
from typing import Any, Final

from bots.chat import Answer, Button, Call, Command
from modules.accounts.permissions import Verb, require
from modules.domain.errors import InvalidInput, NotFound
from modules.domain.market import TIMEFRAMES_MS, ms_from_utc
from modules.strategy_book.views import Row, StrategyViews

MOST_LISTED: Final = 20
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
TIMEFRAMES: Final = ("15m", "1h", "4h", "1d")
RISKS: Final = ("0.5", "1", "2")
_WORDS: Final = ("check", "on", "off", "delete", "show", "chart")
_MARKS: Final = {True: "✅", False: "✗", None: "…"}


async def strategies(call: Call) -> Answer:
    """One's strategies with their switches."""
    rows = await asyncio.to_thread(_rows, call)
    if not rows:
        return Answer("You have no strategy yet.", ((Button("Make one", "/newstrategy"),),))
    lines = ["<b>Your strategies</b>"]
    for number, row in enumerate(rows, start=1):
        where = f"{', '.join(row['symbols'][:3]) or 'no symbol'} {row['timeframe']}"
        lines.append(f"{'🟢' if row['enabled'] else '⚪'} {number}. <b>{escape(row['name'])}</b> {escape(where)}")
        lines += [f"    {escape(run['symbol'])}: {escape(run['note'])}" for run in row["runs"] if run["note"]][:2]
    buttons = tuple(_buttons(row, str(number)) for number, row in enumerate(rows[:8], start=1))
    return Answer("\n".join(lines), (*buttons, (Button("New strategy", "/newstrategy"),)))


async def strategy(call: Call) -> Answer:
    """One strategy: what it says now, or switched on or off, or deleted."""
    row, what = await _meant(call)
    if what in ("on", "off", "delete"):
        require(call.person.principal, Verb.MANAGE_STRATEGIES)
    match what:
        case "on" | "off":
            return await asyncio.to_thread(_switched, call, row, what == "on")
        case "delete":
            views = _views(call)
            await asyncio.to_thread(views.book.delete, views.who(call.person.principal, call.now), row["id"])
            return Answer(f"<b>{escape(row['name'])}</b> is deleted. Trades it opened stay as they are.")
        case "chart":
            views, at_ms = _views(call), ms_from_utc(call.now)
            picture = await asyncio.to_thread(views.picture, call.person.user_id, row["id"], at_ms)
            return Answer(f"<b>{escape(row['name'])}</b> on the newest candles", (_buttons(row, row["id"]),), picture)
        case "show":
            text = json.dumps(row["document"], indent=1, ensure_ascii=False)
            return Answer(
                f"<b>{escape(row['name'])}</b>\n<pre>{escape(text[:3500])}</pre>", (_buttons(row, row["id"]),)
            )
    return await asyncio.to_thread(_checked, call, row)


def _question(call: Call) -> str | None:
    """What needs a yes: trading by itself, and forgetting."""
    what = call.words[-1].lower() if len(call.words) > 1 else "check"
    row = _named(_rows(call), _name_of(call)) if what in ("on", "delete") else None
    if row is None:
        return None
    if what == "delete":
        return f"Delete <b>{escape(row['name'])}</b> with its versions?"
    where = f"{', '.join(row['symbols']) or 'no symbol'} on {row['timeframe']}"
    return f"Switch on <b>{escape(row['name'])}</b>: {escape(where)}? It will open and close trades by itself."


async def new_strategy(call: Call) -> Answer:
    """Step by step by buttons: which strategy, which market, which timeframe, what risk; or a whole document as JSON."""
    if call.text.lstrip().startswith("{"):
        return await asyncio.to_thread(_created, call, _json(call.text))
    if not call.words:
        return await asyncio.to_thread(_which, call)
    name = call.words[0]
    described = await asyncio.to_thread(_described, call, name)
    step = f"/newstrategy {name}"
    if len(call.words) == 1:
        text = (
            f"<b>{escape(described['title'])}</b>\n{escape(described['explanation'])}\n\nWhich market? Or write one: "
        )
        buttons = tuple(Button(each, f"{step} {each}") for each in SYMBOLS)
        return Answer(f"{text}<code>{escape(step)} XRPUSDT</code>", _in_rows(buttons, 2))
    step += f" {call.words[1].upper().replace('/', '')}"
    if len(call.words) == 2:
        suiting = await asyncio.to_thread(_suiting, call, name)
        buttons = tuple(Button(each, f"{step} {each}") for each in suiting)
        usual = described["document"]["timeframe"]
        return Answer(f"On which timeframe? It was made for {usual}.", _in_rows(buttons, 4))
    step += f" {_timeframe(call.words[2])}"
    if len(call.words) == 3:
        buttons = tuple(Button(f"{each} %", f"{step} {each}") for each in RISKS)
        return Answer("How much of the equity may one trade lose at its stop?", _in_rows(buttons, 3))
    return await asyncio.to_thread(_created, call, _from_words(call, described))


async def indicators(call: Call) -> Answer:
    """One's indicators."""
    page = await asyncio.to_thread(_views(call).indicators, call.person.user_id, limit=MOST_LISTED)
    if not page.rows:
        return Answer("You have no indicator yet. Example:\n<code>/indicator Stretch = close / mean(close, 20)</code>")
    lines = [f"• <b>{escape(row['name'])}</b>: {escape(_short(row['document']))}" for row in page.rows]
    return Answer("\n".join(["<b>Your indicators</b>", *lines]))


async def indicator(call: Call) -> Answer:
    """Keeps an indicator: `NAME = FORMULA`."""
    name, equals, formula = call.text.partition("=")
    if not (equals and name.strip() and formula.strip()):
        raise InvalidInput("Write NAME = FORMULA.\nExample: /indicator Stretch = close / mean(close, 20)")
    document = {"name": name.strip(), "formula": formula.strip()}
    views = _views(call)
    who = views.who(call.person.principal, call.now)
    kept = await asyncio.to_thread(views.book.create_indicator, who, document)
    example = {"type": "custom", "name": kept.name, "operator": ">", "value": 1}
    return Answer(f"Kept <b>{escape(kept.name)}</b>. In a condition: <code>{escape(json.dumps(example))}</code>")


# ---- steps ------------------------------------------------------------------------------------------------------------


def _views(call: Call) -> StrategyViews:
    return StrategyViews(call.rooms.settings.data_dir / "candles", call.rooms.store)


def _rows(call: Call) -> list[Row]:
    return _views(call).strategies(call.person.user_id, limit=MOST_LISTED).rows


def _name_of(call: Call) -> str:
    words = call.words[:-1] if len(call.words) > 1 and call.words[-1].lower() in _WORDS else call.words
    return " ".join(words)


def _named(rows: list[Row], name: str) -> Row | None:
    """A strategy by its number in the list, its id or its name."""
    if name.isdigit() and 1 <= int(name) <= len(rows):
        return rows[int(name) - 1]
    return next((row for row in rows if name in (row["id"], row["name"]) or name.lower() == row["name"].lower()), None)


async def _meant(call: Call) -> tuple[Row, str]:
    row = _named(await asyncio.to_thread(_rows, call), _name_of(call))
    if row is None:
        raise NotFound("You have no such strategy. See /strategies.")
    last = call.words[-1].lower()
    return row, last if len(call.words) > 1 and last in _WORDS else "check"


def _buttons(row: Row, name: str) -> tuple[Button, ...]:
    switch = ("Off", "off") if row["enabled"] else ("On", "on")
    shown = f"{name}. " if name.isdigit() else ""
    return (
        Button(f"{shown}{switch[0]}", f"/strategy {row['id']} {switch[1]}"),
        Button(f"{shown}Now", f"/strategy {row['id']} check"),
        Button(f"{shown}Chart", f"/strategy {row['id']} chart"),
    )


def _switched(call: Call, row: Row, on: bool) -> Answer:
    views = _views(call)
    kept = views.book.toggle(views.who(call.person.principal, call.now), row["id"], enabled=on)
    after = views.row(kept)
    name = escape(kept.name)
    if on:
        return Answer(
            f"🟢 <b>{name}</b> decides from the next closed {after['timeframe']} candle on.",
            (_buttons(after, kept.id),),
        )
    return Answer(f"⚪ <b>{name}</b> is off. What it holds keeps its stop and targets.", (_buttons(after, kept.id),))


def _checked(call: Call, row: Row) -> Answer:
    found = _views(call).evaluate(call.person.user_id, row["id"], ms_from_utc(call.now))
    lines = [f"<b>{escape(row['name'])}</b> on {row['timeframe']}"]
    for each in found["evaluations"][:5]:
        if "problem" in each:
            lines.append(f"⚠️ {escape(each['symbol'])}: {escape(each['problem'])}")
            continue
        lines.append(f"\n<b>{escape(each['symbol'])}</b> {each['price']:.8g}: <b>{each['signal']}</b>")
        lines += [line for side in each["sides"] for line in _side_lines(side)]
    return Answer("\n".join(lines), (_buttons(row, row["id"]),))


def _side_lines(side: dict[str, Any]) -> list[str]:
    shown = [f"{side['action']}:"]
    for each in side["entry"]:
        left = "?" if each["left"] is None else f"{each['left']:.6g}"
        shown.append(f" {_MARKS[each['holds']]} {escape(each['condition'])} (now {left})")
    return shown


def _which(call: Call) -> Answer:
    rows = _views(call).builtins()
    lines = ["<b>Which strategy?</b>", *(f"• {escape(row['title'])}" for row in rows)]
    lines.append('\nOr write your own: <code>/newstrategy {"name": …, "conditions": […]}</code>')
    buttons = tuple(Button(row["title"], f"/newstrategy {row['name']}") for row in rows)
    return Answer("\n".join(lines), _in_rows(buttons, 2))


def _described(call: Call, name: str) -> Row:
    for row in _views(call).builtins():
        if row["name"] == name.lower():
            return row
    raise NotFound(f"There is no strategy {name}. Write /newstrategy to choose one.")


def _suiting(call: Call, name: str) -> list[str]:
    """The timeframes a strategy can be made for: those that its higher ones are multiples of."""
    found = []
    for each in TIMEFRAMES:
        with suppress(InvalidInput):
            _views(call).checked(call.person.user_id, {"builtin": name.lower(), "timeframe": each})
            found.append(each)
    return found


def _timeframe(text: str) -> str:
    if text.lower() not in TIMEFRAMES_MS:
        raise InvalidInput(f"{text} is no timeframe; there are {', '.join(TIMEFRAMES_MS)}.")
    return text.lower()


def _from_words(call: Call, described: Row) -> dict[str, Any]:
    name, symbol, timeframe, risk = call.words[:4]
    try:
        value = float(risk.rstrip("%"))
    except ValueError:
        raise InvalidInput(f"{risk} is no percentage.\nExample: /newstrategy ma_cross BTCUSDT 1h 1") from None
    symbol = symbol.upper().replace("/", "")
    return {
        "builtin": name.lower(),
        "name": f"{described['title']} {symbol} {_timeframe(timeframe)}",
        "symbols": [symbol],
        "timeframe": _timeframe(timeframe),
        "position_size": {"mode": "risk_percent", "value": value},
    }


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"That is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput("A strategy is a JSON object.")
    return found


def _created(call: Call, document: dict[str, Any]) -> Answer:
    views = _views(call)
    try:
        kept = views.book.create(views.who(call.person.principal, call.now), document)
    except InvalidInput as wrong:
        places = [f"• <code>{escape(place)}</code> {escape(words)}" for place, words in list(wrong.fields.items())[:10]]
        return Answer("\n".join(["⚠️ The strategy can't be read:", *places]) if places else f"⚠️ {escape(wrong.message)}")
    row = views.row(kept)
    where = f"{', '.join(row['symbols']) or 'no symbol yet'}, {row['timeframe']}"
    text = f"Kept <b>{escape(kept.name)}</b> ({escape(where)}), switched off."
    return Answer(text, (_buttons(row, kept.id),))


def _in_rows(buttons: tuple[Button, ...], width: int) -> tuple[tuple[Button, ...], ...]:
    return tuple(buttons[start : start + width] for start in range(0, len(buttons), width))


def _short(document: dict[str, Any]) -> str:
    formula = document.get("formula")
    if isinstance(formula, str):
        return formula
    shown = {key: value for key, value in document.items() if key not in ("name", "description")}
    return json.dumps(shown)[:120]


COMMANDS = (
    Command("strategies", "your strategies and their switches", "strategies", Verb.READ_STRATEGIES, strategies),
    Command(
        "strategy",
        "one strategy: what it says now, on, off, show, chart, delete",
        "strategy NAME [check|on|off|show|chart|delete]",
        Verb.READ_STRATEGIES,
        strategy,
        1,
        asks=_question,
        example="strategy 1 check",
    ),
    Command(
        "newstrategy",
        "make a strategy step by step, or from JSON",
        "newstrategy [NAME SYMBOL TIMEFRAME RISK]",
        Verb.MANAGE_STRATEGIES,
        new_strategy,
        example="newstrategy ma_cross BTCUSDT 1h 1",
    ),
    Command("indicators", "your indicators", "indicators", Verb.READ_STRATEGIES, indicators),
    Command(
        "indicator",
        "keep an indicator of your own",
        "indicator NAME = FORMULA",
        Verb.MANAGE_STRATEGIES,
        indicator,
        3,
        example="indicator Stretch = close / mean(close, 20)",
    ),
)
