"""Channel profiles: what one channel means that the general grammar cannot know. All of it is optional."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """A channel's conventions. `words` adds phrases as (part, "phrase|phrase") pairs; see the parsing guide for the parts."""

    name: str
    default_quote: str = "USDT"
    default_symbol: str | None = None
    words: tuple[tuple[str, str], ...] = ()


DEFAULT = Dialect("default")
