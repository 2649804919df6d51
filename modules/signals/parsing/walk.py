"""Where a walk over a message's tokens stands, and what it has found: the state that the reader and its judges share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from modules.signals.parsing import parts as p
from modules.signals.parsing.layout import counted
from modules.signals.parsing.tokens import T, Token, is_price

LABELS = frozenset({p.ENTRY, p.TARGET, p.STOP, p.EXIT})
SIDES = {p.LONG: p.LONG, p.SHORT: p.SHORT, p.LONG_LIMIT: p.LONG, p.SHORT_LIMIT: p.SHORT}
QUIET = frozenset({p.FILLER, p.TERM, p.MARKET, p.LIMIT, p.TYPE, p.SIGNAL, p.SYMBOL})
AT = "at"
_BEFORE_ALL = -9


@dataclass(slots=True)
class Figure:
    """A number that may be a price, with the part it plays and how it was written.

    `first` says that it was the first number after its label or in its line; `place` is the list counter that stood before it;
    `joint` is what stood between the number before it (on the same line, same label) and it.
    """

    value: Decimal
    part: str
    token: Token
    line: int
    first: bool
    place: int | None
    joint: str
    label_line: int
    starts: bool = False
    ticked: bool = False
    picture: str = ""
    said: str = ""
    asked: bool = False

    @property
    def counted(self) -> bool:
        """Whether a list counter stood before it."""
        return self.place is not None


@dataclass(slots=True)
class Reading:
    """What the walk found."""

    figures: list[Figure] = field(default_factory=list)
    multiples: list[Token] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    sides: list[tuple[str, Token, bool]] = field(default_factory=list)
    market: list[Token] = field(default_factory=list)
    limits: list[Token] = field(default_factory=list)
    unknown_words: int = 0
    percents: int = 0
    distances: int = 0
    lines: int = 1
    questions: int = 0
    gains: int = 0
    conditional: bool = False
    recalled: bool = False
    personal: bool = False
    headed_result: bool = False
    ticks: int = 0
    refused: set[str] = field(default_factory=set)
    tallies: int = 0
    pictured: int = 0
    unreadable: bool = False
    options: int = 0
    supposed: int = 0


class Walk:
    """The state of one walk over one message: the part that the label before gives, its line, what stood between two prices."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.counters = counted(tokens)
        self.found = Reading()
        self.part: str | None = None
        self.block: str | None = None
        self.line = 0
        self.label_line = 0
        self.label_at = _BEFORE_ALL
        self.got = 0
        self.words = 0
        self.line_open = True
        self.counter: int | None = None
        self.last: Figure | None = None
        self.joint = ""
        self.next_index: dict[str, int] = {}

    def behind(self, at: int) -> Token | None:
        """The token behind the one at `at`."""
        return self.tokens[at + 1] if at + 1 < len(self.tokens) else None

    def next_number(self, at: int, *, signs_only: bool = False) -> Token | None:
        """The next price from `at` on in its line that no label or unknown word separates from it."""
        tokens = self.tokens
        for i in range(at, min(at + 8, len(tokens))):
            token = tokens[i]
            if token.type is T.NUMBER:
                return token if is_price(token) else None
            if token.type is T.LINE or (token.type is T.WORD and (signs_only or token.label not in QUIET)):
                return None
        return None
