"""Backtests in a chat: a condition or a strategy on a market's past, answered with a picture and the figures that matter."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from bots.chat import Answer, Button, Call, Command, example
from modules.accounts.permissions import Verb
from modules.backtest_jobs.condition_text import read_conditions
from modules.backtest_jobs.desk import BacktestDesk, refuse_failed
from modules.backtest_jobs.jobs import Job, Reply
from modules.backtest_jobs.redrawing import Redrawing
from modules.backtest_jobs.wording import chat_text
from modules.domain.errors import InvalidInput, Trouble
from modules.domain.market import TIMEFRAMES_MS
from modules.strategy_book.views import StrategyViews

USAGE: Final = 'backtest SYMBOL "CONDITIONS"|STRATEGY [30d] [4h] [exit "CONDITIONS"] [sl 5%] [tp 10%] [short]'
EXAMPLE: Final = 'backtest BTCUSDT "rsi<30" 30d exit "rsi>60" sl 5%'
#: So long the chat waits before it says that the answer comes later.
PATIENCE_SECONDS: Final = 3.0
SPANS: Final = (30, 90, 365)
_PART: Final = re.compile(r'"([^"]*)"|(\S+)')
_QUOTES: Final = str.maketrans("“”„«»‟", '""""""')
_DAYS: Final = re.compile(r"(\d{1,4})(d|w|mo|y)\Z", re.IGNORECASE)
_DAYS_OF: Final = {"d": 1, "w": 7, "mo": 30, "y": 365}
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)%?\Z")
_LEVELS: Final = {"sl": "stop_loss_pct", "stop": "stop_loss_pct", "tp": "take_profit_pct", "target": "take_profit_pct"}
_COMPARES: Final = re.compile(r"[<>=]|crosses", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One word of the command; `quoted` ones are conditions."""

    text: str
    quoted: bool


async def backtest(call: Call) -> Answer:
    """Tests, and answers at once where it is short; else later, as a reply."""
    if not call.words:
        return await asyncio.to_thread(_newest, call)
    if call.word(0).lower() == "cancel":
        return await asyncio.to_thread(_cancelled, call)
    with example(EXAMPLE):
        wish = read_wish(call.text)
    return await asyncio.to_thread(_tested, call, wish)


def read_wish(text: str) -> dict[str, Any]:
    """The wish that a command says. Raises InvalidInput for what can't be read."""
    found = [
        Part(quoted or plain, quoted=bool(quoted)) for quoted, plain in _PART.findall(text.translate(_QUOTES).strip())
    ]
    symbol = found[0].text.upper().replace("/", "")
    if found[0].quoted or not re.fullmatch(r"[A-Z0-9]{2,30}", symbol):
        raise InvalidInput(f"{found[0].text!r} is no symbol like BTCUSDT.")
    if len(found) < 2:
        raise InvalidInput('Say what to test: a condition like "rsi<30", or the name of a strategy.')
    wish: dict[str, Any] = {"symbols": [symbol], "picture": True}
    rules: dict[str, Any] = {}
    rest = _read_strategy(found[1:], wish)
    _read_rest(rest, wish, rules)
    if rules and not isinstance(wish["strategy"], dict):
        raise InvalidInput("exit, sl, tp and short go with conditions; a strategy has its own.")
    if isinstance(wish["strategy"], dict):
        wish["strategy"] |= rules
    wish.setdefault("days", SPANS[0])
    return wish


def _read_strategy(parts: list[Part], wish: dict[str, Any]) -> list[Part]:
    """Conditions, quoted or not, or a strategy's name; the words after them."""
    first = parts[0]
    if not first.quoted and not _COMPARES.search(" ".join(each.text for each in parts[:3] if not each.quoted)):
        wish["strategy"] = first.text
        return parts[1:]
    count = 1
    while not first.quoted and count < len(parts) and not parts[count].quoted and not _begins_rest(parts[count].text):
        count += 1
    said = " ".join(each.text for each in parts[:count])
    wish["strategy"] = {"name": said[:80], "entry": read_conditions(said)}
    return parts[count:]


def _begins_rest(word: str) -> bool:
    plain = word.lower()
    return (
        plain in TIMEFRAMES_MS or plain in _LEVELS or plain in ("exit", "short", "sell", "long", "buy")
        or _DAYS.fullmatch(plain) is not None
    )  # fmt: skip


def _read_rest(parts: list[Part], wish: dict[str, Any], rules: dict[str, Any]) -> None:
    """Span, timeframe, exit, stop and target, in any order."""
    left = list(parts)
    while left:
        word = left.pop(0).text.lower()
        if word == "exit":
            rules["exit"] = read_conditions(_next(left, "exit").text)
        elif word in _LEVELS:
            rules[_LEVELS[word]] = _percent(_next(left, word).text)
        elif word in ("short", "sell"):
            rules["action"] = "SELL"
        elif word in ("long", "buy"):
            rules["action"] = "BUY"
        elif word in TIMEFRAMES_MS:
            wish["timeframe"] = word
        elif (days := _DAYS.fullmatch(word)) is not None:
            wish["days"] = int(days[1]) * _DAYS_OF[days[2].lower()]
        else:
            raise InvalidInput(f"I don't know what {word!r} means here.")


def _next(left: list[Part], what: str) -> Part:
    if not left:
        raise InvalidInput(f"Something is missing after {what}.")
    return left.pop(0)


def _percent(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text!r} is no percentage like 5%.")
    return float(found[1])


def desk_of(call: Call) -> BacktestDesk:
    """Where tests are handed in."""
    return BacktestDesk(call.rooms.store, call.rooms.settings.data_dir / "run", call.rooms.clock)


def _tested(call: Call, wish: dict[str, Any]) -> Answer:
    desk, user_id = desk_of(call), call.person.user_id
    if isinstance(wish["strategy"], str):
        wish = {**wish, "strategy": _meant(call, wish["strategy"])}
    job = desk.await_end(desk.submit(user_id, wish), PATIENCE_SECONDS)
    if not job.ended:
        job = desk.queue.ask_reply(user_id, job.id, Reply(call.person.chat_id, call.person.message_id), call.now)
    if not job.ended:
        return _later(desk, job, call)
    refuse_failed(job)
    return _answer(call, desk, job)


def _meant(call: Call, name: str) -> str:
    """The id of one of the user's strategies by its name, else the name itself: a built-in's."""
    rows = (
        StrategyViews(call.rooms.settings.data_dir / "candles", call.rooms.store).strategies(call.person.user_id).rows
    )
    return next((str(row["id"]) for row in rows if str(row["name"]).lower() == name.lower()), name)


def _later(desk: BacktestDesk, job: Job, call: Call) -> Answer:
    worked = desk.worked(call.rooms.clock.now())
    state = f"{job.progress:.0%} done" if job.status == "running" else "waiting its turn"
    if not worked:
        state = "waiting: no process carries out tests at the moment"
    text = f"⏳ {escape(job.title)}: {state}. The answer comes here when it is ready."
    return Answer(text, ((Button("Cancel", f"/backtest cancel {job.id}"),),))


def _answer(call: Call, desk: BacktestDesk, job: Job) -> Answer:
    user_id, result_id = call.person.user_id, str(job.result_id)
    text = chat_text(desk.results.document(user_id, result_id))
    try:
        picture = Redrawing(call.rooms.store, call.rooms.settings.data_dir).picture(user_id, result_id)
    except Trouble:  # too short to be drawn: the figures are all there is
        picture = None
    return Answer(text, _other_spans(call), picture)


def _other_spans(call: Call) -> tuple[tuple[Button, ...], ...]:
    """The same test over other spans."""
    plain = " ".join(each for each in call.text.split() if _DAYS.fullmatch(each) is None or each in TIMEFRAMES_MS)
    return (tuple(Button(f"{days} days", f"/backtest {plain} {days}d") for days in SPANS),)


def _cancelled(call: Call) -> Answer:
    job = desk_of(call).queue.cancel(call.person.user_id, call.word(1), call.now)
    return Answer(f"{escape(job.title)}: called off.")


def _newest(call: Call) -> Answer:
    """What is under way, and the newest results."""
    desk, user_id = desk_of(call), call.person.user_id
    jobs = [job for job in desk.queue.jobs(user_id, limit=20)[0] if not job.ended]
    lines = [f"⏳ {escape(job.title)}: {job.progress:.0%}" for job in jobs]
    for kept in desk.results.results(user_id, limit=5)[0]:
        share = kept.figures["total_return"]
        lines.append(
            f"{'▲' if (share or 0) > 0 else '▼'} {escape(kept.title)}: {share or 0:+.2%}, {kept.figures['trades']} trades"
        )
    if not lines:
        lines = ["You have tested nothing yet."]
    return Answer("\n".join([*lines, f"\nUsage: /{escape(USAGE)}\nExample: /{escape(EXAMPLE)}"]))


COMMANDS = (
    Command(
        "backtest",
        "a condition or a strategy on a market's past",
        USAGE,
        Verb.RUN_BACKTESTS,
        backtest,
        0,
        example=EXAMPLE,
    ),
)
