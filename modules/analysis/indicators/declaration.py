"""How an indicator is declared: its columns, settings, outputs and look-back, read off the function itself.

`@indicator(...)` turns a plain function of columns into an `Indicator`: the same call, with its columns and settings
checked first, and a `spec` by which strategies, the API and the documents list it. The function's leading parameters
named like candle columns are its inputs, the others its settings with their defaults; a function that returns a
`NamedTuple` has one output per field, any other has one output of its own name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints

from modules.analysis.indicators.inputs import COLUMNS, checked_columns

P = ParamSpec("P")
R = TypeVar("R")
Setting = float | str
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`, both allowed."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting: a whole number, or any number, from `low` to `high`."""

    name: str
    default: float
    whole: bool
    low: float
    high: float

    def checked(self, what: str, value: object) -> float:
        """The value in its own type. Raises ValueError naming the indicator and the setting."""
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
        if number is None or (self.whole and not number.is_integer()):
            kind = "a whole number" if self.whole else "a number"
            raise ValueError(f"{what}: {self.name} must be {kind}, got {value!r}")
        if not self.low <= number <= self.high:
            raise ValueError(f"{what}: {self.name} must be between {self.low:g} and {self.high:g}, got {value}")
        return int(number) if self.whole else number


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """What is known of an indicator before it is run.

    `lookback(settings)` is the number of leading rows that have no value; one bar more is the least history it takes.
    With `sparse` a later row may also be NaN, where there is nothing to tell (no level stands, no volume was traded).
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    lookback: Callable[[Settings], int]
    function: Callable[..., Any]
    sparse: bool = False
    require: Callable[[Settings], str | None] = field(default=lambda _: None)

    def settings(self, **given: object) -> dict[str, Any]:
        """All settings: those given, checked, and defaults for the others.

        Raises ValueError for an unknown name, a wrong type, a value out of range or settings that contradict another.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"{self.name}: no setting named {unknown[0]!r}; it has {', '.join(known) or 'none'}")
        values = {name: one.checked(self.name, given.get(name, one.default)) for name, one in known.items()}
        if complaint := self.require(values):
            raise ValueError(f"{self.name}: {complaint}")
        return values


class Indicator(Generic[P, R]):
    """A function of columns that checks what it is given; called like the plain function."""

    def __init__(self, plain: Callable[P, R], spec: IndicatorSpec) -> None:
        self.plain = plain
        self.spec = spec
        self.__doc__ = plain.__doc__
        self.__name__ = spec.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises ValueError for bad columns or settings, NotEnoughData for a history within the look-back."""
        spec = self.spec
        names = (*spec.inputs, *(parameter.name for parameter in spec.parameters))
        if len(args) > len(names):
            raise ValueError(f"{spec.name}: takes {len(names)} arguments, got {len(args)}")
        given: dict[str, object] = dict(zip(names, args, strict=False))
        if twice := sorted(given.keys() & kwargs.keys()):
            raise ValueError(f"{spec.name}: {twice[0]} is given twice")
        given.update(kwargs)
        if missing := [name for name in spec.inputs if name not in given]:
            raise ValueError(f"{spec.name}: the column {missing[0]} is missing")
        columns = {name: given.pop(name) for name in spec.inputs}
        settings = spec.settings(**given)
        arrays = checked_columns(spec.name, columns, spec.lookback(settings) + 1)
        plain: Callable[..., R] = self.plain
        return plain(*arrays, **settings)


def indicator(
    *,
    lookback: Callable[[Settings], int],
    sparse: bool = False,
    require: Callable[[Settings], str | None] = lambda _: None,
    **ranges: Between,
) -> Callable[[Callable[P, R]], Indicator[P, R]]:
    """Declare the decorated function an indicator; `ranges` gives each setting its limits."""

    def declared(plain: Callable[P, R]) -> Indicator[P, R]:
        """Reads inputs, outputs and settings off the signature."""
        signature = inspect.signature(plain).parameters
        hints = get_type_hints(plain)
        summary = (plain.__doc__ or "").strip().split("\n", 1)[0]
        spec = IndicatorSpec(
            name=plain.__name__,
            summary=summary,
            inputs=tuple(name for name in signature if name in COLUMNS),
            outputs=getattr(hints["return"], "_fields", (plain.__name__,)),
            parameters=tuple(
                Parameter(name, one.default, hints[name] is int, ranges[name].low, ranges[name].high)
                for name, one in signature.items()
                if name not in COLUMNS
            ),
            lookback=lookback,
            function=plain,
            sparse=sparse,
            require=require,
        )
        made = Indicator(plain, spec)
        object.__setattr__(spec, "function", made)
        return made

    return declared


PERIOD = Between(2, 5000)
"""The limits of a window's length in bars."""

FACTOR = Between(0.01, 100)
"""The limits of a band's distance, as a multiple of its unit."""
