"""What a user wrote, made into a description: whose strategy is meant, its symbols, and which days.

A wish is kept in the queue as it was written; whoever carries it out reads it, and refuses it with every mistake by its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from database import Store
from modules.backtest_jobs.descriptions import Description, read_description
from modules.backtest_jobs.limits import bars_between
from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.strategies.builtin import builtin_document, builtin_names
from modules.strategy_book.book import StrategyBook

#: The strategy of whoever names none.
DEFAULT_STRATEGY: Final = "ma_cross"
DEFAULT_DAYS: Final = 30
_PASSED: Final = ("kind", "timeframe", "assumptions", "exchange", "lower", "checks", "luck", "search", "walk")
_KNOWN: Final = frozenset(
    {*_PASSED, "strategy", "strategy_id", "parameters", "other", "symbols", "days", "from", "to", "picture"}
)


def description_of(wish: Mapping[str, Any], user_id: str, asked_at: datetime, store: Store) -> Description:
    """The description of what a user wished for at that time.

    Raises InvalidInput with every mistake by its place, NotFound for a strategy that is not the user's.
    """
    unknown = [name for name in wish if name not in _KNOWN]
    if unknown:
        raise InvalidInput(f"not known here: {', '.join(unknown)}", fields=dict.fromkeys(unknown, "is not known here"))
    book = StrategyBook(store)
    indicators = book.named_indicators(user_id)
    document, source = _strategy(wish, user_id, book)
    other = None if wish.get("other") is None else _named(wish["other"], {}, user_id, book)[0]
    found: dict[str, Any] = {name: wish[name] for name in _PASSED if wish.get(name) is not None}
    found |= {"document": document, "source": source, "other": other, "symbols": wish.get("symbols")}
    found["from"], found["to"] = span_of(wish, asked_at)
    found["simulated"] = found.get("exchange") == "simulated"
    described = read_description(found, indicators)
    bars_between(found["from"], found["to"], described.timeframe)
    return described


def span_of(wish: Mapping[str, Any], asked_at: datetime) -> tuple[int, int]:
    """The span in ms: `from` and `to`, or so many days before the wish. Raises InvalidInput for one that can't be."""
    start, end, days = wish.get("from"), wish.get("to"), wish.get("days")
    if days is not None and (start is not None or end is not None):
        raise InvalidInput("say days, or from and to, not both", fields={"days": "not together with from and to"})
    until = ms_from_utc(asked_at) if end is None else int(end)
    if start is None:
        start = until - int((days or DEFAULT_DAYS) * timedelta(days=1) / timedelta(milliseconds=1))
    if int(start) >= ms_from_utc(asked_at):
        raise InvalidInput("that time has not come yet", fields={"from": "must lie in the past"})
    if int(start) >= until:
        raise InvalidInput("the test would end before it starts", fields={"to": "must be after from"})
    return max(int(start), 0), until


def _strategy(wish: Mapping[str, Any], user_id: str, book: StrategyBook) -> tuple[Mapping[str, Any], str]:
    """The document meant, and how it was named."""
    said, parameters = wish.get("strategy"), wish.get("parameters") or {}
    if said is not None and wish.get("strategy_id") is not None:
        raise InvalidInput("say strategy or strategy_id, not both", fields={"strategy_id": "not beside strategy"})
    if wish.get("strategy_id") is not None:
        kept = book.get(user_id, str(wish["strategy_id"]))
        return kept.whole, f"strategy:{kept.id}"
    if said is None:
        return builtin_document(DEFAULT_STRATEGY, parameters), f"default:{DEFAULT_STRATEGY}"
    return _named(said, parameters, user_id, book)


def _named(
    said: object, parameters: Mapping[str, Any], user_id: str, book: StrategyBook
) -> tuple[Mapping[str, Any], str]:
    """A document, the name of a built-in strategy, or the id of one of the user's."""
    if isinstance(said, Mapping):
        if "builtin" in said:
            given = {name: value for name, value in said.items() if name not in ("builtin", "parameters")}
            values = {**dict(said.get("parameters") or {}), **given, **parameters}
            return builtin_document(str(said["builtin"]), values), f"builtin:{said['builtin']}"
        return said, "document"
    name = str(said)
    if name in builtin_names():
        return builtin_document(name, parameters), f"builtin:{name}"
    if name.startswith("str-"):
        kept = book.get(user_id, name)
        return kept.whole, f"strategy:{kept.id}"
    raise InvalidInput(
        f"{name!r} is no built-in strategy; there are {', '.join(builtin_names())}",
        fields={"strategy": "is neither a document nor the name of a built-in strategy"},
    )
