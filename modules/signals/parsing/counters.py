"""Judge whether a small whole number counts the price behind it (TP1, "2)", "3. Stop"), or is a price or a tally itself."""

from __future__ import annotations

from decimal import Decimal

from modules.signals.parsing import parts as p
from modules.signals.parsing.normalise import fold
from modules.signals.parsing.tokens import N, T, Token, is_price
from modules.signals.parsing.walk import LABELS, SIDES, Walk

_MOST_COUNTED = 30
_LARGEST_MULTIPLE = 200
_CLOSE_BY = 4
"""Two numbers at most so many times apart are of one size."""

_MOST_ORDERS = 12
_LISTED_ORDERS = (
    "limits|limit orders|orders|entries|entry orders|entry levels|entry points|entry zones|buys|sells|bids|asks|layers|steps|parts"
    "|лимитки|лимиток|лимитных ордера|лимитными|ордера|ордеров|входа|входов|части|частей|шага|шагов|ордери|ордерів|частини"
    "|entradas|órdenes|ordens|partes|ordres|entrées|parties|einstiege|teile|entrate|ingressi|ordini|parti|kademe|emir"
    "|parça|giriş|zlecenia|zleceń|wejścia|części|lapis|tahap|lệnh|پله|مراحل|دفعات|批|单"
)
_ORDERS = frozenset(fold(word) for word in _LISTED_ORDERS.split("|"))
_TOLD_OF = frozenset({p.HIT, p.FILLED, p.CLOSE, p.PROFIT, p.NOT})
_SPAN_SIGNS = "-~/"
_SPAN_WORDS = frozenset({"to", "до", "a"})
_NOT_COUNTED_BEFORE = frozenset({*LABELS, p.LEVERAGE, p.MAYBE_STOP, p.MARKET})


def is_counter(walk: Walk, at: int, token: Token, value: Decimal) -> bool:
    """Whether the number at `at` counts what follows it."""
    after = walk.behind(at)
    if after is None or walk.counter is not None or not _could_count(token, value):
        return False
    sign = after.text if after.type is T.SIGN else " "
    if token.start in walk.counters or _numbers_line(walk, at, sign):
        return True
    if _is_reached(walk, at, after):
        return True
    labelled = _is_labelled(walk, at)
    closes = sign == ")" and not _in_brackets(walk, at)
    if not (labelled or walk.line_open or (closes and "(" not in walk.joint)):
        return False
    following = walk.next_number(at + 1)
    if following is None:
        return closes or (labelled and _stands_alone(walk, at, value))
    fused = walk.label_at == at - 1 and token.glued
    return fused or sign in "].:" or closes or _counts(walk, value, following, labelled=labelled)


def _could_count(token: Token, value: Decimal) -> bool:
    """Whether a number is small and whole enough to be a position in a list."""
    return value <= _MOST_COUNTED and len(token.text) <= 2 and token.text.isdigit()


def _in_brackets(walk: Walk, at: int) -> bool:
    """Whether the number ends a bracket that holds more than it: 23 in "(SL 23)"."""
    for token in reversed(walk.tokens[max(at - 8, 0) : at]):
        if token.type is T.LINE or token.text == ")":
            return False
        if token.text == "(":
            return token is not walk.tokens[at - 1]
    return False


def _numbers_line(walk: Walk, at: int, sign: str) -> bool:
    """Whether it is the line's own number: "4. Stop - 7.28"."""
    behind = walk.tokens[at + 2 : at + 3]
    return walk.line_open and sign in ").:" and bool(behind) and behind[0].type is T.WORD


def _is_reached(walk: Walk, at: int, after: Token) -> bool:
    """Whether it is the place of a target that was reached: "2 target ✅", "3 цель взята"."""
    told = walk.tokens[at + 2 : at + 4]
    ends = any(token.text == "✅" or p.HIT in token.parts for token in told)
    return after.label == p.TARGET and ends and not any(map(is_price, told))


def _is_labelled(walk: Walk, at: int) -> bool:
    """Whether a label stands before it, perhaps with a sign between ("TP #1", "Target-2")."""
    before = walk.tokens[at - 1]
    signed = walk.label_at == at - 2 and before.type is T.SIGN and before.text in "#.-_("
    return walk.label_at == at - 1 or signed


def _stands_alone(walk: Walk, at: int, value: Decimal) -> bool:
    """Whether a small number behind a label, with no price behind it, only counts ("TP1 hit", "target 2 done").

    An entry or a stop has its price there ("entry 5 sl 4.8"), and so has a target beside prices of its size; a word that
    tells what became of it makes a number count.
    """
    after = walk.tokens[at + 1]
    if walk.tokens[at].glued or not after.parts.isdisjoint(_TOLD_OF):
        return True
    if after.type is T.SIGN and after.text in "✅+(":
        return True
    if walk.part in (p.ENTRY, p.STOP) or walk.part in SIDES:
        return after.type not in (T.LINE, T.SIGN) and after.label not in _NOT_COUNTED_BEFORE
    if value > 1 and int(value) == walk.next_index.get(walk.part or "", 1):
        return True  # the list goes on, and this place of it is empty
    beside = [f.value for f in walk.found.figures if f.part in (p.ENTRY, p.STOP, *SIDES)]
    return not any(max(value / each, each / value) <= _CLOSE_BY for each in beside)


def _counts(walk: Walk, value: Decimal, following: Token, *, labelled: bool) -> bool:
    """Undecided by signs: it counts if it is the number expected next and the price that follows is of another size."""
    other = following.value or Decimal(0)
    if not other:
        return True
    if labelled and value == 1 and other != other.to_integral_value():
        return True
    expected = walk.next_index.get(walk.part or "", 1)
    return max(value / other, other / value) > _CLOSE_BY or (labelled and int(value) == expected and expected > 1)


def counts_orders(tokens: list[Token], at: int) -> bool:
    """Whether the number says into how many orders the entry is split: "short, 3 limits", "2 entries", "4 лимитки"."""
    several = tokens[at].text.isdigit() and 1 < int(tokens[at].text) <= _MOST_ORDERS
    return several and at + 1 < len(tokens) and tokens[at + 1].low in _ORDERS


def before_multiple(tokens: list[Token], at: int) -> bool:
    """Whether the number opens a span of leverage: 5 in "5-10x" and 3 in "3 to 8x"."""
    for i in range(at + 1, min(at + 4, len(tokens))):
        token = tokens[i]
        if token.type is T.NUMBER:
            spans = token.measure is N.MULTIPLE and i > at + 1
            return spans and tokens[at].text.isdigit() and int(tokens[at].text) <= _LARGEST_MULTIPLE
        if not (token.type is T.SIGN and token.text in _SPAN_SIGNS) and token.low not in _SPAN_WORDS:
            return False
    return False
