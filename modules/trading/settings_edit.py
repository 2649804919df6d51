"""Changing an account's trade settings by name and text, as chat, forms and the API send them.

`EDITABLE` is the one table of what can be changed: meaning, range, example. `edit` reads every field, collects what is
wrong with all of them, and never applies a part. `describe` prints values in the words `edit` reads.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modules.domain.errors import InvalidInput
from modules.domain.plans import Sizing, TradeSettings
from modules.trading.settings_fields import ALIASES, EDITABLE

__all__ = ["ALIASES", "EDITABLE", "describe", "edit"]


def edit(settings: TradeSettings, changes: Mapping[str, str]) -> TradeSettings:
    """The settings with all `changes` made, or none.

    Raises InvalidInput whose `fields` name everything that is wrong, each with an example.
    """
    parts: dict[str, dict[str, Any]] = {"": {}, "exits": {}, "limits": {}}
    wrong: dict[str, str] = {}
    for given_name, text in _expanded(changes):
        field = EDITABLE.get(given_name)
        if field is None:
            wrong[given_name] = _unknown(given_name)
            continue
        try:
            parts[field.part][field.attribute] = field.kind.read(str(text).strip())
        except InvalidInput as problem:
            wrong[field.name] = f"{problem.message}; {field.range}. Example: {field.name}={field.example}"
    if wrong:
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in wrong.items()), fields=wrong)
    exits = replace(settings.exits, **parts["exits"])
    limits = replace(settings.limits, **parts["limits"])
    return _checked(settings, {**parts[""], "exits": exits, "limits": limits})


def _checked(settings: TradeSettings, changes: dict[str, Any]) -> TradeSettings:
    """The changed settings; what they refuse as a whole names a field and its example too."""
    try:
        return replace(settings, **changes)
    except InvalidInput as problem:
        fields = {name: f"{why}. Example: {name}={EDITABLE[name].example}" for name, why in problem.fields.items()}
        raise InvalidInput("; ".join(f"{k}: {v}" for k, v in fields.items()), fields=fields) from problem


def describe(settings: TradeSettings) -> list[tuple[str, str, str]]:
    """Every setting as (name, value in the words `edit` reads, meaning)."""
    found = []
    for field in EDITABLE.values():
        holder = getattr(settings, field.part) if field.part else settings
        found.append((field.name, field.kind.show(getattr(holder, field.attribute)), field.meaning))
    return found


def _expanded(changes: Mapping[str, str]) -> list[tuple[str, str]]:
    """The changes under their proper names; `risk=2` means risk sizing of 2 %."""
    found = []
    for name, text in changes.items():
        plain_name = name.strip().lower().replace("-", "_")
        if plain_name == "risk":
            found.append(("sizing", Sizing.RISK_PERCENT.value))
        found.append((ALIASES.get(plain_name, plain_name), text))
    return found


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*EDITABLE, *ALIASES], n=1)
    return f"there is no such setting; did you mean {near[0]}?" if near else "there is no such setting; see /settings"
