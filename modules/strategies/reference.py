"""The language as data: what an editor offers and the documentation lists."""

from __future__ import annotations

from typing import Any

from modules.domain.market import TIMEFRAMES_MS
from modules.strategies import conditions, documents
from modules.strategies.catalogue import KINDS, Kind, Number
from modules.strategies.decisions import SizeMode
from modules.strategies.formulas import APPLIED, ROLLING, SIGNS
from modules.strategies.language import Operator


def language() -> dict[str, Any]:
    """Series with their settings and outputs, operators, timeframes, sizes, functions of formulas, and limits."""
    return {
        "series": [_described(kind) for kind in KINDS.values()],
        "operators": [operator.value for operator in Operator],
        "timeframes": list(TIMEFRAMES_MS),
        "position_size_modes": [mode.value for mode in SizeMode],
        "formula": {"operators": list(SIGNS), "functions": [*APPLIED, *ROLLING]},
        "limits": {
            "conditions": conditions.MOST_CONDITIONS,
            "depth": conditions.DEEPEST,
            "symbols": documents.MOST_SYMBOLS,
            "indicators": documents.MOST_INDICATORS,
            "characters": documents.LONGEST_DOCUMENT,
        },
    }


def _described(kind: Kind) -> dict[str, Any]:
    settings: list[dict[str, Any]] = []
    for each in kind.settings:
        if isinstance(each, Number):
            range_ = {"whole": each.whole, "low": each.low, "high": each.high}
            settings.append({"name": each.name, "default": each.default, **range_})
        else:
            settings.append({"name": each.name, "default": each.default, "options": list(each.options)})
    return {
        "type": kind.name,
        "family": kind.family.value,
        "summary": kind.summary,
        "settings": settings,
        "outputs": list(kind.outputs),
        "default_output": kind.default_output if kind.outputs else None,
        "words": dict(kind.words),
    }
