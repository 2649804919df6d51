"""Find the vocabulary's phrases in a row of tokens.

The words of all languages live in one trie; the longest phrase wins. A phrase may play several parts: its `label` is the part
that matters for reading prices, `parts` are all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from modules.signals.parsing import parts as p
from modules.signals.parsing import words_en_ru, words_more, words_other
from modules.signals.parsing.normalise import fold
from modules.signals.parsing.spelling import mended
from modules.signals.parsing.tokens import UNIT, T, Token, tokenise

Trie = dict[str, Any]

_FIRST = (
    p.ENTRY, p.TARGET, p.STOP, p.LONG_LIMIT, p.SHORT_LIMIT, p.LONG, p.SHORT, p.LEVERAGE, p.EXIT, p.MARKET, p.LEVEL, p.PROFIT, p.LOSS,
    p.NOTE, p.TRAIL, p.MAYBE_ENTRY, p.MAYBE_TARGET, p.MAYBE_STOP, p.PRICE, p.LIMIT, p.SYMBOL, p.TERM, p.TYPE, p.SIGNAL,
)  # fmt: skip
_RANK = {part: rank for rank, part in enumerate(_FIRST)}
_JOINTS = frozenset("-_'.&")
_ENDS = ""


def _insert(trie: Trie, phrase: str, part: str) -> None:
    words = [token.low for token in tokenise(fold(phrase)) if token.type is not T.SIGN]
    node = trie
    for word in words:
        node = node.setdefault(word, {})
    parts: set[str] = node.setdefault(_ENDS, set())
    parts.add(part)


def _tables() -> Iterable[Mapping[str, str]]:
    yield from words_en_ru.TABLES.values()
    yield from words_other.TABLES.values()
    yield from words_more.TABLES.values()


def _settle(trie: Trie) -> None:
    """Replace each phrase's set of parts by (label, parts)."""
    for word, node in trie.items():
        if word == _ENDS:
            label = min(node, key=lambda part: _RANK.get(part, len(_RANK)))
            if label not in _RANK:
                label = p.FILLER if p.FILLER in node else "word"
            trie[_ENDS] = (label, frozenset(node))
        else:
            _settle(node)


@lru_cache(maxsize=64)
def lexicon(extra: tuple[tuple[str, str], ...] = ()) -> Trie:
    """The trie of all languages, with a channel's own (part, "phrase|phrase") pairs added."""
    trie: Trie = {}
    for table in _tables():
        for part, phrases in table.items():
            for phrase in phrases.split("|"):
                if phrase.strip():
                    _insert(trie, phrase, part)
    for part, phrases in extra:
        for phrase in phrases.split("|"):
            _insert(trie, phrase, part)
    _settle(trie)
    return trie


def is_vocabulary(word: str) -> bool:
    """Whether the word, in lower case, is a phrase of its own in the vocabulary of any language."""
    return _ENDS in lexicon().get(word, {})


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Every word of every phrase."""
    words: set[str] = set()
    open_nodes: list[Trie] = [lexicon()]
    while open_nodes:
        for word, node in open_nodes.pop().items():
            if word != _ENDS:
                words.add(word)
                open_nodes.append(node)
    return frozenset(words)


def _mend(tokens: list[Token]) -> None:
    """Spell words right that are a slip of a long label."""
    known = _vocabulary()
    for token in tokens:
        if token.type is T.WORD and token.low not in known and (label := mended(token.low)) is not None:
            token.low = label


def label_phrases(tokens: list[Token], trie: Trie, taken: list[tuple[int, int]]) -> list[Token]:
    """Join the tokens of each phrase into one labelled token. Tokens inside `taken` spans (symbols) become plain signs."""
    _mend(tokens)
    result: list[Token] = []
    count = len(tokens)
    at = 0
    spans = iter(taken)
    span = next(spans, None)
    while at < count:
        token = tokens[at]
        while span is not None and span[1] <= token.start:
            span = next(spans, None)
        if span is not None and span[0] <= token.start < span[1]:
            if result and result[-1].label == p.SYMBOL and result[-1].width == 0 and result[-1].end >= span[0]:
                result[-1].end = token.end
            else:
                token.type, token.label, token.width = T.WORD, p.SYMBOL, 0
                token.parts = frozenset()
                result.append(token)
            at += 1
            continue
        node = trie.get(token.low) if token.type is T.WORD else None
        if node is not None:
            at = _join(tokens, at, node)
        else:
            at += 1
        result.append(token)
    return result


def _join(tokens: list[Token], at: int, node: Trie) -> int:
    """Label the token at `at` with the longest phrase that starts there; returns the index after it."""
    token = tokens[at]
    unit = token.label == UNIT
    found: tuple[str, frozenset[str]] | None = node.get(_ENDS)
    after = last = at + 1
    count = len(tokens)
    while last < count:
        follower = tokens[last]
        if (
            follower.type is T.SIGN
            and follower.text in _JOINTS
            and follower.glued
            and last + 1 < count
            and tokens[last + 1].glued
        ):
            last += 1
            follower = tokens[last]
        if follower.type is not T.WORD and follower.type is not T.NUMBER:
            break
        deeper: Trie | None = node.get(follower.low)
        if deeper is None:
            break
        node = deeper
        last += 1
        if _ENDS in node:
            found, after = node[_ENDS], last
    if found is not None:
        label, token.parts = found
        token.label = UNIT if unit and after == at + 1 else label
        token.width = after - at
        if after > at + 1:
            token.end = tokens[after - 1].end
            token.low = " ".join(t.low for t in tokens[at:after] if t.type is not T.SIGN)
    return after
