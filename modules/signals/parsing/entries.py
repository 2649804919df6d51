"""From numbers with parts to the fields of an entry: prices, side, order, leverage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import median

from modules.domain.parses import Order
from modules.domain.sides import Side
from modules.signals.parsing import parts as p
from modules.signals.parsing.reading import STOP_SIGNS
from modules.signals.parsing.symbols import Found
from modules.signals.parsing.tokens import N, Token
from modules.signals.parsing.walk import AT, Figure, Reading

_SPREAD = Decimal(10)
_LARGEST_LEVERAGE = 1_000_000
_FEW = 20
_DRAWN = 3
_MOST_DRAWN = 2
_RISKED = frozenset({"risk", "riesgo", "risco", "риск", "risiko", "rischio", "risque", "ryzyko", "ризик", "resiko"})
_NEAR = Decimal("1.6")
_TOLD_ELSE = frozenset({p.NOTE, p.LEVEL, p.ENTRY, p.LEVERAGE})
"""Parts that explain a price beside the entry: a figure of the account, a level of the chart, a further entry."""

_FEWEST_DIGITS = 2
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_ARROWS = frozenset("→➝➜➡>»")
_SPAN_JOINT = re.compile(
    r"\s*(?:[$€£₽]|usd|usdt)?\s*(?:-+|~+|/+|_+|&|:|\bw?\b(?:to|till|until|upto|up to|and|до|та|и|a|à|bis|und|et|en|och|og|dan|va|ve|oraz|ile|até|hasta|sampai|hingga|تا|الی|الى|到|至|e|y|و)\b|[@→➝>]+|到|至)+\s*(?:[$€£₽@])?\s*"
)


@dataclass(slots=True)
class Draft:
    """The prices of a possible entry, still with the tokens that carry them.

    `unread` counts, where no target was found, the prices as large as the others that bear no label: they may be targets.
    """

    entries: list[Figure] = field(default_factory=list)
    targets: list[Figure] = field(default_factory=list)
    stop: Figure | None = None
    entry_kind: str = ""
    labelled: int = 0
    unread: int = 0


def draft_of(reading: Reading, symbol: Found | None, text: str) -> Draft:
    """Sort the figures into entries, targets and stop."""
    groups = _drawn(reading) or _grouped(reading)
    draft = Draft()
    entries, targets, draft.entry_kind = _entries_and_targets(
        groups, [part for part, _, _ in reading.sides], symbol, text
    )
    targets, stops = _with_results(groups, entries, targets)
    targets = _without_strays(targets)
    reference = _reference(entries, targets, stops)
    draft.entries = _of_one_size(entries, reference)
    draft.targets = _of_one_size(targets, reference)
    stops = _of_one_size(stops, reference)
    draft.stop = stops[0] if stops else None
    _mend_glued_counters(draft, reference)
    if not draft.targets:
        bare = [*groups.get("", []), *_beyond(stops[1:], draft)]
        draft.unread = sum(figure not in draft.entries for figure in _like_entry(bare, draft.entries or stops))
    draft.labelled = sum(bool(groups.get(part)) for part in (p.ENTRY, p.TARGET, p.STOP))
    return draft


def _grouped(reading: Reading) -> dict[str, list[Figure]]:
    """The figures by the part they play."""
    groups: dict[str, list[Figure]] = {}
    for figure in reading.figures:
        groups.setdefault(figure.part, []).append(figure)
    return groups


def _entries_and_targets(
    groups: dict[str, list[Figure]], sides: list[str], symbol: Found | None, text: str
) -> tuple[list[Figure], list[Figure], str]:
    """The figures of both, and what tells the entry; prices without a word for targets may stand below it or along arrows."""
    targets = groups.get(p.TARGET, [])
    entries, kind = _entry_group(groups, symbol, text)
    if (kind in (p.LONG, p.SHORT)) and (left := _left_at(groups, sides, kind)) is not None:
        return *left, p.PRICE
    between = _between(groups.get("", []), targets, groups.get(p.STOP, [])) if kind in ("", "bare") else []
    if between:
        entries, kind = between, "bare"
    targets = targets or _other_targets(groups, kind)
    if not targets and kind in (p.LONG, p.SHORT, "bare"):
        entries, targets = _in_two_blocks(entries, groups.get(p.STOP, []), text)
    if not targets:
        entries, targets = _lines_below(entries)
    if not targets:
        entries, targets = _along_arrows(entries)
    return entries, targets, kind


def _left_at(groups: dict[str, list[Figure]], sides: list[str], kind: str) -> tuple[list[Figure], list[Figure]] | None:
    """Entry and targets of a call that opens with one side, names its price, and lists prices under the other side to leave
    at: "BUY X, price 0.648, sell: 0.661, 0.677". All of them lie where that side wins."""
    entry = groups.get(p.PRICE) or groups.get(AT) or []
    leaving = groups[kind]
    if sides[:1] == [kind] or groups.get(p.TARGET) or not entry or entry[0].token.start > leaving[0].token.start:
        return None
    wins = all((f.value > each.value) == (kind == p.SHORT) and f.value != each.value for f in leaving for each in entry)
    return (entry, leaving) if wins else None


def _with_results(
    groups: dict[str, list[Figure]], entries: list[Figure], targets: list[Figure]
) -> tuple[list[Figure], list[Figure]]:
    """Targets and stops, where none is labelled those named by what is won or lost there ("Profit 1.0840, loss 1.0945")."""
    stops = groups.get(p.STOP, [])
    lost = groups.get(p.LOSS, [])
    if targets:
        risked = [f for f in groups.get(p.NOTE, []) if f.said in _RISKED]
        return targets, stops or _losing(_like_entry([*lost, *risked], entries), entries, targets)
    if stops or lost:
        targets = _like_entry(groups.get(p.PROFIT, []), entries)
    return targets, stops or (_like_entry(lost, entries) if targets else [])


def _drawn(reading: Reading) -> dict[str, list[Figure]] | None:
    """The prices of a call that labels them with pictures alone, where order and position leave one reading only.

    Three groups of prices behind three pictures (the first may stand behind the side or the symbol): the entry, or its span, comes
    first, and lies between the stop and all targets, in the order in which the side reaches them. The stop is told by the side, or is drawn
    as one.
    """
    if sum(reading.labels.values()) > reading.pictured or any(f.part in (p.NOTE, p.LEVEL) for f in reading.figures):
        return None
    drawn: dict[str, list[Figure]] = {}
    key = ""
    for figure in reading.figures:
        key = figure.picture or (key if drawn and figure.joint else "-")
        drawn.setdefault(key, []).append(figure)
    if len(drawn) != _DRAWN or sum(sign != "-" for sign in drawn) < _DRAWN - 1:
        return None
    entry, *others = drawn.values()
    found = [
        {p.ENTRY: entry, p.STOP: stop, p.TARGET: targets}
        for stop, targets in (others, others[::-1])
        if _leads(reading, entry, targets, stop)
    ]
    return found[0] if len(found) == 1 else None


def _leads(reading: Reading, entry: list[Figure], targets: list[Figure], stop: list[Figure]) -> bool:
    """Whether the entries lie between one stop and targets that go away from it, as the side or the picture of the stop says."""
    entered = sorted(f.value for f in entry)
    rises = stop[0].value < entered[0]
    path = [stop[0].value, *(entered if rises else entered[::-1]), *(f.value for f in targets)]
    if len(stop) > 1 or len(entry) > _MOST_DRAWN or path != sorted(set(path), reverse=not rises):
        return False
    if max(path) > 2 * min(path):
        return False
    sides = {part for part, _, _ in reading.sides}
    return sides == {p.LONG if rises else p.SHORT} if sides else stop[0].picture in STOP_SIGNS


def _entry_group(groups: dict[str, list[Figure]], symbol: Found | None, text: str) -> tuple[list[Figure], str]:
    """The entry's figures: labelled, else after "@", beside the side, labelled "price", or bare behind the symbol."""
    if groups.get(p.ENTRY):
        return groups[p.ENTRY], p.ENTRY
    sided = [part for part in (p.LONG, p.SHORT) if groups.get(part)]
    if sided:
        first = min(sided, key=lambda part: groups[part][0].token.start)
        return groups[first], first
    for part in (AT, p.PRICE):
        if groups.get(part):
            return groups[part], part
    bare = groups.get("", [])
    if bare and symbol is not None:
        behind = [
            f
            for f in bare
            if f.token.start >= symbol.start
            and (f.starts or not f.first or "\n" not in text[symbol.end : f.token.start])
        ]
        return [f for f in behind if f.line == behind[0].line] if behind else [], "bare"
    return [], ""


def _between(bare: list[Figure], targets: list[Figure], stops: list[Figure]) -> list[Figure]:
    """Prices under a word that is not known, where all of one line, and of no other, lie between stop and targets."""
    if not targets or not stops:
        return []
    ends = [stops[0].value, min((f.value for f in targets), key=lambda value: abs(value - stops[0].value))]
    inside = [f for f in bare if min(ends) < f.value < max(ends)]
    lines = {f.line for f in inside}
    whole = len(lines) == 1 and all(f in inside for f in bare if f.line in lines)
    return inside if whole else []


def _other_targets(groups: dict[str, list[Figure]], entry_kind: str) -> list[Figure]:
    """Targets without their word: exits, or the prices to sell at where the entry was a price to buy at."""
    if groups.get(p.EXIT):
        return groups[p.EXIT]
    for part in (p.LONG, p.SHORT):
        if entry_kind in (p.LONG, p.SHORT, p.ENTRY) and part != entry_kind and groups.get(part):
            return groups[part]
    bare = [f for f in groups.get("", []) if f.starts or f.counted] if entry_kind != "bare" else []
    return bare if len(bare) > 1 else []


def _beyond(stops: list[Figure], draft: Draft) -> list[Figure]:
    """Further prices behind the stop that lie on the other side of the entry: no stops."""
    if not draft.entries or draft.stop is None:
        return []
    entry, rises = draft.entries[0].value, draft.stop.value < draft.entries[0].value
    return [figure for figure in stops if (figure.value > entry) == rises]


def _like_entry(figures: list[Figure], entries: list[Figure]) -> list[Figure]:
    """ "Profit 1.0840" and "Loss 1.0945" beside an entry are prices to leave at, if they are about as large as it is."""
    if not entries:
        return []
    entry = entries[0].value
    return [f for f in figures if entry / 2 <= f.value <= entry * 2]


def _losing(figures: list[Figure], entries: list[Figure], targets: list[Figure]) -> list[Figure]:
    """Those of the figures that lie on the side of the entry where the targets are not."""
    if not entries or not targets:
        return []
    entry = entries[0].value
    rises = {f.value > entry for f in targets}
    return [f for f in figures if len(rises) == 1 and f.value != entry and (f.value < entry) in rises]


def unexplained_loss(reading: Reading, draft: Draft, side: Side) -> bool:
    """Whether an entry without a stop leaves a price on its losing side unexplained: it may be the stop under a word not known,
    whether it bears no label or stands among the targets."""
    if draft.stop is not None or not draft.entries:
        return False
    worst = (min if side is Side.LONG else max)(f.value for f in draft.entries)
    told = {id(f) for f in draft.entries}
    near = [f for f in reading.figures if id(f) not in told and worst / _NEAR <= f.value <= worst * _NEAR]
    return any((f.value < worst) == (side is Side.LONG) and f.value != worst and f.part not in _TOLD_ELSE for f in near)


def _lines_below(entries: list[Figure]) -> tuple[list[Figure], list[Figure]]:
    """No word for targets: bare lines under the entry's own line are targets."""
    if not entries:
        return entries, []
    head = [f for f in entries if f.line == entries[0].line or f.label_line == f.line]
    below = [f for f in entries if f not in head]
    listed = len({f.counted for f in below}) == 1 or (bool(below) and below[0].place == 1)
    if len(below) >= 2 and not any(f.counted for f in head) and listed:
        return head, below
    return entries, []


def _in_two_blocks(entries: list[Figure], stops: list[Figure], text: str) -> tuple[list[Figure], list[Figure]]:
    """Prices below the side in two blocks parted by an empty line are entries and targets, where the stop, the first block and
    the second follow each other; else they stay what they were."""
    gaps = [i for i, (a, b) in enumerate(pairwise(entries), 1) if _EMPTY_LINE.search(text, a.token.end, b.token.start)]
    if len(gaps) != 1 or len(stops) != 1 or any(f.counted for f in entries):
        return entries, []
    head, below = entries[: gaps[0]], entries[gaps[0] :]
    entered, left, stop = [f.value for f in head], [f.value for f in below], stops[0].value
    follows = stop < min(entered) <= max(entered) < min(left) or stop > max(entered) >= min(entered) > max(left)
    return (head, below) if follows else (entries, [])


def _along_arrows(entries: list[Figure]) -> tuple[list[Figure], list[Figure]]:
    """Three prices or more led by arrows ("1.84 → 1.86 → 1.89") go from the entry to the targets; two are a span."""
    led = [f for f in entries[1:] if f.joint.strip() and set(f.joint.strip()) <= _ARROWS]
    return (entries[:1], led) if len(led) >= 2 and len(led) == len(entries) - 1 else (entries, [])


def _without_strays(targets: list[Figure]) -> list[Figure]:
    """In a list whose lines are counted, a bare line without a counter does not belong, save where a picture takes the
    counter's place and its price goes on where the list leads ("🥇 153.33", "🚀 151.70")."""
    counted = [f for f in targets if f.counted]
    if len(counted) < 2:
        return targets
    lines = {f.line for f in counted}
    first, last = counted[0].value, counted[-1].value
    return [
        f
        for f in targets
        if f.counted
        or f.label_line == f.line
        or (f.line in lines and not f.starts)
        or (bool(f.picture) and f.line > counted[-1].line and min(first, f.value) < last < max(first, f.value))
    ]


def _reference(entries: list[Figure], targets: list[Figure], stops: list[Figure]) -> Decimal | None:
    values = [f.value for f in (*entries, *targets, *stops) if f.first]
    return Decimal(median(values)) if values else None


def _of_one_size(figures: list[Figure], reference: Decimal | None) -> list[Figure]:
    """Drop what stands behind a price and is of another size (pips, counts); a first number stays, however odd."""
    if reference is None:
        return figures
    if not any(reference / _SPREAD <= f.value <= reference * _SPREAD for f in figures):
        return figures[:1]
    spreads = (_SPREAD, _SPREAD * 5)
    return [f for f in figures if reference / spreads[f.first] <= f.value <= reference * spreads[f.first]]


def _mend_glued_counters(draft: Draft, reference: Decimal | None) -> None:
    """TP41.3100 after TP3 is target 4 at 1.3100."""
    if reference is None:
        return
    for position, figure in enumerate(draft.targets, start=1):
        text, counter = figure.token.text.replace(",", "."), str(position)
        rest = text.removeprefix(counter)
        if not figure.token.glued or figure.counted or len(rest) == len(text) or len(rest) < _FEWEST_DIGITS:
            continue
        if not _PLAIN.fullmatch(rest) or figure.value != Decimal(text):
            continue
        mended = Decimal(rest)
        if reference / 5 <= mended <= reference * 5 and not reference / 5 <= figure.value <= reference * 5:
            figure.value = mended


def is_span(entries: list[Figure]) -> bool:
    """Whether exactly two prices are given as a span: "a - b", "a to b"."""
    if len(entries) != 2 or entries[1].counted or entries[0].counted:
        return False
    joint = entries[1].joint
    if entries[0].line != entries[1].line:
        return entries[0].label_line == entries[1].label_line and entries[0].starts and entries[1].starts
    if entries[1].first:
        return False
    return "," not in joint and "%" not in joint and _SPAN_JOINT.fullmatch(joint) is not None


def order_of(reading: Reading, draft: Draft, text: str) -> Order:
    """Market where the text says so beside the entry or gives no price; a bare "price:" is the price of this moment."""
    if not draft.entries:
        return "market"
    words = [(token.start, "limit") for token in reading.limits[:_FEW] if _speaks_of_entry(token, reading, draft, text)]
    words += [
        (token.start, "market") for token in reading.market[:_FEW] if _speaks_of_entry(token, reading, draft, text)
    ]
    if words:
        return "market" if min(words)[1] == "market" else "limit"
    receipt = draft.entry_kind == p.PRICE and not draft.targets and draft.stop is None
    return "market" if receipt else "limit"


def _speaks_of_entry(word: Token, reading: Reading, draft: Draft, text: str) -> bool:
    """Whether "now" or "market" stands beside the side or the entry price, on their line."""
    near = [token for _, token, _ in reading.sides[:_FEW]] + [f.token for f in draft.entries[:_FEW]]
    for token in near:
        start, end = min(token.start, word.start), max(token.end, word.end)
        if end - start <= 45 and "\n" not in text[start:end]:
            return True
    return False


def side_of(reading: Reading, draft: Draft) -> tuple[Side | None, str]:
    """The side and how it is known: written once, by the prices, or written first."""
    by_price = side_by_prices(draft)
    written = [part for part, _, inside in reading.sides if not inside]
    kinds = set(written)
    if not kinds:
        kinds = {part for part, _, _ in reading.sides}
        written = [part for part, _, _ in reading.sides]
    if len(kinds) == 1:
        only = Side.LONG if p.LONG in kinds else Side.SHORT
        leaving = draft.entry_kind == p.ENTRY and bool(draft.targets) and {f.part for f in draft.targets} == kinds
        return (by_price, "prices") if leaving and by_price is not None else (only, "written")
    if by_price is not None:
        return by_price, "prices"
    if written:
        return (Side.LONG if written[0] == p.LONG else Side.SHORT), "first"
    return None, ""


def side_by_prices(draft: Draft) -> Side | None:
    """LONG where targets lie above the entry (or the stop below), SHORT the other way round, None where they disagree."""
    stop = draft.stop.value if draft.stop else None
    entries = [f.value for f in draft.entries]
    base = sum(entries, Decimal(0)) / len(entries) if entries else stop
    if base is None:
        return None
    rises = {f.value > base for f in draft.targets if f.value != base}
    if stop is not None and stop != base:
        rises.add(stop < base)
    if len(rises) != 1:
        return None
    return Side.LONG if rises.pop() else Side.SHORT


def leverage_of(reading: Reading) -> tuple[Token | None, Decimal | None, Decimal | None]:
    """The first leverage written, and the last where it is a range."""
    values = [
        t
        for t in reading.multiples
        if t.value is not None and 1 <= t.value < _LARGEST_LEVERAGE and t.measure in (N.MULTIPLE, N.PRICE)
    ]
    if not values:
        return None, None, None
    first = values[0].value
    last = values[-1].value
    return values[0], first, last if last != first else None
