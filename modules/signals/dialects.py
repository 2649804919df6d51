"""Channel profiles: what one channel means that the general grammar cannot know. Every field is optional.

The grammar reads a message of an unknown channel without any profile. A profile only settles what the text leaves open: which
symbol a room without symbols speaks of, which quote a bare coin has, which private words the channel uses, and what it never is.
"""

from __future__ import annotations

from dataclasses import dataclass

from modules.domain.sides import Side


@dataclass(frozen=True, slots=True)
class Dialect:
    """One channel's conventions.

    `words` adds phrases as (part, "phrase|phrase") pairs; the parts are listed in `parsing.parts`. `default_symbol` is meant
    where a message names none, `default_side` where neither words nor prices tell. `drop_after` are phrases from which on the
    rest of a message is not read (footers). `never_entries` marks channels whose calls cannot be traded, such as binary
    options or pure news. `market_entries` takes written entry prices as a hint only: the channel means "at market".
    """

    name: str
    default_quote: str = "USDT"
    default_symbol: str | None = None
    default_side: Side | None = None
    words: tuple[tuple[str, str], ...] = ()
    drop_after: tuple[str, ...] = ()
    never_entries: bool = False
    market_entries: bool = False


DEFAULT = Dialect("default")

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        DEFAULT,
        Dialect("gold-room", default_symbol="XAUUSD"),
        Dialect("dollar-quoted", default_quote="USD"),
        Dialect("bitcoin-quoted", default_quote="BTC"),
        Dialect("spot-long", default_side=Side.LONG),
        Dialect("news-only", never_entries=True),
        Dialect("binary-options", never_entries=True),
    )
}


def dialect(name: str) -> Dialect:
    """The profile of that name, the default one where there is none."""
    return DIALECTS.get(name, DEFAULT)
