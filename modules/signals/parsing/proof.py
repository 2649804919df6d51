"""Prove what prices mean whose labels are not known, from their order around the entry and the side.

A call names a side, and its prices lie in one order only: the stop, the entries, the targets. Where the entry is told, one price
alone lies on its losing side, and all others lead away from it on the winning one, each part has one reading, whatever word
stands before it ("bail 1.395", "bank 8.70, 8.41"). The stop alone needs a word of losing, leaving or guarding, a label or a picture: a
price below a long may as well be a support, a low or where the account is liquidated. Nothing is proven where the text speaks of the past, of levels or of conditions,
asks, or holds news; then the draft stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from modules.signals.parsing import parts as p
from modules.signals.parsing.entries import Draft, is_span
from modules.signals.parsing.symbols import Found
from modules.signals.parsing.tokens import N, T, Token
from modules.signals.parsing.updates import Update
from modules.signals.parsing.walk import AT, SIDES, Figure, Reading

_FEWEST = 3
_SAME_SIZE = 2
_OTHER_SIZE = 10
_MOST_WORDS = 10
_FARTHEST_STOP = Decimal("0.35")
_LOPSIDED = 15
"""How many times nearer the entry than the first target, or farther, a stop is not placed."""
_HUNDRED = 100
_ROUNDED = Decimal("0.6")
_COIN = 4
_FULL = 3
_TOLD = (
    p.PAST, p.EARLIER, p.HIT, p.RESULT, p.FILLED, p.ALL_HIT, p.FRAMED, p.HABIT, p.FILL_REPORT, p.BINARY, p.OPPOSITE, p.DENIED,
)  # fmt: skip
"""Parts of words that tell of trades instead of calling one."""
_ELSE = frozenset({p.PRICE, p.MARKET, p.LEVEL, p.NOTE, p.LEVERAGE, p.SYMBOL, p.TRAIL})
"""Labels that say of a price that it is neither entry nor target nor stop."""
_WEIGHED = frozenset({"risk", "reward", "riesgo", "risco", "risiko", "rischio", "risque", "риск", "ризик", "ryzyko"})
_LEAVING = frozenset(
    {
        "out", "out at", "cut", "cut at", "exit", "exit at", "stop out", "scale out", "cover", "saida", "saidas", "salida", "salidas",
        "sortie", "uscita", "ausstieg", "close at", "partial", "partials", "parcial", "parciais", "parciales", "book", "secure", "some",
        "выход", "вихід", "keluar", "invalid", "void", "trim", "layer", "layers", "get out", "bail out", "close", "take profit", "sortir", "sortir a", "sortez", "фикс", "фиксация", "выход из", "salir",
        "salir en", "sair", "sair em", "uscire", "cikis", "çıkış",
    }
)  # fmt: skip
"""Words that order an open trade to be left, and before a price tell where a new one will be."""
_PROTECTING = frozenset(
    {
        "out", "cut", "exit", "bail", "bailing", "protect", "protection", "protective", "guard", "retreat", "abort", "abandon", "eject", "escape",
        "kill", "quit", "fail", "fails", "failure", "wrong", "dead", "death", "rug", "invalid", "void", "lose", "loses", "losing", "loss", "risk",
        "defend", "inv", "danger", "esco", "esci", "ucieczka", "ucieka", "salgo", "saio", "sors", "防守", "防线", "离场", "defence", "defense", "emergency", "ditch", "dump", "saida", "perder", "perde", "prejuizo", "fora", "protecao", "salida", "fuera",
        "pierde", "perdida", "proteccion", "abandono", "sortie", "abandonner", "perte", "uscita", "perdita", "protezione", "fuori", "raus",
        "ausstieg", "verlust", "absicherung", "reissleine", "reißleine", "notausgang", "abbruch", "выход", "защита", "отмена", "слом", "убыток",
        "вихід", "захист", "збиток", "zarar", "koruma", "cikis", "keluar", "rugi", "wyjscie", "ochrona", "strata", "uitstap", "verlies",
        "risiko", "riesgo", "risco", "rischio", "risque", "риск", "ризик", "ryzyko",
    }
)  # fmt: skip
_LISTING = frozenset(",/-&+~;$|")
_AND = frozenset(
    {
        "and",
        "or",
        "to",
        "и",
        "или",
        "до",
        "und",
        "oder",
        "bis",
        "y",
        "o",
        "a",
        "e",
        "ou",
        "et",
        "ve",
        "dan",
        "atau",
        "usd",
        "usdt",
    }
)
_HAPPENED = frozenset(
    {
        "paid", "did", "made", "got", "printed", "reached", "bounced", "dipped", "wicked", "tagged", "swept", "came", "went", "touched", "sold", "bought",
        "took", "ran", "rallied", "dropped", "fell", "rose", "pumped", "dumped", "was", "were", "had", "gave", "дал", "дала", "дали", "дошли", "дошла",
        "упал", "упала", "вырос", "выросла", "llegó", "llego", "subió", "cayó", "bajó", "chegou", "caiu", "subiu", "stieg", "fiel", "erreichte",
    }
)  # fmt: skip
"""Words behind which a price is one that the market has seen."""
_DRAWN = frozenset("✂✋☠💀🪂🧯⚰🔪🩸🛡🛑⛔🚫❌🔻")


@dataclass(frozen=True, slots=True)
class Proof:
    """The draft with the parts that are proven, and the updates that are left when its labels are taken out of them."""

    draft: Draft
    updates: list[Update]


@dataclass(frozen=True, slots=True)
class _Case:
    """The prices about as large as the entry in order, and the tokens that lead to each from the number before it."""

    figures: list[Figure]
    leads: dict[int, list[Token]]
    rises: bool

    def beyond(self, figure: Figure, price: Decimal) -> bool:
        """Whether the figure lies on the winning side of a price."""
        return figure.value != price and (figure.value > price) == self.rises

    def own(self, figure: Figure, *parts: str) -> bool:
        """Whether the figure is the first one behind a label of its own on its line."""
        return figure.part in parts and figure.first and figure.label_line == figure.line

    def is_told(self, figure: Figure) -> bool:
        """Whether the words before the figure say that it is something else."""
        words = (token for token in self.leads[id(figure)] if token.type is T.WORD and token.low not in _WEIGHED)
        return any(token.label in _ELSE or token.low in _HAPPENED for token in words)

    def is_unknown(self, figure: Figure) -> bool:
        """Whether a word that is not known leads to the figure."""
        return any(token.type is T.WORD and token.label is None for token in self.leads[id(figure)])


def prove(
    reading: Reading, draft: Draft, tokens: list[Token], symbols: list[Found], updates: list[Update]
) -> Proof | None:
    """The draft with every price's part proven; None where nothing is missing, or nothing can be proven."""
    if len(reading.figures) < _FEWEST or not reading.sides or not symbols:
        return None
    lost = _lost(reading, draft)
    whole = _is_whole(draft)
    if whole and not lost:
        return Proof(replace(draft, labelled=_FULL), updates) if _is_measured(reading, draft, tokens) else None
    if _speaks_else(reading, symbols):
        return None
    anchor = _anchor(reading, draft)
    if anchor is None:
        return None
    case = _case(reading, anchor, tokens)
    if case is None:
        return None
    found = _parts(case, draft, anchor)
    if found is None or (whole and not _goes_on(case, found, lost)):
        return None
    left = _without_labels(case, updates)
    if not whole and (left or _is_set(case, reading, found, tokens)):
        return None
    return Proof(found, left)


def _is_whole(draft: Draft) -> bool:
    """Whether the draft has all three parts: the targets under their label, or with the stop on the other side of the entry."""
    if not draft.entries or not draft.targets or draft.stop is None:
        return False
    if any(f.part == p.TARGET for f in draft.targets):
        return True
    entry = draft.entries[0].value
    return len({f.value > entry for f in draft.targets} | {draft.stop.value < entry}) == 1


def _is_measured(reading: Reading, draft: Draft, tokens: list[Token]) -> bool:
    """Whether the gain told behind each target is its distance from the entry: "0.02285$ (+2%)" plans it, and was not made."""
    if not reading.gains or draft.labelled == _FULL or reading.gains > len(draft.targets):
        return False
    places = {token.start: at for at, token in enumerate(tokens)}
    entry = draft.entries[0].value
    for figure in draft.targets:
        at = places.get(figure.token.start)
        behind = tokens[at + 1 : at + 7] if at is not None else []
        gain = next((token for token in behind if token.type is T.NUMBER), None)
        if gain is None or gain.value is None or gain.measure is not N.PERCENT:
            return False
        if abs(abs(figure.value / entry - 1) * _HUNDRED - gain.value) > _ROUNDED:
            return False
    return True


def _lost(reading: Reading, draft: Draft) -> list[Figure]:
    """The unlabelled prices about as large as the entry that the draft leaves out, or takes for one of too many entries."""
    if not draft.entries:
        return []
    used = {id(f) for f in (*draft.entries, *draft.targets, draft.stop) if f is not None}
    entry = draft.entries[0].value
    return [f for f in reading.figures if id(f) not in used and not f.part and _near(f.value, entry)]


def _near(value: Decimal, other: Decimal) -> bool:
    return other / _SAME_SIZE <= value <= other * _SAME_SIZE


def _speaks_else(reading: Reading, symbols: list[Found]) -> bool:
    """Whether the text tells, asks or supposes, or names several symbols."""
    if reading.questions or reading.gains or reading.recalled or reading.conditional or reading.supposed:
        return True
    if reading.refused or reading.unreadable or reading.options or reading.ticks or reading.distances:
        return True
    if any(figure.ticked for figure in reading.figures):
        return True
    if any(reading.parts[part] for part in _TOLD) or reading.parts[p.TALK] > 1 or reading.unknown_words > _MOST_WORDS:
        return True
    return len({f.symbol for f in symbols if f.weight >= _COIN}) > 1


def _anchor(reading: Reading, draft: Draft) -> Figure | None:
    """The entry that is told: by its label, beside the side, after "@", as a price; else the first of the prices."""
    side = SIDES[reading.sides[0][0]]
    for part in (p.ENTRY, side, AT, p.PRICE):
        told = next((f for f in reading.figures if f.part == part), None)
        if told is not None:
            return told
    values = sorted(f.value for f in reading.figures)
    middle = values[len(values) // 2]
    first = next((f for f in reading.figures if _near(f.value, middle)), None)
    opens = first is not None and not first.part and first.token.start > reading.sides[0][1].start
    return first if opens and (draft.stop or draft.targets or _is_risked(reading)) else None


def _is_risked(reading: Reading) -> bool:
    return any(f.said in _WEIGHED for f in reading.figures)


def _case(reading: Reading, anchor: Figure, tokens: list[Token]) -> _Case | None:
    """The prices to be proven; None where one is neither of the entry's size nor of quite another."""
    near: list[Figure] = []
    for figure in reading.figures:
        if _near(figure.value, anchor.value):
            near.append(figure)
        elif anchor.value / _OTHER_SIZE < figure.value < anchor.value * _OTHER_SIZE:
            return None
    by_start = {figure.token.start: figure for figure in near}
    leads: dict[int, list[Token]] = {}
    since: list[Token] = []
    for token in tokens:
        if token.type is not T.NUMBER:
            since.append(token)
        else:
            if token.start in by_start:
                leads[id(by_start[token.start])] = since
            since = []
    if len(leads) != len(near):
        return None
    return _Case(near, leads, SIDES[reading.sides[0][0]] == p.LONG)


def _parts(case: _Case, draft: Draft, anchor: Figure) -> Draft | None:
    """Entries, stop and targets, where there is one way only to give the prices their parts."""
    figures = case.figures
    stops = [f for f in figures if case.own(f, p.STOP)]
    if len(stops) > 1:
        return None
    entries = _entries(case, draft, anchor, stops)
    chosen = {id(f) for f in entries}
    worst = (min if case.rises else max)(f.value for f in entries)
    best = (max if case.rises else min)(f.value for f in entries)
    rest = [f for f in figures if id(f) not in chosen]
    losing = [f for f in rest if not case.beyond(f, worst)]
    targets = [f for f in rest if case.beyond(f, best)]
    if len(losing) != 1 or len(losing) + len(targets) != len(rest) or not targets:
        return None
    stop = losing[0]
    if (stops and stop is not stops[0]) or not _is_stop(case, stop) or not _are_targets(case, targets):
        return None
    if _goes_with_entry(case, entries, targets[0]) or not _is_sane(worst, stop.value, targets[0].value):
        return None
    return Draft(entries, targets, stop, draft.entry_kind, _FULL)


def _entries(case: _Case, draft: Draft, anchor: Figure, stops: list[Figure]) -> list[Figure]:
    """The anchor, with the other end of its span, further entries under labels of their own, and what follows it before the
    stop that is labelled."""
    at = case.figures.index(anchor)
    entries = [anchor]
    if len(draft.entries) == _SAME_SIZE and draft.entries[0] is anchor and is_span(draft.entries):
        entries = list(draft.entries)
    for figure in case.figures[at + len(entries) :]:
        before_stop = bool(stops) and not case.beyond(figure, anchor.value) and case.beyond(figure, stops[0].value)
        if figure in stops or not (case.own(figure, p.ENTRY) or (before_stop and not case.is_told(figure))):
            break
        entries.append(figure)
    return entries


def _is_stop(case: _Case, stop: Figure) -> bool:
    """Whether a label, a word of losing, leaving or guarding, or a picture of one, stands before the price; what stands under a
    word that is not known may be a support, a low or where the account is liquidated."""
    if case.own(stop, p.STOP):
        return True
    leads = case.leads[id(stop)]
    told = any(token.text in _DRAWN or not _PROTECTING.isdisjoint(token.low.split()) for token in leads)
    told = told or next((token.low for token in reversed(leads) if token.type is T.WORD), "") == "x"
    return (told or case.own(stop, p.LOSS)) and not case.is_told(stop) and not _leaves_winning(case, stop)


def _leaves_winning(case: _Case, stop: Figure) -> bool:
    """Whether the price has a label of targets or gains for its own, other than a word that names either way out."""
    return case.own(stop, p.TARGET, p.PROFIT) and stop.said not in _PROTECTING


def _are_targets(case: _Case, targets: list[Figure]) -> bool:
    """Whether the prices lead away from the entry, and no word says that they are something else."""
    if any(case.beyond(before, after.value) or before.value == after.value for before, after in pairwise(targets)):
        return False
    if any(case.is_told(f) or f.part == p.LEVEL or case.own(f, p.STOP, p.LOSS) for f in targets):
        return False
    return len(targets) > 1 or case.own(targets[0], p.TARGET, p.PROFIT) or not case.is_unknown(targets[0])


def _goes_with_entry(case: _Case, entries: list[Figure], target: Figure) -> bool:
    """Whether the first target stands right behind an entry as the next of one list: "64200, 65000 and 66000" may all be entries."""
    place = case.figures.index(target)
    if not place or case.figures[place - 1] not in entries or case.own(target, p.TARGET, p.EXIT):
        return False
    return all(
        token.text in _LISTING or (token.type is T.WORD and token.label in (p.FILLER, None) and token.low in _AND)
        for token in case.leads[id(target)]
    )


def _is_sane(entry: Decimal, stop: Decimal, target: Decimal) -> bool:
    risked, sought = abs(entry - stop), abs(target - entry)
    return risked <= entry * _FARTHEST_STOP and risked <= sought * _LOPSIDED and sought <= risked * _LOPSIDED


def _goes_on(case: _Case, found: Draft, lost: list[Figure]) -> bool:
    """Whether each price that a whole draft left out goes on its entries or its targets."""
    grown = [*found.entries, *found.targets]
    places = {id(f): n for n, f in enumerate(case.figures)}
    kept = {id(f) for f in grown}
    lost_ids = {id(f) for f in lost}
    for figure in lost:
        place = places.get(id(figure), 0)
        group = found.entries if figure in found.entries else found.targets
        if id(figure) not in kept or not place or case.figures[place - 1] not in group:
            return False
    return any(id(f) not in lost_ids for f in found.targets)


def _without_labels(case: _Case, updates: list[Update]) -> list[Update]:
    """The updates without those whose word leads to a price: "cut 67,480" tells where, not that it was."""
    labels = {id(token) for leads in case.leads.values() for token in leads if token.low in _LEAVING}
    return [update for update in updates if id(update.token) not in labels]


def _is_set(case: _Case, reading: Reading, found: Draft, tokens: list[Token]) -> bool:
    """Whether the text speaks of conditions, gains or levels beside the prices' own words."""
    own = set(_ids(case.leads[id(f)] for f in (*found.targets, found.stop) if f is not None))
    beside = [token for token in tokens if id(token) not in own]
    if any(p.CONDITION in token.parts for token in beside):
        return True
    paid = {p.PROFIT, p.LOSS}
    if any(token.label in paid for token in beside):
        return True
    labelled = sum(any(case.own(f, part) for f in case.figures) for part in (p.ENTRY, p.TARGET, p.STOP))
    return bool(reading.parts[p.LEVEL]) and labelled < _SAME_SIZE


def _ids(groups: Iterator[list[Token]]) -> Iterator[int]:
    for group in groups:
        yield from map(id, group)
