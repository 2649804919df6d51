"""Text in, parse out: normalise, cut, label, read, then decide the kind by evidence and fill the fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from modules.domain.parses import Kind, Parse, Span
from modules.domain.sides import Side
from modules.signals.dialects import DEFAULT, Dialect
from modules.signals.parsing import parts as p
from modules.signals.parsing.ages import age_of
from modules.signals.parsing.entries import Draft, draft_of, is_span, leverage_of, order_of, side_of
from modules.signals.parsing.evidence import Evidence, weigh
from modules.signals.parsing.layout import labels_first
from modules.signals.parsing.lexicon import label_phrases, lexicon
from modules.signals.parsing.normalise import Normalised, fold, language_of, normalise
from modules.signals.parsing.numbers import join_spaced, read_numbers, settle_separators
from modules.signals.parsing.proof import prove
from modules.signals.parsing.reading import Reader
from modules.signals.parsing.symbols import Found, beside_side, bounds_of, find_symbols, spoken_of
from modules.signals.parsing.tokens import Token, tokenise
from modules.signals.parsing.updates import Update, UpdateReader
from modules.signals.parsing.walk import Figure, Reading

_CERTAIN = 6
"""Weight from which a symbol needs no side beside it."""

_NAMED = 4
"""Weight of a name that is known: a word nobody knows does not outrank it."""

_TAKEN = 5
"""Weight from which the words of a symbol play no other part."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message on the way to its parse: its spelling, tokens, symbols, figures and what may have happened."""

    normal: Normalised
    tokens: list[Token]
    symbols: list[Found]
    symbol: Found | None
    reading: Reading
    draft: Draft
    side: tuple[Side | None, str]
    updates: list[Update]
    age: int | None


def parse(text: str, dialect: Dialect | None = None) -> Parse:
    """What the message says. Never raises; the reason names the evidence for the kind."""
    dialect = dialect or DEFAULT
    message = _understand(text, dialect)
    evidence = weigh(message.reading, message.draft, message.updates, message.symbols, message.symbol, message.side)
    if evidence.kind is Kind.ENTRY and not dialect.never_entries:
        return _entry(message, evidence, dialect)
    if evidence.kind is Kind.UPDATE:
        return _update(message, evidence, dialect)
    reason = "this channel's calls are never traded" if evidence.kind is Kind.ENTRY else evidence.reason
    return Parse(
        Kind.NONE,
        confidence=evidence.confidence,
        reason=reason,
        age_seconds=message.age,
        language=language_of(message.normal.text),
    )


def _understand(text: str, dialect: Dialect) -> Message:
    normal = normalise(text)
    if dialect.drop_after:
        normal = _without_footer(normal, dialect)
    symbols, symbol = _symbols(normal.text, dialect)
    taken = sorted((f.start, f.end) for f in symbols if f.weight >= _TAKEN)
    floor, ceiling = bounds_of(symbol.symbol) if symbol else (None, None)
    tokens = join_spaced(tokenise(normal.text), normal.text)
    tokens = read_numbers(tokens, settle_separators(tokens, floor, ceiling))
    tokens = labels_first(label_phrases(tokens, lexicon(dialect.words), taken))
    reading = Reader(tokens).read()
    draft = draft_of(reading, symbol, normal.text)
    updates = UpdateReader(tokens).read()
    if (proof := prove(reading, draft, tokens, symbols, updates)) is not None:
        draft, updates = proof.draft, proof.updates
    side, how = side_of(reading, draft)
    if side is None and dialect.default_side is not None:
        side, how = dialect.default_side, "dialect"
    return Message(
        normal,
        tokens,
        symbols,
        symbol,
        reading,
        draft,
        (side, how),
        updates,
        age_of(normal.text.lower()),
    )


def _symbols(text: str, dialect: Dialect) -> tuple[list[Found], Found | None]:
    """All symbols, and the one that the message is about."""
    symbols = find_symbols(text, dialect.default_quote)
    symbol = max(symbols, key=lambda f: (f.weight, -f.start), default=None)
    if symbol is None or symbol.weight < _CERTAIN:
        named = symbol is not None and symbol.weight >= _NAMED
        beside = beside_side(text, dialect.default_quote, only_known=named)
        if beside is not None:
            return [*symbols, beside], beside
    if symbol is None and dialect.default_symbol is not None:
        symbol = Found(dialect.default_symbol, 0, 0, _CERTAIN)
    return symbols, symbol


def _without_footer(normal: Normalised, dialect: Dialect) -> Normalised:
    low = normal.text.lower()
    cuts = [at for phrase in dialect.drop_after if (at := low.find(fold(phrase))) >= 0]
    return Normalised(normal.text[: min(cuts)], normal.original, normal.origins) if cuts else normal


def _entry(message: Message, evidence: Evidence, dialect: Dialect) -> Parse:
    draft, reading, symbol = message.draft, message.reading, message.symbol
    side, _ = message.side
    leverage_token, leverage, leverage_max = leverage_of(reading)
    return Parse(
        Kind.ENTRY,
        symbol=symbol.symbol if symbol else None,
        side=side,
        order="market" if dialect.market_entries else order_of(reading, draft, message.normal.text),
        entries=_distinct(draft.entries),
        entry_range=is_span(draft.entries),
        targets=_distinct(draft.targets),
        stop_loss=draft.stop.value if draft.stop else None,
        leverage=leverage,
        leverage_max=leverage_max,
        confidence=evidence.confidence,
        reason=evidence.reason,
        spans=tuple(_entry_spans(message, leverage_token)),
        age_seconds=message.age,
        language=language_of(message.normal.text),
    )


def _entry_spans(message: Message, leverage: Token | None) -> Iterator[Span]:
    draft, symbol = message.draft, message.symbol
    if symbol is not None and symbol.end > symbol.start:
        yield _span(message, "symbol", symbol.start, symbol.end)
    side = message.side[0]
    word = next(
        (token for part, token, _ in message.reading.sides if side is not None and part == side.value.lower()), None
    )
    if word is not None:
        yield _span(message, "side", word.start, word.end)
    for name, figures in (
        ("entries", draft.entries),
        ("targets", draft.targets),
        ("stop_loss", [draft.stop] if draft.stop else []),
    ):
        for figure in figures:
            yield _span(message, name, figure.token.start, figure.token.end)
    if leverage is not None:
        yield _span(message, "leverage", leverage.start, leverage.end)


def _distinct(figures: Iterable[Figure]) -> tuple[Decimal, ...]:
    return tuple(dict.fromkeys(figure.value for figure in figures))


def _update(message: Message, evidence: Evidence, dialect: Dialect) -> Parse:
    update = evidence.update
    symbol = message.symbol or spoken_of(message.normal.text, dialect.default_quote)
    side, how = message.side
    spans = [_span(message, "symbol", symbol.start, symbol.end)] if symbol and symbol.end > symbol.start else []
    if update is not None:
        spans.append(_span(message, "update", update.token.start, update.token.end))
    share = update.share if update else None
    if share is not None:
        spans.append(_span(message, "close_share", share.start, share.end))
    return Parse(
        Kind.UPDATE,
        symbol=symbol.symbol if symbol else None,
        side=side if how == "written" else None,
        update=update.what if update else None,
        update_level=update.level if update else None,
        close_share=share.value if share else None,
        stop_loss=update.stop_loss if update else None,
        confidence=evidence.confidence,
        reason=evidence.reason,
        spans=tuple(spans),
        age_seconds=message.age,
        opposite_direction=any(p.OPPOSITE in token.parts for token in message.tokens),
        language=language_of(message.normal.text),
    )


def _span(message: Message, name: str, start: int, end: int) -> Span:
    start, end = message.normal.origin(start, end)
    return Span(name, start, end, message.normal.original[start:end])
