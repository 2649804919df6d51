"""Decide what kind of message it is, before any price is believed.

An entry needs something to trade, a side, and prices that are labelled for it. Reports of the past, conditions, lists of results,
calls on binary options and adverts speak against it. The costly error is to take talk for a signal, so doubt falls on none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from modules.domain.parses import Kind
from modules.domain.sides import Side
from modules.signals.parsing import parts as p
from modules.signals.parsing.entries import Draft, side_by_prices, unexplained_loss
from modules.signals.parsing.symbols import Found
from modules.signals.parsing.updates import Update
from modules.signals.parsing.walk import AT, Reading

_MANY_SYMBOLS = 4
_LISTED = 2
_ENDS = ("close", "stop_hit")
_OPENERS = ("close", "cancel", "partial_close", "move_stop")
_LEAVING = ("close", "partial_close", "stop_hit", "cancel")
_RESULTS = ("target_hit", "all_targets", "stop_hit")
_SURE_SYMBOL = 5
_COIN = 4
_PAIR = 9
_FULL = 3
_TOLD = 3
_TERSE = 2
_PROSE = 25
_CHATTY = 4
_UNSURE = (p.CONDITION, p.PROMO, p.LEVEL, p.HIT, p.PROFIT, p.RESULT, p.FILLED)
_OPENING = 25
_SHORT_REPLY = 14
_ADVERT_LINES = 3
_CHATTING = 2
_NAMES = {p.LONG: ("long", "лонг", "多", "做多", "开多"), p.SHORT: ("short", "шорт", "空", "做空", "开空")}
_LEFT = frozenset({"exit price", "exit", "exit at", "closing price", "close price", "exited at"})
_BEYOND = (" above", " below", " over", " under")
_WAYS_OUT = ("cut at", "cut below", "cut above", "cut i", "out ", "exit ", "bail", "cover", "corte", "raus", "跌破")
"""Words that also tell how to leave a trade that is open: with nothing else they call none."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The verdict: a kind, how sure, why, and the update meant."""

    kind: Kind
    confidence: float
    reason: str
    update: Update | None = None


def weigh(
    reading: Reading,
    draft: Draft,
    updates: list[Update],
    symbols: list[Found],
    symbol: Found | None,
    side: tuple[Side | None, str],
) -> Evidence:
    """The kind of the message."""
    found = (
        _unreadable(reading)
        or _denied(reading, updates)
        or _other_business(reading, symbols)
        or _talk(reading, draft, symbol, updates)
        or _retold(reading, draft, updates)
        or _several(reading, draft, symbols)
        or _entry(reading, draft, symbol, updates, side)
        or _example(reading, draft, updates)
    )
    return found or _update(reading, updates, symbol)


def _talk(reading: Reading, draft: Draft, symbol: Found | None, updates: list[Update]) -> Evidence | None:
    named = symbol is not None and symbol.weight >= _COIN
    news = any(u.opens and (u.strength >= _TOLD or (u.what == "close" and named)) for u in updates)
    talks = bool(reading.parts[p.TALK]) and (named or not news)
    if (reading.questions and talks) or (not named and (reading.questions or talks)):
        return Evidence(Kind.NONE, 0.7, "talk about a trade, which asks or names no symbol")
    if reading.parts[p.TALK] >= _CHATTING and not draft.labelled and not (news and not reading.questions):
        return Evidence(Kind.NONE, 0.7, "talk among members")
    if reading.parts[p.FRAMED] and reading.recalled and (not named or not (reading.sides or news)):
        return Evidence(Kind.NONE, 0.7, "a lesson or an example")
    return None


def _several(reading: Reading, draft: Draft, symbols: list[Found]) -> Evidence | None:
    """Prices of several symbols, which can't be told apart."""
    pairs = {f.symbol for f in symbols if f.weight >= _SURE_SYMBOL}
    if len(pairs) > 1 and not draft.labelled:
        return Evidence(Kind.NONE, 0.7, "speaks of several symbols and labels no price")
    if {part for part, word, _ in reading.sides if word.low.endswith(_BEYOND)} == {p.LONG, p.SHORT}:
        return Evidence(Kind.NONE, 0.8, "names a level to act at for either side")
    priced = {f.part for f in reading.figures} & {p.LONG, p.SHORT}
    if len(priced) > 1 and _is_fork(reading):
        return Evidence(Kind.NONE, 0.8, "prices a long and a short")
    if len(priced) > 1 and sum(f.part == p.STOP for f in reading.figures) > 1 and reading.labels[p.STOP] > 1:
        return Evidence(Kind.NONE, 0.8, "holds a call for either side, each with its own stop")
    if _is_second_call(reading, symbols):
        return Evidence(Kind.NONE, 0.8, "holds calls for several symbols; each is read when it is posted by itself")
    coins = {f.symbol for f in symbols if f.weight >= _COIN}
    if len(coins) > 1 and len({part for part, _, _ in reading.sides}) > 1 and reading.labels[p.STOP] > 1:
        return Evidence(Kind.NONE, 0.8, "holds several signals; each is read when it is posted by itself")
    return None


def _is_fork(reading: Reading) -> bool:
    """Whether both a long and a short are named by those words: nobody leaves a long by a short, as one sells what was bought."""
    named = {part for part, word, _ in reading.sides if word.low.startswith(_NAMES[part])}
    return len(named) > 1


def _is_second_call(reading: Reading, symbols: list[Found]) -> bool:
    """Whether another symbol with a stop of its own follows the first stop: "EURUSD buy .. SL .., GBPUSD buy .. SL ..."."""
    stops = [f.token.start for f in reading.figures if f.part == p.STOP]
    named = [f for f in symbols if f.weight >= _COIN]
    if len(stops) < _LISTED or not named:
        return False
    above = {f.symbol for f in named if f.start < stops[0]}
    return bool(above) and any(stops[0] < f.start < stops[-1] and f.symbol not in above for f in named)


def _example(reading: Reading, draft: Draft, updates: list[Update]) -> Evidence | None:
    whole = draft.labelled == _FULL or all(reading.labels[part] for part in (p.ENTRY, p.TARGET, p.STOP))
    priced = draft.labelled == _FULL or bool(draft.entries) or draft.stop is not None
    if whole and priced and _is_recalled(reading, draft) and all(each.strength < 3 for each in updates):
        return Evidence(Kind.NONE, 0.75, "a full set of prices told as an example or a memory")
    return None


def _unreadable(reading: Reading) -> Evidence | None:
    return Evidence(Kind.NONE, 0.9, "a price is named that is no number") if reading.unreadable else None


def _denied(reading: Reading, updates: list[Update]) -> Evidence | None:
    """What calls itself no signal is none, wherever it says so; news told beside the denial stays news."""
    told = any(update.strength >= _TOLD and update.opens for update in updates)
    if reading.parts[p.DENIED] and not told:
        return Evidence(Kind.NONE, 0.9, "says itself that it is no signal")
    return None


def _other_business(reading: Reading, symbols: list[Found]) -> Evidence | None:
    """Lists of results and calls on binary options."""
    if reading.parts[p.BINARY] and not reading.labels[p.STOP]:
        return Evidence(Kind.NONE, 0.9, "a call on binary options, which has no price to enter at")
    if reading.options:
        return Evidence(Kind.NONE, 0.9, "a call on an option, whose prices are not its symbol's")
    pairs = {f.symbol for f in symbols if f.weight >= _PAIR}
    if len(pairs) >= _MANY_SYMBOLS:
        return Evidence(Kind.NONE, 0.9, f"names {len(pairs)} pairs: a list, not one signal")
    coins = len({f.symbol for f in symbols if f.weight >= _COIN})
    told = _bygone(reading, coins) or _tallied(reading, coins)
    if (
        told is None
        and not symbols
        and (reading.parts[p.RESULT] or reading.parts[p.ADVERT] or reading.parts[p.PROMO] > 1)
    ):
        return Evidence(Kind.NONE, 0.8, "names no symbol, and speaks of results or offers")
    return told


def _bygone(reading: Reading, coins: int) -> Evidence | None:
    """Trades of an earlier day, or of the author's own."""
    headed = reading.recalled and (reading.parts[p.RESULT] or reading.ticks > 1)
    if reading.parts[p.EARLIER] and (headed or (reading.parts[p.RESULT] and coins >= _LISTED)):
        return Evidence(Kind.NONE, 0.8, "a recap of an earlier day")
    if reading.personal and (reading.parts[p.HABIT] or reading.parts[p.EARLIER]):
        return Evidence(Kind.NONE, 0.8, "a story of trades of one's own")
    return None


def _tallied(reading: Reading, coins: int) -> Evidence | None:
    """Results that are counted or listed."""
    if reading.tallies > _LISTED and not reading.labels[p.STOP]:
        return Evidence(Kind.NONE, 0.85, "counts trades that were won and lost")
    if not reading.parts[p.RESULT]:
        return None
    if reading.tallies >= _LISTED:
        return Evidence(Kind.NONE, 0.85, "counts the trades of a day or a week")
    if reading.percents + reading.distances >= _LISTED and max(coins, len(reading.sides)) >= _LISTED:
        return Evidence(Kind.NONE, 0.85, "a list of past results")
    return None


def _retold(reading: Reading, draft: Draft, updates: list[Update]) -> Evidence | None:
    """A signal's words repeated to report how it went."""
    if updates and updates[0].what is None and updates[0].strength >= 3:
        return Evidence(Kind.UPDATE, 0.85, "a receipt of an execution, which asks for nothing", updates[0])
    ticked = [f for f in draft.targets if f.ticked]
    prices = len(draft.entries) + (draft.stop is not None)
    if ticked and (len(ticked) < len(draft.targets) or not prices or reading.parts[p.PROFIT]):
        level = max(f.place or at for at, f in enumerate(draft.targets, start=1) if f.ticked)
        return Evidence(
            Kind.UPDATE,
            0.85,
            f"the targets of an older signal with {level} of them ticked",
            Update("target_hit", level, 3, ticked[0].token),
        )
    lost = draft.stop is not None and not draft.targets and not draft.entries and reading.parts[p.LOSS]
    if draft.stop is not None and lost and not reading.questions and not reading.parts[p.CONDITION]:
        return Evidence(
            Kind.UPDATE,
            0.85,
            "the stop of an older signal with the loss it made",
            Update("stop_hit", None, 3, draft.stop.token),
        )
    if not updates and draft.stop is None and reading.parts[p.PROFIT] and any(f.said in _LEFT for f in draft.targets):
        return Evidence(Kind.NONE, 0.75, "the prices and the profit of a trade that is over")
    return _reported(reading, draft, updates) or _opens_with_news(reading, draft, updates)


def _reported(reading: Reading, draft: Draft, updates: list[Update]) -> Evidence | None:
    """Results among the prices of a signal, or an order about it that repeats its prices."""
    news = next((u for u in updates if u.strength >= 3 and u.what in _RESULTS), None)
    priced = bool(draft.entries or draft.stop) and not reading.parts[p.ADVERT]
    if news is not None and priced and not _is_instruction(reading, draft, news):
        return Evidence(Kind.UPDATE, 0.8, f"the prices of an older signal with what came of them: {news.what}", news)
    told = _ordered(reading, draft, updates) or _changed(reading, draft, updates)
    return Evidence(Kind.UPDATE, 0.8, f"an order about an older signal: {told.what}", told) if told else None


def _ordered(reading: Reading, draft: Draft, updates: list[Update]) -> Update | None:
    """The order that opens the text, that stands beside an entry alone, or that tells what was done with an entry's price."""
    opening = next((u for u in updates if u.what in _OPENERS and u.opens), None)
    bare = draft.entries and draft.stop is None and not reading.labels[p.TARGET] and not reading.questions
    entered = {f.value for f in draft.entries}
    beside = (
        u
        for u in updates
        if (bare and u.what in _LEAVING)
        or (u.done and entered)
        or (draft.stop is None and u.what == "move_stop" and u.stop_loss in entered)
    )
    return opening or next(beside, None)


def _changed(reading: Reading, draft: Draft, updates: list[Update]) -> Update | None:
    """The new stop of a trade whose side and entry are not told again: there is nothing to enter."""
    if draft.entries or reading.sides or reading.market or draft.stop is None:
        return None
    return next((u for u in updates if u.what == "move_stop" and u.stop_loss == draft.stop.value), None)


def _is_instruction(reading: Reading, draft: Draft, news: Update) -> bool:
    """Under a full set of prices, "TP1 hit = stop to entry" says what is to be done later."""
    last = max((f.token.end for f in (*draft.entries, *draft.targets, draft.stop) if f is not None), default=0)
    return draft.labelled == _FULL and news.token.start > last and not reading.gains and not reading.parts[p.PROFIT]


def _opens_with_news(reading: Reading, draft: Draft, updates: list[Update]) -> Evidence | None:
    first_price = min((f.token.start for f in (*draft.entries, *draft.targets)), default=None)
    paid = reading.parts[p.PROFIT] or reading.parts[p.LOSS]
    for update in updates:
        header = first_price is None or update.token.start < first_price
        if (
            header
            and update.what is not None
            and (update.strength >= 3 or (paid and update.what in _ENDS and not reading.questions))
            and (paid or first_price is None or not draft.stop or update.what == "move_stop")
        ):
            return Evidence(Kind.UPDATE, 0.8, f"opens with news of an older signal: {update.what}", update)
    return None


def _entry(
    reading: Reading, draft: Draft, symbol: Found | None, updates: list[Update], sided: tuple[Side | None, str]
) -> Evidence | None:
    side, known = sided
    if symbol is None or side is None or (known == "prices" and draft.labelled <= 1 and not reading.sides):
        return None
    if draft.unread or _is_doubtful(draft, side) or _is_asked(reading, draft) or _is_recalled(reading, draft):
        return None
    if side.value.lower() in reading.refused or _is_half_read(reading, draft):
        return None
    if unexplained_loss(reading, draft, side):
        return None
    leaves = bool(draft.targets) + (draft.stop is not None)
    if (draft.entries or reading.market) and leaves and not _is_prose(reading, draft):
        written = 0.05 * (symbol.weight >= _PAIR) + 0.05 * (known == "written")
        sure = min(0.6 + 0.1 * leaves + 0.1 * bool(draft.entries) + written, 0.98)
        return Evidence(Kind.ENTRY, sure, "names a symbol, a side and the prices to enter and leave at")
    if symbol.weight < _SURE_SYMBOL or updates or reading.questions:
        return None
    return _short_call(reading, draft, leaves)


def _is_half_read(reading: Reading, draft: Draft) -> bool:
    """Whether prices are left over where some are missing: between stop and target with no entry read, or many entries with no
    target though targets are named."""
    if not draft.targets:
        return len(draft.entries) > _LISTED and (bool(reading.labels[p.TARGET]) or _leads_away(draft))
    if draft.entries or reading.market or draft.stop is None:
        return False
    low, high = sorted((draft.stop.value, draft.targets[0].value))
    return any(low < f.value < high for f in reading.figures if f.part in ("", p.NOTE))


def _leads_away(draft: Draft) -> bool:
    """Whether several prices to enter at run away from the stop, one behind the other: they may hold the targets."""
    if draft.stop is None:
        return False
    stop = draft.stop.value
    steps = [abs(f.value - stop) for f in draft.entries]
    return (
        all(after > before for before, after in pairwise(steps)) and len({f.value > stop for f in draft.entries}) == 1
    )


def _short_call(reading: Reading, draft: Draft, leaves: int) -> Evidence | None:
    """A call that names less than all three prices: `leaves` of targets and stop, and perhaps an entry."""
    if leaves == 2 and draft.labelled == 2 and not _is_prose(reading, draft):
        return Evidence(Kind.ENTRY, 0.7, "names a symbol, a side, targets and a stop, with no price to enter at")
    far = reading.distances >= _LISTED and not reading.gains and not draft.targets and draft.stop is None
    far = far and not any(reading.parts[part] for part in (p.HIT, p.RESULT, p.PAST, p.PROFIT))
    if far and draft.entries and reading.labels[p.TARGET] and reading.labels[p.STOP] and not _is_prose(reading, draft):
        return Evidence(Kind.ENTRY, 0.6, "names a symbol, a side and an entry; targets and stop are told as distances")
    if reading.unknown_words > _CHATTY or any(reading.parts[part] for part in _UNSURE):
        return None
    if leaves and not _may_be_open(draft):
        return Evidence(Kind.ENTRY, 0.55, "names a symbol, a side and a price to leave at")
    if _is_bare_call(reading, draft):
        return Evidence(Kind.ENTRY, 0.55, "names a symbol, a side and a price to enter at, and nothing else")
    return None


def _may_be_open(draft: Draft) -> bool:
    """Whether all that is priced is a way out, told in words that fit a trade which is open ("out below 98000")."""
    ways = [*draft.targets, *([draft.stop] if draft.stop else [])]
    return not draft.entries and all(figure.said.startswith(_WAYS_OUT) for figure in ways)


def _is_bare_call(reading: Reading, draft: Draft) -> bool:
    """An entry price and nothing else is believed where it is labelled, or where the text says nothing but it."""
    if not draft.entries or reading.parts[p.NOT]:
        return False
    if draft.entry_kind in (p.ENTRY, p.PRICE):
        return reading.unknown_words <= _TERSE
    alone = len(reading.figures) == 1 and reading.lines <= _ADVERT_LINES
    return alone and not reading.unknown_words and draft.entry_kind in (p.LONG, p.SHORT, AT)


def _is_doubtful(draft: Draft, side: Side) -> bool:
    """Prices that bear hardly any label and lie on the wrong side of each other: figures of a text, not of a call."""
    by_price = side_by_prices(draft)
    priced = bool(draft.entries) and (bool(draft.targets) or draft.stop is not None)
    return draft.labelled <= 1 and priced and by_price is not side


def _is_asked(reading: Reading, draft: Draft) -> bool:
    """Somebody asks about the entry, or asks or tells of a trade of their own."""
    if any(figure.asked for figure in draft.entries) or (reading.figures and reading.figures[-1].asked):
        return True
    return draft.labelled <= 1 and bool(reading.questions or reading.parts[p.TALK] >= 2)


def _is_recalled(reading: Reading, draft: Draft) -> bool:
    """A trade of the past, an example, or one still waited for: opens so, or speaks so and has no full set of prices."""
    if reading.recalled or reading.supposed >= _LISTED:
        return True
    if reading.headed_result and (reading.gains or any(f.ticked for f in draft.targets)):
        return True
    if reading.parts[p.RESULT] and draft.stop is None and reading.percents:
        return True
    return (draft.labelled < 3 and bool(reading.parts[p.PAST])) or (draft.labelled <= 1 and bool(reading.gains))


def _is_prose(reading: Reading, draft: Draft) -> bool:
    """Running text about a market rather than a call: many plain words or conditions, few labelled prices."""
    if draft.labelled >= 3:
        return False
    if reading.conditional:
        return True
    doubts = reading.parts[p.CONDITION] + reading.parts[p.LEVEL] + 2 * reading.questions
    if draft.labelled == 2:
        return reading.unknown_words > 60 and doubts > 6
    return reading.unknown_words > _PROSE or doubts >= (
        2 if reading.unknown_words >= _CHATTY or reading.parts[p.CONDITION] > 1 else 3
    )


def _update(reading: Reading, updates: list[Update], symbol: Found | None) -> Evidence:
    known = symbol is not None and symbol.weight >= _SURE_SYMBOL
    if reading.parts[p.ADVERT] and reading.parts[p.PROMO] and reading.lines <= _ADVERT_LINES:
        return Evidence(Kind.NONE, 0.7, "an advert that boasts of a past signal")
    update = next((u for u in updates if _is_believed(reading, u, known=known)), None)
    if update is None:
        return Evidence(Kind.NONE, 0.75, "holds neither a signal nor news of one")
    if update.what is None:
        return Evidence(Kind.UPDATE, 0.6, "tells of an entry that was filled", update)
    return Evidence(Kind.UPDATE, 0.8 if known else 0.65, f"tells of an older signal: {update.what}", update)


def _is_believed(reading: Reading, update: Update, *, known: bool) -> bool:
    """Whether the text is about this news: weak news needs a symbol or a short text that asks nothing and sets no condition,
    strong news and what opens a text bear more words around them."""
    early = update.token.start < _OPENING
    weak = update.strength < _TOLD
    if weak and (reading.questions or reading.conditional):
        return False
    if weak and not known and update.token.start > _OPENING // 2:
        late = update.token.start > _OPENING
        if reading.parts[p.CONDITION] or (late and reading.unknown_words > _SHORT_REPLY):
            return False
    return reading.unknown_words <= (_PROSE // 2 + 2 if weak and not early else _PROSE)
