"""Which fraction of a position a partial close names: "25%", "half", "1/3", "половину", "una cuarta parte"."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from modules.signals.parsing.normalise import fold
from modules.signals.parsing.tokens import N, T, Token

_WORDS = {
    Decimal(
        "0.5"
    ): "half halves половина половину половины половинку пол полпозиции mitad metade hälfte moitié metà yarı yarısı yarısını"
    " yarısını yarım نصف نیمی setengah separuh 一半 减半 आधा आधी",
    Decimal("0.25"): "quarter четверть четвертую cuarto çeyrek viertel quart ربع seperempat",
    Decimal(1)
    / 3: "third thirds треть третину третю terço terzo terzi tercio tercios terços trzecią drittel tercera sepertiganya derde tredjedel tiers ثلث sepertiga",
}
SHARES = {fold(word): share for share, words in _WORDS.items() for word in words.split()}
_BEHIND = 7
_BEFORE = 4
_WHOLE = 100
_LARGEST_DENOMINATOR = 10
_PROFIT_SIGNS = "+"
_ORDINAL_TOO = frozenset(
    map(fold, ("third", "quarter", "terzo", "quarto", "cuarto", "третю", "trzecią", "tercera", "derde"))
)
_ONE = frozenset(map(fold, ("a", "one", "1", "un", "uno", "una", "um", "bir", "одну", "jedną", "een")))
_SEVERAL = {
    **dict.fromkeys(map(fold, ("two", "2", "dos", "due", "deux", "zwei", "dois", "две", "dwie", "iki", "dua")), 2),
    **dict.fromkeys(map(fold, ("three", "3", "tres", "tre", "trois", "drei", "três", "три", "trzy", "tiga")), 3),
}


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction of the position, between 0 and 1, where in the normalised text it is named, and whether with figures."""

    value: Decimal
    start: int
    end: int
    counted: bool = False


def share_near(tokens: list[Token], at: int) -> Share | None:
    """The fraction named by the words at `at`, else behind them, else before them on the same line; None where unsaid."""
    own = _spelled(tokens[at])
    if own is not None:
        return own
    for i in _line(tokens, at + 1, at + 1 + _BEHIND, 1):
        if (found := _at(tokens, i)) is not None:
            return found
    for i in _line(tokens, at - 1, at - 1 - _BEFORE, -1):
        if (found := _at(tokens, i)) is not None:
            return found
    return None


def _line(tokens: list[Token], start: int, stop: int, step: int) -> list[int]:
    """Indices from `start` towards `stop`, not beyond the line."""
    line: list[int] = []
    for i in range(start, stop, step):
        if not 0 <= i < len(tokens) or tokens[i].type is T.LINE:
            break
        line.append(i)
    return line


def _at(tokens: list[Token], i: int) -> Share | None:
    token = tokens[i]
    if token.type is T.WORD:
        if token.low in _ORDINAL_TOO and not (i and tokens[i - 1].low in _ONE):
            return None
        return _several(_spelled(token), tokens[i - 1] if i else token)
    return _percent(tokens, i) or _fraction(tokens, i)


def _spelled(token: Token) -> Share | None:
    """A word for a share, inside a phrase too ("close half"); "close 50" names its percentage without the sign."""
    for word in token.low.split():
        share = SHARES.get(word)
        if share is None and word.isdigit() and 0 < int(word) < _WHOLE and " " in token.low:
            share = Decimal(word) / _WHOLE
        if share is not None:
            return Share(share, token.start, token.end)
    return None


def _several(share: Share | None, before: Token) -> Share | None:
    """Two thirds, three quarters: the fraction as often as the number before it says, where that is less than the whole."""
    times = _SEVERAL.get(before.low, 1)
    if share is None or times == 1 or share.value * times >= 1:
        return share
    return Share(share.value * times, before.start, share.end)


def _percent(tokens: list[Token], i: int) -> Share | None:
    """A percentage of the position; one with a plus before it is a gain."""
    token = tokens[i]
    if token.measure is not N.PERCENT or token.value is None or not 0 < token.value < _WHOLE:
        return None
    if i and tokens[i - 1].type is T.SIGN and tokens[i - 1].text in _PROFIT_SIGNS:
        return None
    sign = tokens[i + 1] if i + 1 < len(tokens) else token
    return Share(token.value / _WHOLE, token.start, sign.end if sign.text in "%٪" else token.end, counted=True)


def _fraction(tokens: list[Token], i: int) -> Share | None:
    """1/3 written with figures."""
    if i + 2 >= len(tokens):
        return None
    above, slash, below = tokens[i : i + 3]
    if above.type is not T.NUMBER or below.type is not T.NUMBER or slash.text != "/" or not below.glued:
        return None
    if above.value is None or below.value is None or not 0 < above.value < below.value <= _LARGEST_DENOMINATOR:
        return None
    return Share(above.value / below.value, above.start, below.end, counted=True)
