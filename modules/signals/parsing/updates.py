"""What a message says about an older signal: a target hit, a stop hit, close, cancel, part closed, stop moved, entry filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise, takewhile

from modules.signals.parsing import parts as p
from modules.signals.parsing.shares import Share, share_near
from modules.signals.parsing.tokens import N, T, Token, is_price

_NEAR = 5
_HIGHEST_LEVEL = 30
_HEADING = frozenset({p.SYMBOL, p.LONG, p.SHORT})
_HIT_OR_CLOSE = frozenset({p.HIT, p.CLOSE})
_MOVE_OR_BREAKEVEN = frozenset({p.MOVE, p.BREAKEVEN})
_HIT = frozenset({p.HIT})
_TARGET = frozenset({p.TARGET})
_FILLED = frozenset({p.FILLED})
_OF_THE_POSITION = frozenset({p.CLOSE, p.PROFIT, p.BREAKEVEN, p.TARGET, p.HIT})
_MOVE = frozenset({p.MOVE})
_BREAKEVEN = frozenset({p.BREAKEVEN})
_CLOSE = frozenset({p.CLOSE})
_STOP_OR_PART = frozenset({p.STOP, p.PART})
_DONE = frozenset(
    {
        "closed",
        "закрыта",
        "закрыт",
        "закрыто",
        "geschlossen",
        "cerrado",
        "cerrada",
        "fechado",
        "fechada",
        "kapandi",
        "ditutup",
        "chiuso",
        "chiusa",
    }
)
_PLACING = frozenset(
    {"set", "put", "place", "ставим", "ставлю", "poner", "colocar", "metti", "mettre", "mettez", "setzt", "setzen"}
)
"""Words that place a stop as well as move it: they move one only to a price or to the entry."""
_TAKING = frozenset({"take", "takes", "taking", "took", "sell", "sold", "realizar"})
_OUT = frozenset({"out", "out at"})
"""Beside a priced stop they name where a trade will end, not that it did."""
_CHANGED = frozenset(
    {"modified", "modify", "changed", "updated", "adjusted", "изменен", "изменена", "изменено", "geandert", "angepasst", "modificado", "modificada", "modifie", "modifiee", "zmieniono", "diubah", "modificato", "змінено"}
)  # fmt: skip
"""What a receipt says of an order that was changed."""
_OPENING_PARTS = frozenset({p.LONG, p.SHORT, p.LONG_LIMIT, p.SHORT_LIMIT, p.ENTRY})
_CUTTING = frozenset({"cut", "out", "exit", "get out", "saida", "salida", "sortie"})
_ENDED = frozenset({"invalid", "invalidated", "void"})
_LETTERS = "ABCDEF"
_ENDINGS = frozenset(".!;")
_SECURING = frozenset(
    {
        "lock",
        "lock profit",
        "lock in",
        "lock profits",
        "secure",
        "secured",
        "secure profit",
        "secure profits",
        "some profit",
        "some profits",
    }
)
_UNLESS = frozenset(
    {"if", "when", "once", "after", "before", "until", "till", "если", "когда", "после", "olursa", "cuando", "quando"}
)


@dataclass(frozen=True, slots=True)
class Update:
    """One reading of an update: what, which level, how strongly it is said, where, and which stop or share it names."""

    what: str | None
    level: int | None
    strength: int
    token: Token
    stop_loss: Decimal | None = None
    share: Share | None = None
    opens: bool = False
    done: bool = False


class UpdateReader:
    """Looks through labelled tokens for what they say of an older signal."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.parts: set[str] = set()
        for token in tokens:
            if token.parts:
                self.parts |= token.parts

    def read(self) -> list[Update]:
        """All readings, the weightiest first."""
        opening = self._first_word()
        return [
            replace(update, opens=True) if update.token is opening else update
            for look in (
                self._fill_reported,
                self._cancelled,
                self._all_targets,
                self._stop_hit,
                self._target_hit,
                self._partial,
                self._moved,
                self._closed,
                self._opening,
                self._filled,
            )
            if (update := look())
        ]

    def _first_word(self) -> Token | None:
        """The first word that is not the name of a symbol."""
        return next((t for t in self.tokens if t.type is T.WORD and t.label != p.SYMBOL), None)

    def _first(self, *parts: str) -> tuple[int, Token] | None:
        if self.parts.isdisjoint(parts):
            return None
        for at, token in enumerate(self.tokens):
            if token.parts and not token.parts.isdisjoint(parts):
                return at, token
        return None

    def _near(self, at: int, parts: frozenset[str], *, back: int = _NEAR, ahead: int = _NEAR) -> Token | None:
        """The nearest token with one of the parts around `at`, not beyond the line or the sentence."""
        tokens = self.tokens
        for step, limit in ((1, ahead), (-1, back)):
            seen = 0
            i = at + step
            while 0 <= i < len(tokens) and seen < limit:
                token = tokens[i]
                if token.type is T.LINE or (token.type is T.SIGN and token.text in ".!?" and self._ends_sentence(i)):
                    break
                if not token.parts.isdisjoint(parts):
                    return token
                seen += token.type is not T.SIGN
                i += step
        return None

    def _ends_sentence(self, at: int) -> bool:
        """A full stop ends a sentence where a plain word follows; "TP3. DONE" goes on."""
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        return after is not None and after.type is T.WORD and not after.glued and p.HIT not in after.parts

    def _negated(self, at: int, *, happened: bool = False) -> bool:
        """Whether the words just before say no, or set a condition; for something that `happened` also "will" and "soon"."""
        tokens = self.tokens
        seen = 0
        clause = False
        for i in range(at - 1, -1, -1):
            token = tokens[i]
            if token.type is T.LINE or (token.type is T.SIGN and token.text in ".;!") or seen >= _NEAR:
                return False
            if p.NOT in token.parts and (not clause or p.CONDITION in token.parts or token.low in _UNLESS):
                return True
            if happened and p.MODAL in token.parts:
                return True
            clause = clause or (token.type is T.SIGN and token.text == ",")
            seen += token.type is T.WORD
        return False

    def _ticked(self, at: int) -> bool:
        """A tick behind the label on its line, with no price between."""
        for token in self.tokens[at + 1 : at + 8]:
            if token.type is T.LINE:
                return False
            if token.type is T.SIGN and token.text == "✅":
                return True
        return False

    def _opening(self) -> Update | None:
        """A reply that opens with nothing but the name of a target or the stop: it was reached."""
        opening = _first_clause(self.tokens)
        at = next((i for i, token in enumerate(opening) if token.label in (p.STOP, p.TARGET)), None)
        if at is None:
            return None
        named = opening[at]
        numbers = [token for token in opening if token.type is T.NUMBER]
        words = [(i, token) for i, token in enumerate(opening) if token.type is T.WORD and token is not named]
        if len(numbers) > 1 or any(_ordinal(number) is None for number in numbers):
            return None
        tagged = all(token.label == p.SYMBOL for _, token in words)
        if not tagged and not all(_passes(token, i, named if i > at else None) for i, token in words):
            return None
        if named.label == p.STOP:
            return None if numbers else Update("stop_hit", None, 2, named)
        level = self._level(at)
        return None if level is None else Update("target_hit", level, 2, named)

    def _cancelled(self) -> Update | None:
        found = self._first(p.CANCEL)
        if found is None or self._negated(found[0]) or self._names_level(found[0]):
            return None
        return Update("cancel", None, 3, found[1])

    def _names_level(self, at: int) -> bool:
        """Whether the word names a price at which the idea would end: "invalid sub 1.70" cancels nothing yet."""
        line = takewhile(lambda token: token.type is not T.LINE, self.tokens[at + 1 : at + 4])
        return self.tokens[at].low in _ENDED and any(map(is_price, line))

    def _all_targets(self) -> Update | None:
        found = self._first(p.ALL_HIT)
        if found is None or self._negated(found[0], happened=True):
            return None
        at, token = found
        if token.low.startswith("both ") and any(
            self._levels_behind(i) for i in range(at) if self.tokens[i].label == p.TARGET
        ):
            return None  # "TP1 and TP2 both hit": these two, whatever comes behind them
        hit = (
            self._near(at, _HIT_OR_CLOSE, ahead=6) is not None
            or self._ticked(at)
            or p.HIT in token.parts
            or token.low.endswith(("done", "hit"))
            or token.low.startswith("full ")
        )
        return Update("all_targets", None, 3, token) if hit else None

    def _stop_hit(self) -> Update | None:
        found = self._first(p.STOPPED)
        if found is not None and not self._negated(found[0]):
            return Update("stop_hit", None, 3, found[1])
        for at, token in enumerate(self.tokens):
            if token.label == p.STOP and self._stop_struck(at):
                return Update("stop_hit", None, 2, token)
        return None

    def _stop_struck(self, at: int) -> bool:
        if self._negated(at, happened=True):
            return False
        if self._near(at, _MOVE_OR_BREAKEVEN, ahead=4, back=3) is not None:
            return False
        hit = self._near(at, _HIT, ahead=3, back=1)
        if hit is not None and self._near(at, _TARGET, ahead=3, back=3) is None:
            return True
        result = p.LOSS in self.parts or (p.PROFIT in self.parts and at <= 2)
        return result and not self._priced(at) and self._near(at, _MOVE_OR_BREAKEVEN) is None

    def _priced(self, at: int) -> bool:
        """Whether a price follows the label on its line."""
        for token in self.tokens[at + 1 : at + 6]:
            if token.type is T.LINE or token.label in (p.TARGET, p.LOSS, p.PROFIT):
                return False
            if token.type is T.NUMBER:
                return token.measure is N.PRICE
        return False

    def _target_hit(self) -> Update | None:
        best: Update | None = None
        for at, token in enumerate(self.tokens):
            if token.label != p.TARGET and token.low != "t":
                continue
            if not self._names_target(at) or self._negated(at, happened=True):
                continue
            hit = self._hit_of(at)
            if hit is None and not self._ticked(at) and not self._gained(at):
                continue
            level = self._level(at)
            if best is None or (level or 0) > (best.level or 0):
                best = Update("target_hit", level, 3 if hit is not None else 2, token)
        return best

    def _names_target(self, at: int) -> bool:
        """A target's word, or a T with its number ("T1")."""
        token = self.tokens[at]
        if token.label == p.TARGET:
            return True
        after = self.tokens[at + 1] if token.low == "t" and at + 1 < len(self.tokens) else None
        return after is not None and after.glued and _ordinal(after) is not None

    def _hit_of(self, at: int) -> Token | None:
        """The word that says that the target at `at` was reached, unless a "not" stands between the two."""
        hit = self._near(at, _HIT, ahead=5, back=3) or self._near(at, _FILLED, ahead=2, back=0)
        if hit is None:
            return None
        if hit.start < self.tokens[at].start:
            return None if self._is_told_of_another(hit, at) else hit
        for token in self.tokens[at + 1 : at + 8]:
            if token is hit:
                return hit
            if p.NOT in token.parts:
                return None
        return hit

    def _is_told_of_another(self, hit: Token, at: int) -> bool:
        """Whether the word before the target at `at` tells of one before it: "TP1 done, TP2 in sight"."""
        told = next(i for i in range(at - 1, -1, -1) if self.tokens[i] is hit)
        before = reversed(self.tokens[max(told - 3, 0) : told])
        return any(token.label == p.TARGET for token in takewhile(lambda token: token.type is not T.LINE, before))

    def _gained(self, at: int) -> bool:
        """A target named without its price, with a tick before it or the distance gained behind it ("✅ TP1 +20 pips")."""
        if self._plans_stop():
            return False
        behind = _line_after(self.tokens, at)[:6]
        numbers = [token for token in behind if token.type is T.NUMBER]
        if any(token.measure is N.PRICE and _ordinal(token) is None for token in numbers):
            return False
        measures = {token.measure for token in numbers}
        signs = {token.text for token in behind if token.type is T.SIGN}
        far = N.DISTANCE in measures
        if self._level(at) is None:
            return far and not signs.isdisjoint("+✅")
        alone = all(token.measure is not N.PRICE for token in numbers[1:])
        return far or (N.PERCENT in measures and "+" in signs) or (alone and self._bullet(at) == "✅")

    def _plans_stop(self) -> bool:
        """Whether a stop is told as a distance: "TP1: +2%, SL: -1.5%" plans both, and neither was reached."""
        stops = [at for at, token in enumerate(self.tokens) if token.label == p.STOP]
        if not stops or p.HIT in self.parts:
            return False
        first = [next((t for t in _line_after(self.tokens, at)[:5] if t.type is T.NUMBER), None) for at in stops]
        return any(token is not None and token.measure in (N.PERCENT, N.DISTANCE) for token in first)

    def _bullet(self, at: int) -> str:
        """The sign that opens the line, where it stands at most a few tokens before `at`."""
        for i in range(at, max(at - _NEAR, 0) - 1, -1):
            if not i or self.tokens[i - 1].type is T.LINE:
                return self.tokens[i].text if self.tokens[i].type is T.SIGN else ""
        return ""

    def _level(self, at: int) -> int | None:
        """The number of the target that the label at `at` names: TP3, target 2, second target, targets 1, 2 and 3."""
        own = self.tokens[at].low.rpartition(" ")[2]
        if self.tokens[at].label == p.TARGET and own.isdigit():
            return int(own)
        behind = self._levels_behind(at)
        if behind:
            return max(behind)
        if (letter := self._lettered(at)) is not None:
            return letter
        if (share := self._counted_before(at)) is not None:
            return share
        for token in reversed(self.tokens[max(at - 3, 0) : at]):
            if token.type is T.LINE:
                break
            if ordinal := _ordinal(token):
                return ordinal
        return self._told_apart()

    def _lettered(self, at: int) -> int | None:
        """2 in "Target B" and "TP-B": targets named by letters."""
        behind = self.tokens[at + 1 : at + 3]
        if behind and behind[0].text == "-":
            behind = behind[1:]
        letter = behind[0].text if behind else ""
        return _LETTERS.find(letter) + 1 or None if len(letter) == 1 else None

    def _told_apart(self) -> int | None:
        """2 in a program's "event: tp_hit, level: 2"."""
        for at, token in enumerate(self.tokens):
            if token.low == "level":
                number = next((each for each in self.tokens[at + 1 : at + 3] if each.type is T.NUMBER), None)
                return _ordinal(number) if number is not None else None
        return None

    def _counted_before(self, at: int) -> int | None:
        """3 in "3/5 targets" and in "3 of 5 targets"."""
        if at < 3:
            return None
        first, joint, last = self.tokens[at - 3 : at]
        done, total = _ordinal(first), _ordinal(last)
        return done if joint.text.lower() in ("/", "of", "out of", "из") and done and total and done <= total else None

    def _levels_behind(self, at: int) -> list[int]:
        """The numbers of the targets named from `at` on; where ticks stand between them, those up to the last tick."""
        levels: list[int] = []
        ticked = 0
        for before, token in pairwise(self.tokens[at : at + 10]):
            ordinal = _ordinal(token)
            if levels and before.type is T.NUMBER and token.type is T.NUMBER:
                break  # "TP1 15 hit": the second is its price
            if token.type is T.MARK or (token.type is T.NUMBER and token.measure in (N.PRICE, N.ORDINAL)):
                if ordinal is None or "." in token.text:
                    break
                levels.append(ordinal)
            elif token.type is T.LINE or (token.type is T.WORD and token.label not in (p.FILLER, p.TARGET)):
                levels = levels or ([ordinal] if ordinal else [])
                break
            ticked = len(levels) if token.text == "✅" else ticked
        return levels[:ticked] if ticked else levels

    def _partial(self) -> Update | None:
        for at, token in enumerate(self.tokens):
            parts = token.parts
            part = p.PART in parts
            if not part and p.CLOSE not in parts and token.low not in _TAKING:
                continue
            share = share_near(self.tokens, at)
            if token.low in _SECURING and share is None and self._follows_stop(at):
                continue
            if not (self._is_partly(at, share) if part else self._is_cut(at, share)) or self._negated(at):
                continue
            return Update("partial_close", None, 2, token, share=share)
        return None

    def _follows_stop(self, at: int) -> bool:
        """Whether the sentence speaks of the stop before `at`: "raising SL to 0.182 to lock profits" closes nothing."""
        line = takewhile(lambda token: token.type is not T.LINE and token.text not in _ENDINGS, self.tokens[:at][::-1])
        return any(token.label == p.STOP for token in line)

    def _is_partly(self, at: int, share: Share | None) -> bool:
        """Whether a word such as "some" or "secure" speaks of the position."""
        near = _OF_THE_POSITION
        return " " in self.tokens[at].low or share is not None or self._near(at, near) is not None

    def _is_cut(self, at: int, share: Share | None) -> bool:
        """Whether a word such as "close" or "take" is limited to a share; a percentage beside a gain is the gain."""
        if share is None:
            return False
        gain = p.PROFIT in self.parts or p.LOSS in self.parts
        direct = self.tokens[at + 1].start == share.start if at + 1 < len(self.tokens) else False
        return direct if p.CLOSE not in self.tokens[at].parts else direct or not (gain and share.counted)

    def _moved(self) -> Update | None:
        if self.parts.isdisjoint((p.MOVE, p.BREAKEVEN)):
            return None
        for at, token in enumerate(self.tokens):
            if token.parts and self._says_moved(at) and not self._planned(at) and not self._negated(at):
                strength = 3 if token.width > 2 and p.MOVE in token.parts else 2
                return Update("move_stop", None, strength, token, self._new_stop(at))
        return None

    def _says_moved(self, at: int) -> bool:
        """Whether a phrase ("SL to BE", "stop to 226") or a stop beside a word of moving or its new place says so."""
        token = self.tokens[at]
        phrase = " " in token.low
        if p.MOVE in token.parts and (phrase or token.label in (p.STOP, p.TRAIL) or p.TRAIL in token.parts):
            return True
        if p.BREAKEVEN in token.parts and phrase:
            return not self._left_at(at) and not (token.label == p.ENTRY and self._priced(at))
        if token.low in _CHANGED and self._is_changed_ticket():
            return True
        if p.MOVE in token.parts and self._to_breakeven(at):
            return True
        if token.label not in (p.STOP, p.TRAIL) and p.TRAIL not in token.parts:
            return False
        placed = token.label == p.STOP and self._near(at, _BREAKEVEN, ahead=4, back=0) is not None
        moved = self._near(at, _MOVE, ahead=6, back=4)
        if moved is None or moved.low not in _PLACING:
            return placed or moved is not None
        return placed or self._near(at, _BREAKEVEN, ahead=6) is not None or self._new_stop(at) is not None

    def _is_changed_ticket(self) -> bool:
        """Whether what was changed is a trade that is open: its stop is priced, and neither a side nor an entry is named."""
        if not self.parts.isdisjoint(_OPENING_PARTS):
            return False
        return any(token.label == p.STOP and self._priced(at) for at, token in enumerate(self.tokens))

    def _to_breakeven(self, at: int) -> bool:
        """Whether a word of moving leads to the entry: "set breakeven", "move to entry"; "entry" alone is a label."""
        led = False
        for token in self.tokens[at + 1 : at + 4]:
            if p.BREAKEVEN in token.parts:
                return led or token.label != p.ENTRY
            if p.FILLER not in token.parts:
                return False
            led = True
        return False

    def _planned(self, at: int) -> bool:
        """Whether the words are for later: "after TP1", "when target 2 is hit" behind them on their line."""
        tokens = self.tokens
        for i in range(at + 1, min(at + 8, len(tokens) - 1)):
            if tokens[i].type is T.LINE:
                return False
            if tokens[i].low in _UNLESS:
                return self._near(i, _TARGET, ahead=3, back=0) is not None
        return False

    def _left_at(self, at: int) -> bool:
        """Whether the words say that the trade is left at its entry price, not that the stop goes there."""
        close = self._near(at, _CLOSE, ahead=0, back=3)
        return close is not None and self._near(at, _STOP_OR_PART, ahead=2, back=4) is None

    def _new_stop(self, at: int) -> Decimal | None:
        """The price that the stop is moved to, where one is named."""
        for label in (at, *(i for i, t in enumerate(self.tokens) if t.label == p.STOP)):
            for token in self.tokens[label + 1 : label + 8]:
                if token.type is T.LINE or token.label in (p.TARGET, p.ENTRY):
                    break
                if token.type is T.NUMBER and token.measure is N.PRICE:
                    return token.value
        return None

    def _closed(self) -> Update | None:
        found = self._first(p.CLOSE)
        if found is None or self._negated(found[0], happened=found[1].low in _DONE) or self._long_ago(found[0]):
            return None
        at, token = found
        if token.low in _OUT and any(self._priced(i) for i, each in enumerate(self.tokens) if each.label == p.STOP):
            return None
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        if token.low in _CUTTING and self._names_way_out(at):
            return None
        if token.low == "close" and after is not None and after.type is T.NUMBER and after.measure is N.PRICE:
            return None
        return Update("close", None, 2, token, done=token.low.rpartition(" ")[2] in _DONE)

    def _names_way_out(self, at: int) -> bool:
        """Whether a price follows at once, among others of which one stands before: "long 141 bank 148 cut 135" tells where."""
        if at + 1 == len(self.tokens) or not is_price(self.tokens[at + 1]):
            return False
        before = sum(map(is_price, self.tokens[:at]))
        return bool(before) and before + sum(map(is_price, self.tokens[at + 2 :])) > 1

    def _long_ago(self, at: int) -> bool:
        """Whether the sentence, or the heading, tells of another day before `at`: "yesterday we closed"."""
        if self._headed_earlier():
            return True
        for i in range(at - 1, -1, -1):
            token = self.tokens[i]
            if token.type is T.LINE or (token.type is T.SIGN and token.text in ".!?"):
                return False
            if p.EARLIER in token.parts:
                return True
        return False

    def _headed_earlier(self) -> bool:
        """Whether the first of several lines tells of another day and holds no price: "Yesterday's results"."""
        heading = list(takewhile(lambda token: token.type is not T.LINE, self.tokens))
        several = len(heading) < len(self.tokens)
        return several and any(p.EARLIER in each.parts for each in heading) and not any(map(is_price, heading))

    def _fill_reported(self) -> Update | None:
        """An exchange's or bot's receipt of an execution, whatever else it says."""
        found = self._first(p.FILL_REPORT)
        if found is not None:
            return Update(None, None, 3, found[1])
        for at, token in enumerate(self.tokens):
            if (
                token.low == "filled"
                and any(is_price(t) for t in self.tokens[max(at - 3, 0) : at])
                and not self._negated(at)
            ):
                return Update(None, None, 3, token)
        return None

    def _filled(self) -> Update | None:
        found = self._first(p.FILLED)
        if found is None or self._negated(found[0]):
            return None
        return Update(None, None, 1, found[1])


def _first_clause(tokens: list[Token]) -> list[Token]:
    """The tokens before the first line's end or stop, at most eight."""
    for at, token in enumerate(tokens[:8]):
        if token.type is T.LINE or (token.type is T.SIGN and token.text in ",.;!"):
            return tokens[:at]
    return tokens[:8]


def _passes(token: Token, at: int, named: Token | None) -> bool:
    """Whether the word may stand in a reply that only names a target or the stop: a filler, an ordinal, or before the name
    what the reply is about (a symbol, a side, or capitals that open the text)."""
    if token.label == p.FILLER or _ordinal(token) is not None:
        return True
    heads = token.label in _HEADING or (at == 0 and token.text.isascii() and token.text.isupper())
    return named is None and heads


def _line_after(tokens: list[Token], at: int) -> list[Token]:
    """The tokens behind `at` on its line, up to the next label."""
    line: list[Token] = []
    for token in tokens[at + 1 : at + 13]:
        if token.type is T.LINE or token.label in (p.TARGET, p.STOP, p.ENTRY):
            break
        line.append(token)
    return line


def _ordinal(token: Token) -> int | None:
    for part in token.parts:
        if part[0] == "#":
            return int(part[1:])
    if (
        token.type is T.NUMBER
        and token.measure in (N.ORDINAL, N.PRICE)
        and token.value is not None
        and 0 < token.value <= _HIGHEST_LEVEL
        and token.value == token.value.to_integral_value()
    ):
        return int(token.value)
    return int(token.value) if token.type is T.MARK and token.value else None
