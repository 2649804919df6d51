"""Conditions as people type them into a chat, made into the condition language: `rsi<30 and price>ema200@4h`.

A side is a number or a series: its type, perhaps a period (`sma20`, `rsi(14)`), an output (`macd.signal`) and a higher timeframe
(`ema200@4h`). Conditions are joined by `and`, or all of them by `or`. Only the form is judged here; which series there are and
what they take, the language's own reader knows.
"""

from __future__ import annotations

import re
from typing import Any, Final

from modules.domain.errors import InvalidInput

LONGEST: Final = 500
MOST_CONDITIONS: Final = 10
_EXAMPLE: Final = "rsi<30 and price>ema200, or sma20 crosses_above sma50"
_JOINTS: Final = re.compile(r"\s+(and|or)\s+|\s*(&&|\|\||,|;|&)\s*", re.IGNORECASE)
_COMPARED: Final = re.compile(
    r"(?P<left>.+?)\s*(?P<operator><=|>=|==|=|<|>|crosses[\s_]*(?:above|below|over|under))\s*(?P<right>.+)",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
_SERIES: Final = re.compile(
    r"(?P<type>[a-z]+(?:_[a-z]+)*)[_\s]*\(?\s*(?P<period>\d+)?\s*\)?(?:\.(?P<output>[a-z_0-9]+))?(?:@(?P<timeframe>\d+[mhdw]))?"
)
_WORDS: Final = frozenset(
    {"bullish", "bearish", "none", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)
_CROSSES: Final = {
    "above": "crosses_above",
    "over": "crosses_above",
    "below": "crosses_below",
    "under": "crosses_below",
}
_SHORT: Final = {
    "bb": "bollinger",
    "bands": "bollinger",
    "stoch": "stochastic",
    "stochrsi": "stochastic_rsi",
    "vol": "volume",
    "ma": "sma",
    "divergence": "rsi_divergence",
}
_PRICES: Final = frozenset({"open", "high", "low", "close"})


def read_conditions(text: str) -> dict[str, Any]:
    """The rule a text says, as the strategy document has it. Raises InvalidInput that shows how it is written."""
    plain = text.strip().lower().replace("≤", "<=").replace("≥", ">=")
    if not plain or len(plain) > LONGEST:
        raise InvalidInput(f"Write conditions like {_EXAMPLE}.")
    pieces = _JOINTS.split(plain)
    parts = [each.strip() for each in pieces[0::3]]
    joints = {_joint(word or sign) for word, sign in zip(pieces[1::3], pieces[2::3], strict=True)}
    if len(joints) > 1:
        raise InvalidInput(
            "Join conditions by `and`, or all of them by `or`; for more, write a strategy (/newstrategy)."
        )
    if len(parts) > MOST_CONDITIONS:
        raise InvalidInput(f"At most {MOST_CONDITIONS} conditions at a time.")
    return {joints.pop() if joints else "all": [_condition(each) for each in parts]}


def _joint(word: str) -> str:
    return "any" if word in ("or", "||") else "all"


def _condition(text: str) -> dict[str, Any]:
    found = _COMPARED.fullmatch(text)
    if found is None:
        raise InvalidInput(f"I can't read {text!r} as a condition. Write it like {_EXAMPLE}.")
    said = found["operator"].replace(" ", "").replace("_", "")
    operator = _CROSSES[said.removeprefix("crosses")] if said.startswith("crosses") else said.replace("==", "=")
    condition = {**_series(found["left"]), "operator": "==" if operator == "=" else operator}
    right = found["right"].strip()
    if _NUMBER.fullmatch(right):
        number = float(right)
        return {**condition, "value": int(number) if number.is_integer() else number}
    if right in _WORDS:
        return {**condition, "value": right}
    return {**condition, "other": _series(right)}


def _series(text: str) -> dict[str, Any]:
    found = _SERIES.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(
            f"I can't read {text.strip()!r} as a series. Write it like rsi, sma20, macd.signal or ema200@4h."
        )
    name = _SHORT.get(found["type"], found["type"])
    series: dict[str, Any] = {"type": "price", "field": name} if name in _PRICES else {"type": name}
    if found["period"] is not None:
        series["period"] = int(found["period"])
    if found["output"] is not None:
        series["output"] = found["output"]
    if found["timeframe"] is not None:
        series["timeframe"] = found["timeframe"]
    return series
