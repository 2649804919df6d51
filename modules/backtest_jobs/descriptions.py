"""What somebody wants tested, read out of a document: which strategy, over which candles, how assumed, and in which way.

A description says everything a run needs but the candles. Reading and writing it loses nothing, so it can wait in a queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, TypeVar

from modules.backtest_jobs.assumed import read_assumptions, write_assumptions
from modules.backtest_jobs.parameter_search import ParameterSearch, read_search
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.robustness.monte_carlo import Method, Simulation
from modules.backtesting.robustness.walk_forward import Walk
from modules.candles.names import SeriesName, timeframe_ms, timeframe_name
from modules.domain.errors import InvalidInput, Trouble
from modules.strategies.checking import Complaints, one_of, only, refuse
from modules.strategies.documents import read_strategy
from modules.strategies.language import CustomIndicator, Strategy

T = TypeVar("T", Simulation, Walk)
MOST_SYMBOLS: Final = 20
_FIELDS: Final = (
    "kind", "document", "other", "symbols", "timeframe", "from", "to", "assumptions", "source", "exchange", "lower",
    "checks", "simulated", "luck", "search", "walk",
)  # fmt: skip


class Kind(StrEnum):
    """In which way a strategy is tested."""

    BACKTEST = "backtest"
    COMPARE = "compare"
    MONTE_CARLO = "monte_carlo"
    WALK_FORWARD = "walk_forward"
    SEARCH = "search"


#: Ways of testing that look at one symbol only.
_OF_ONE_SYMBOL: Final = frozenset({Kind.COMPARE, Kind.WALK_FORWARD, Kind.SEARCH})
#: Ways of testing that choose parameters.
_CHOOSING: Final = frozenset({Kind.WALK_FORWARD, Kind.SEARCH})


@dataclass(frozen=True, slots=True)
class Description:
    """One test. `document` is the strategy's, `other` that of version B where two are compared.

    The bars that count open from `start_ms` up to and including `end_ms`; None is as far as there are candles. `source` says
    how the strategy was named: `builtin:NAME`, `strategy:ID`, `default:NAME` or `document`. `exchange` None takes whichever
    has the candles; `lower` names a lower timeframe that decides what happened inside a bar; `simulated` allows candles of
    the simulated market.
    """

    kind: Kind
    document: Mapping[str, Any]
    symbols: tuple[str, ...]
    timeframe: str
    start_ms: int | None = None
    end_ms: int | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)
    other: Mapping[str, Any] | None = None
    source: str = "document"
    exchange: str | None = None
    lower: str | None = None
    checks: bool = False
    simulated: bool = False
    luck: Simulation = field(default_factory=Simulation)
    search: ParameterSearch | None = None
    walk: Walk | None = None
    indicators: Mapping[str, CustomIndicator] = field(default_factory=dict, compare=False)

    def strategy(self) -> Strategy:
        """The strategy, on the timeframe of this test."""
        return read_strategy({**self.document, "timeframe": self.timeframe}, self.indicators)

    def rival(self) -> Strategy:
        """Version B, on the same timeframe. Raises InvalidInput where nothing is compared."""
        if self.other is None:
            raise InvalidInput("there is no second version to compare with", fields={"other": "is needed"})
        return read_strategy({**self.other, "timeframe": self.timeframe}, self.indicators)

    def as_json(self) -> dict[str, Any]:
        """The description as JSON; `read_description` reads it back."""
        return {
            "kind": self.kind.value,
            "document": dict(self.document),
            "other": None if self.other is None else dict(self.other),
            "symbols": list(self.symbols),
            "timeframe": self.timeframe,
            "from": self.start_ms,
            "to": self.end_ms,
            "assumptions": write_assumptions(self.assumptions),
            "source": self.source,
            "exchange": self.exchange,
            "lower": self.lower,
            "checks": self.checks,
            "simulated": self.simulated,
            "luck": {**asdict(self.luck), "method": self.luck.method.value},
            "search": None if self.search is None else self.search.as_json(),
            "walk": None if self.walk is None else asdict(self.walk),
        }


def read_description(found: Mapping[str, Any], indicators: Mapping[str, CustomIndicator] | None = None) -> Description:
    """The description in a document. Raises InvalidInput whose `fields` name every wrong place."""
    wrong = Complaints()
    only(found, _FIELDS, "", wrong)
    kind = _kind(found.get("kind", Kind.BACKTEST.value))
    document, source = _document(found.get("document"), "document"), str(found.get("source") or "document")
    strategy = read_strategy(document, indicators)
    symbols = _symbols(found.get("symbols") or strategy.symbols, kind, wrong)
    timeframe = _timeframe(found.get("timeframe") or strategy.timeframe, "timeframe", wrong)
    assumed = read_assumptions(found.get("assumptions") or {}, wrong)
    start_ms, end_ms = _span(found, wrong)
    lower = _lower(found.get("lower"), timeframe, wrong)
    luck = _luck(found.get("luck"), wrong)
    walk = _walk(found.get("walk"), kind, wrong)
    other = _other(found.get("other"), kind, wrong)
    wrong.raise_if_any("the test")
    read = Description(
        kind=kind,
        document=document,
        symbols=symbols,
        timeframe=timeframe,
        start_ms=start_ms,
        end_ms=end_ms,
        assumptions=assumed or Assumptions(),
        other=other,
        source=source,
        exchange=_exchange(found.get("exchange")),
        lower=lower,
        checks=found.get("checks") is True,
        simulated=found.get("simulated") is True,
        luck=luck,
        search=read_search(found.get("search") or {}, strategy, source) if kind in _CHOOSING else None,
        walk=walk,
        indicators=dict(indicators or {}),
    )
    read.strategy()  # another timeframe may not go with what it looks at
    if other is not None:
        read.rival()
    return read


def _kind(found: object) -> Kind:
    try:
        return Kind(str(found))
    except ValueError:
        refuse("the test", {"kind": f"must be one of {', '.join(each.value for each in Kind)}"})


def _span(found: Mapping[str, Any], wrong: Complaints) -> tuple[int | None, int | None]:
    start_ms, end_ms = _moment(found.get("from"), "from", wrong), _moment(found.get("to"), "to", wrong)
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        wrong.add("to", "must not lie before from")
    return start_ms, end_ms


def _document(found: object, place: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        refuse("the test", {place: "must be a strategy's document"})
    return found


def _other(found: object, kind: Kind, wrong: Complaints) -> Mapping[str, Any] | None:
    if found is not None:
        return _document(found, "other")
    if kind is Kind.COMPARE:
        wrong.add("other", "is needed: the second version")
    return None


def _symbols(found: object, kind: Kind, wrong: Complaints) -> tuple[str, ...]:
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list | tuple) or not listed:
        wrong.add("symbol", "is needed: the strategy names none")
        return ()
    if len(listed) > (1 if kind in _OF_ONE_SYMBOL else MOST_SYMBOLS):
        most = f"at most {MOST_SYMBOLS} symbols" if kind not in _OF_ONE_SYMBOL else "one symbol"
        wrong.add("symbols", f"must be {most}; name which")
    read: list[str] = []
    for index, each in enumerate(listed):
        symbol = str(each).upper().replace("/", "")
        try:
            SeriesName("any", symbol, "1h")
        except Trouble as problem:
            wrong.add(f"symbols[{index}]", problem.message)
        if symbol in read:
            wrong.add(f"symbols[{index}]", "is named twice", each)
        read.append(symbol)
    return tuple(read)


def _timeframe(found: object, place: str, wrong: Complaints) -> str:
    try:
        return timeframe_name(timeframe_ms(str(found)))
    except Trouble as problem:
        wrong.add(place, problem.message)
        return "1h"


def _lower(found: object, timeframe: str, wrong: Complaints) -> str | None:
    if found is None:
        return None
    name = _timeframe(found, "lower", wrong)
    if timeframe_ms(name) >= timeframe_ms(timeframe) or timeframe_ms(timeframe) % timeframe_ms(name):
        wrong.add("lower", f"must divide the test's timeframe {timeframe}", found)
    return name


def _exchange(found: object) -> str | None:
    return None if found is None else SeriesName(str(found).lower(), "X", "1h").exchange


def _moment(found: object, place: str, wrong: Complaints) -> int | None:
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 10**14:
        wrong.add(place, "must be a time in milliseconds since 1970", found)
        return None
    return found


def _luck(found: object, wrong: Complaints) -> Simulation:
    return _made(Simulation, found, "luck", wrong) or Simulation()


def _walk(found: object, kind: Kind, wrong: Complaints) -> Walk | None:
    if kind is not Kind.WALK_FORWARD:
        return None
    if found is None:
        wrong.add("walk", "is needed: train_bars and test_bars")
        return None
    return _made(Walk, found, "walk", wrong)


def _made(kind: type[T], found: object, place: str, wrong: Complaints) -> T | None:
    """A dataclass of numbers, and perhaps a `method`, out of an object; None with a complaint."""
    if found is None:
        return None
    if not isinstance(found, Mapping):
        wrong.add(place, "must be an object", found)
        return None
    values = dict(found)
    known = {each.name for each in fields(kind)}
    only(found, sorted(known), place, wrong)
    if "method" in known & values.keys() and one_of(values["method"], f"{place}.method", tuple(Method), wrong):
        values["method"] = Method(values["method"])
    try:
        return kind(**{name: value for name, value in values.items() if name in known})
    except (TypeError, ValueError) as problem:
        name, _, said = str(problem).partition(": ")
        wrong.add(f"{place}.{name}" if said else place, said or str(problem))
        return None
