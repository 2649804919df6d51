"""Text in, parse out: normalise, cut, label, read, then decide the kind by evidence and fill the fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from modules.domain.parses import Kind, Parse, Span
from modules.domain.sides import Side
from modules.signals.dialects import DEFAULT, Dialect
from modules.signals.parsing import parts as p
from modules.signals.parsing.entries import Draft, draft_of, is_span, leverage_of, order_of, side_of
from modules.signals.parsing.evidence import Evidence, weigh
from modules.signals.parsing.lexicon import label_phrases, lexicon
from modules.signals.parsing.normalise import Normalised, normalise
from modules.signals.parsing.numbers import join_spaced, read_numbers, settle_separators
from modules.signals.parsing.reading import Reader, Reading
from modules.signals.parsing.symbols import FLOORS, Found, beside_side, find_symbols
from modules.signals.parsing.tokens import Token, tokenise
from modules.signals.parsing.updates import Update, UpdateReader, age_of


@dataclass(frozen=True, slots=True)
class Message:
    """A message on the way to its parse: its spelling, tokens, symbols, figures and what may have happened."""

    normal: Normalised
    tokens: list[Token]
    symbols: list[Found]
    symbol: Found | None
    reading: Reading
    draft: Draft
    updates: list[Update]


_CERTAIN = 6
"""Weight from which a symbol needs no side beside it."""


def parse(text: str, dialect: Dialect | None = None) -> Parse:
    """What the message says. Never raises; the reason names the evidence for the kind."""
    dialect = dialect or DEFAULT
    message = _understand(text, dialect)
    evidence = weigh(message.reading, message.draft, message.updates, message.symbols, message.symbol)
    if evidence.kind is Kind.ENTRY:
        return _entry(message, evidence, dialect)
    if evidence.kind is Kind.UPDATE:
        return _update(message, evidence)
    return Parse(Kind.NONE, confidence=evidence.confidence, reason=evidence.reason, age_seconds=age_of(message.normal.text.lower()))


def _understand(text: str, dialect: Dialect) -> Message:
    normal = normalise(text)
    symbols = find_symbols(normal.text, dialect.default_quote)
    symbol = max(symbols, key=lambda f: (f.weight, -f.start), default=None)
    if symbol is None or symbol.weight < _CERTAIN:
        beside = beside_side(normal.text, dialect.default_quote)
        symbol = beside or symbol
        symbols = [*symbols, beside] if beside else symbols
    taken = sorted((f.start, f.end) for f in symbols if f.weight >= 5)
    tokens = tokenise(normal.text)
    floor = FLOORS.get(symbol.symbol[:3]) if symbol else None
    tokens = join_spaced(tokens)
    tokens = read_numbers(tokens, settle_separators(tokens, Decimal(floor) if floor else None))
    tokens = label_phrases(tokens, lexicon(dialect.words), taken)
    reading = Reader(tokens).read()
    draft = draft_of(reading, symbol, normal.text)
    return Message(normal, tokens, symbols, symbol, reading, draft, UpdateReader(tokens).read())


def _entry(message: Message, evidence: Evidence, dialect: Dialect) -> Parse:
    draft, reading, symbol = message.draft, message.reading, message.symbol
    side, _ = side_of(reading, draft)
    leverage_token, leverage, leverage_max = leverage_of(reading)
    spans = [_span(message, "symbol", symbol.start, symbol.end)] if symbol else []
    for part, token, _ in reading.sides:
        if side is not None and part == side.value.lower():
            spans.append(_span(message, "side", token.start, token.end))
            break
    spans += [_span(message, "entries", f.token.start, f.token.end) for f in draft.entries]
    spans += [_span(message, "targets", f.token.start, f.token.end) for f in draft.targets]
    if draft.stop:
        spans.append(_span(message, "stop_loss", draft.stop.token.start, draft.stop.token.end))
    if leverage_token is not None:
        spans.append(_span(message, "leverage", leverage_token.start, leverage_token.end))
    return Parse(
        Kind.ENTRY,
        symbol=symbol.symbol if symbol else dialect.default_symbol,
        side=side,
        order=order_of(reading, draft, message.normal.text),
        entries=_distinct(f.value for f in draft.entries),
        entry_range=is_span(draft.entries),
        targets=_distinct(f.value for f in draft.targets),
        stop_loss=draft.stop.value if draft.stop else None,
        leverage=leverage,
        leverage_max=leverage_max,
        confidence=evidence.confidence,
        reason=evidence.reason,
        spans=tuple(spans),
        age_seconds=age_of(message.normal.text.lower()),
    )


def _distinct(values: Iterable[Decimal]) -> tuple[Decimal, ...]:
    return tuple(dict.fromkeys(values))


def _update(message: Message, evidence: Evidence) -> Parse:
    update, symbol = evidence.update, message.symbol
    spans = [_span(message, "symbol", symbol.start, symbol.end)] if symbol else []
    if update is not None:
        spans.append(_span(message, "update", update.token.start, update.token.end))
    return Parse(
        Kind.UPDATE,
        symbol=symbol.symbol if symbol else None,
        update=update.what if update else None,
        update_level=update.level if update else None,
        stop_loss=update.stop_loss if update else None,
        confidence=evidence.confidence,
        reason=evidence.reason,
        spans=tuple(spans),
        age_seconds=age_of(message.normal.text.lower()),
        opposite_direction=any(p.OPPOSITE in token.parts for token in message.tokens),
    )


def _span(message: Message, name: str, start: int, end: int) -> Span:
    start, end = message.normal.origin(start, end)
    return Span(name, start, end, message.normal.original[start:end])
