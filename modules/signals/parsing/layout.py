"""How the lists of a message are laid out: counters in front of prices ("1- 1.365"), labels behind them ("2917 sl").

Both are told by several lines together, where one line alone could be read in two ways.
"""

from __future__ import annotations

from modules.signals.parsing import parts as p
from modules.signals.parsing.tokens import T, Token, is_price

_COUNTING = frozenset("-.):=>→➝➜➡|/")
_PARTING = frozenset(",;|/")
_FEWEST_COUNTED = 2
_DIGITS_COUNTED = 2
_BEHIND = frozenset({p.STOP, p.TARGET})
_LABELLED = "label"


def counted(tokens: list[Token]) -> frozenset[int]:
    """Where the counters of a list start: "1", "2", "3" that open lines, or follow each other, each before the same sign and
    a price, or before a label ("1 target: 0.82"). One alone may be a price: "1- 1.365" is a span unless "2- 1.410" follows."""
    places: set[int] = set()
    run: list[Token] = []
    shape = ""
    for at, token in enumerate(tokens):
        if token.type is not T.NUMBER or len(token.text) > _DIGITS_COUNTED:
            continue
        sign = _counting(tokens, at)
        if sign is None:
            continue
        if run and token.text == str(len(run) + 1) and sign == shape:
            run.append(token)
        elif token.text == "1":
            run, shape = [token], sign
        if len(run) >= _FEWEST_COUNTED:
            places.update(each.start for each in run)
    return frozenset(places)


def _counting(tokens: list[Token], at: int) -> str | None:
    """The sign between a number that may count and its price, "" where there is none, a word for a label; None where neither
    follows it."""
    opens = at == 0 or tokens[at - 1].type is T.LINE
    follows = tokens[at + 1 : at + 3]
    if opens and follows and follows[0].label in _BEHIND:
        return _LABELLED
    if len(follows) > 1 and follows[0].type is T.SIGN and follows[0].text in _COUNTING and is_price(follows[1]):
        spaced = not follows[1].glued
        return follows[0].text if opens or (spaced and follows[0].glued) else None
    return "" if opens and follows and is_price(follows[0]) else None


def labels_first(tokens: list[Token]) -> list[Token]:
    """The tokens with each label before its price, where a message writes them behind: "2917 sl", "2940 tp 1".

    Only where every stop and target is written so, alone between the ends of a line or a list's signs, and no bare price
    follows the last of them. Bare lines right above a target's price are targets too, save the first below the side.
    """
    labelled = [at for at, token in enumerate(tokens) if token.label in _BEHIND]
    if not labelled or not all(_stands_behind(tokens, at) for at in labelled):
        return tokens
    if any(is_price(token) for token in tokens[_end_of_label(tokens, labelled[-1]) :]):
        return tokens
    result = list(tokens)
    for at in labelled:
        first = _first_of_group(tokens, at) if tokens[at].label == p.TARGET else at - 1
        end = _end_of_label(tokens, at)
        result[first:end] = [*tokens[at:end], *tokens[first:at]]
    return result


def _end_of_label(tokens: list[Token], at: int) -> int:
    """The index behind the label at `at` and the counter that may follow it ("tp 1", "TP2")."""
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    counts = after is not None and (after.type is T.MARK or (is_price(after) and len(after.text) <= _DIGITS_COUNTED))
    return at + 2 if counts else at + 1


def _stands_behind(tokens: list[Token], at: int) -> bool:
    """Whether the label closes a line, or a part of it, that holds but a price and it."""
    end = _end_of_label(tokens, at)
    price = at >= 1 and is_price(tokens[at - 1])
    return price and (at == 1 or _parts(tokens[at - 2])) and (end == len(tokens) or _parts(tokens[end]))


def _parts(token: Token) -> bool:
    return token.type is T.LINE or (token.type is T.SIGN and token.text in _PARTING)


def _first_of_group(tokens: list[Token], at: int) -> int:
    """Where the bare lines end that stand above the labelled price: each holds one price, and the entry is none of them."""
    first = at - 1
    while first >= 2 and tokens[first - 1].type is T.LINE and is_price(tokens[first - 2]):
        opens = first == 2 or tokens[first - 3].type is T.LINE
        if not opens:
            break
        above = tokens[first - 4] if first >= 4 else None
        if above is None or (above.type is T.WORD and above.label not in _BEHIND):
            break
        first -= 2
    return first
