"""The detectors' weights of this deployment: validated, normalised to a sum of one, kept as one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from database import Store
from modules.domain.errors import InvalidInput

_KEY = "deployment"


@dataclass(frozen=True, slots=True)
class Weights:
    """Normalised weights, whether they are the documented ones, and when they were set (ms UTC)."""

    values: Mapping[str, float]
    documented: bool
    changed_at: int | None = None


def normalised(given: Mapping[str, float]) -> dict[str, float]:
    """All nine detectors with weights that add up to 1; one that is not given has none.

    Raises InvalidInput naming every weight that is unknown, negative or no finite number, and when all are nought.
    """
    from modules.analysis.scoring import DEFAULT_WEIGHTS, normalised_weights

    names = tuple(DEFAULT_WEIGHTS)
    wrong = {name: f"there is no such detector; there are {', '.join(names)}" for name in given if name not in names}
    for name, value in given.items():
        if not (isinstance(value, int | float) and isfinite(value) and value >= 0) or isinstance(value, bool):
            wrong[name] = "must be a number of at least 0"
    if wrong:
        raise InvalidInput("Some weights are wrong: " + ", ".join(sorted(wrong)), fields=wrong)
    if not any(given.values()):
        raise InvalidInput("At least one weight must be above 0.", fields={"weights": "all are 0"})
    return normalised_weights(given)


def read_weights(store: Store) -> Weights:
    """The stored weights, else the documented ones."""
    document = store["score_weights"].get(key=_KEY)
    if document is None:
        from modules.analysis.scoring import normalised_weights

        return Weights(normalised_weights(), documented=True)
    return Weights(normalised(document["weights"]), documented=False, changed_at=document["changed_at"])


def store_weights(store: Store, given: Mapping[str, float], now_ms: int) -> Weights:
    """Replaces the deployment's weights. Raises InvalidInput as `normalised` does."""
    values = normalised(given)
    document = {"id": _KEY, "weights": values, "changed_at": now_ms}
    with store.transaction() as tx:
        tx["score_weights"].remove(key=_KEY)
        tx["score_weights"].insert(document)
    return Weights(values, documented=False, changed_at=now_ms)
