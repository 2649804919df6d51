"""Letters and prepositions that label a price only in some places: "T1 0.52", "in 1.08", "S: 64000", "looking for 2400"."""

from __future__ import annotations

from collections.abc import Callable

from modules.signals.parsing import parts as p
from modules.signals.parsing.tokens import T, Token, is_price
from modules.signals.parsing.walk import LABELS, SIDES, Walk

MAYBE = {p.MAYBE_ENTRY: p.ENTRY, p.MAYBE_TARGET: p.TARGET, p.MAYBE_STOP: p.STOP}
_POINTING = ":=-→➝➜➡>"
_BARS = "|;¦"
_SEEKING = frozenset({"looking for", "aiming for", "aiming", "eyeing", "expecting", "ожидаю", "жду"})
_WAYS_OUT = frozenset({"out", "off", "dead", "cut"})
_TAKING = frozenset({"take", "takes"})


def label_of(walk: Walk, at: int, token: Token) -> str:
    """The part the word labels: only where a price follows at once and no other label waits for its price; else a filler."""
    following = walk.next_number(at + 1, signs_only=True)
    label = token.label or ""
    waits = walk.part in LABELS and not walk.got and walk.part != MAYBE[label]
    if following is None or waits:
        return p.FILLER
    meant: dict[str, Callable[[Walk, int, Token], bool]] = {
        p.MAYBE_ENTRY: _opens_entry,
        p.MAYBE_TARGET: _opens_target,
        p.MAYBE_STOP: _opens_stop,
    }
    return MAYBE[label] if meant[label](walk, at, token) else p.FILLER


def _marked(walk: Walk, at: int, signs: str = _POINTING) -> bool:
    direct = walk.tokens[at + 1]
    return direct.type is T.SIGN and direct.text in signs


def _heads(walk: Walk, at: int, token: Token) -> bool:
    """Whether a capital letter opens its line, a side was named above, and a price follows at once."""
    return walk.line_open and token.text.isupper() and bool(walk.found.sides) and is_price(walk.tokens[at + 1])


def _opens_cell(walk: Walk, at: int, token: Token) -> bool:
    """Whether a capital stands behind the bar of a row before a price, where a side was named: "E 64,180 | S 62,900 | T 64,950"."""
    barred = bool(at) and walk.tokens[at - 1].text in _BARS
    return barred and token.text.isupper() and bool(walk.found.sides) and is_price(walk.tokens[at + 1])


def _opens_stop(walk: Walk, at: int, token: Token) -> bool:
    """The letter alone is the stop's before a sign, or as a capital that opens a line of a call."""
    opens = _heads(walk, at, token) or _opens_cell(walk, at, token)
    return opens or _marked(walk, at, _signs_of(token)) or _leaves_near(walk, at, token)


def _leaves_near(walk: Walk, at: int, token: Token) -> bool:
    """Whether a word of leaving stands right before a price of the size of those named before: "buy 145, sell 151, cut 141"."""
    price, last = walk.tokens[at + 1].value, walk.last
    if token.low not in _WAYS_OUT or not is_price(walk.tokens[at + 1]) or price is None or last is None:
        return False
    return _has_entered(walk) and last.value / 2 < price < last.value * 2


def _signs_of(token: Token) -> str:
    """The signs that make a label of the word: "out @ 6.61" leaves there, "last @ 6.61" tells what was paid last."""
    return _POINTING + "@" if token.low in _WAYS_OUT else _POINTING


def _opens_entry(walk: Walk, at: int, token: Token) -> bool:
    """A word such as "in" is the entry's before a sign, or in capitals or at the start of a line that is free."""
    free = walk.part in (None, p.ENTRY) or walk.part in SIDES
    return _marked(walk, at, ":@=") or (free and (token.text.isupper() or walk.line_open))


def _opens_target(walk: Walk, at: int, token: Token) -> bool:
    """A letter with its counter ("T1"), a word of taking that opens a line, or a part with its counter ("Partial 2:")."""
    direct = walk.tokens[at + 1]
    if _is_place(direct) and walk.next_number(at + 2, signs_only=True) is not None:
        return walk.line_open or (token.low == "t" and (direct.glued or direct.type is T.MARK))
    if token.low == "t":
        return _heads(walk, at, token) or _opens_cell(walk, at, token) or (walk.line_open and _marked(walk, at))
    if token.low in _SEEKING:
        return _has_entered(walk) and is_price(direct)
    return _marked(walk, at, _signs_of(token) if walk.line_open else _POINTING) or (
        token.low in _TAKING and walk.line_open
    )


def _is_place(token: Token) -> bool:
    """Whether the token may be a place in a list: a list's marker or one digit."""
    return token.type is T.MARK or (token.type is T.NUMBER and len(token.text) == 1)


def _has_entered(walk: Walk) -> bool:
    """Whether the prices before name where to enter."""
    return walk.found.labels[p.ENTRY] > 0 or any(f.part in SIDES for f in walk.found.figures)
