"""The tone of a headline by a lexicon of finance and crypto words, with negation, intensity and a few turns of phrase.

Deterministic and readable: every score names the words it came from. It knows nothing of who is quoted or of irony.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modules.analysis.detectors.lexicon import (
    BURDENS,
    LONGEST_PHRASE,
    MOVES,
    NEGATORS,
    PHRASES,
    RELIEVERS,
    STRONGER,
    THINGS,
    WEAKER,
    WORDS,
)

_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|\d+(?:\.\d+)?%?|[?!]")
NEGATED = -0.6
REACH = 3
"""How many words a negation, an adverb or a burden reaches."""

HALF_SCORE = 2.5
"""A sum of tones at which the score is one half."""

_ASIDES = frozenset({"despite", "amid", "amidst", "although", "though", "following", "after", "notwithstanding"})
_CONTRARY = frozenset({"despite", "although", "though", "notwithstanding"})
_TURNS = frozenset({"but", "however", "yet"})


@dataclass(frozen=True, slots=True)
class Tone:
    """`score` from -1 to 1, and the words with what each added."""

    score: float
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Found:
    words: str
    tone: float
    start: int
    end: int
    move: bool


def tone_of(title: str) -> Tone:
    """The tone of one headline; 0 without words for one that has none in the lexicon."""
    tokens = _WORD.findall(title.lower().replace("’", "'"))
    found = _matches(tokens)
    weights = _places(tokens)
    told: list[tuple[str, float]] = []
    for each in found:
        value = _value(each, tokens, found) * weights[each.start]
        if value:
            told.append((each.words, value))
    total = sum(value for _, value in told)
    if tokens and tokens[-1] == "?":
        total *= 0.5
    return Tone(total / (abs(total) + HALF_SCORE), tuple(told))


def lookup(word: str, table: Mapping[str, float]) -> float | None:
    """The tone of a word or of its plain form; None when the table has neither."""
    if word in table:
        return table[word]
    for stem in _stems(word):
        if len(stem) >= 3 and stem in table:
            return table[stem]
    return None


def _stems(word: str) -> list[str]:
    stems: list[str] = []
    if word.endswith("'s"):
        word = word[:-2]
        stems.append(word)
    for ending in ("s", "es", "ed", "d", "ing"):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            stems += [stem, stem + "e"]
            if len(stem) > 3 and stem[-1] == stem[-2]:
                stems.append(stem[:-1])
    if word.endswith(("ies", "ied")):
        stems.append(word[:-3] + "y")
    return stems


def _matches(tokens: list[str]) -> list[_Found]:
    """Phrases first, the longest at each place; then single words."""
    found: list[_Found] = []
    at = 0
    while at < len(tokens):
        for length in range(min(LONGEST_PHRASE, len(tokens) - at), 1, -1):
            phrase = tuple(tokens[at : at + length])
            if phrase in PHRASES:
                found.append(_Found(" ".join(phrase), PHRASES[phrase], at, at + length, move=False))
                at += length
                break
        else:
            tone = lookup(tokens[at], WORDS)
            if tone is not None:
                move = tokens[at] not in THINGS and lookup(tokens[at], MOVES) is not None
                found.append(_Found(tokens[at], tone, at, at + 1, move))
            at += 1
    return found


def _places(tokens: list[str]) -> list[float]:
    """How much each place counts: what follows "but" more than what came before, what follows "despite" little."""
    weights = [1.0] * len(tokens)
    for at, token in enumerate(tokens):
        if token in _TURNS:
            weights = [weight * 0.5 if place < at else weight for place, weight in enumerate(weights)]
        if token in _ASIDES:
            share = 0.25 if token in _CONTRARY else 0.6
            weights = [weight * share if place > at else weight for place, weight in enumerate(weights)]
    return weights


def _value(each: _Found, tokens: list[str], found: list[_Found]) -> float:
    value = each.tone
    if each.move and _moves_a_burden(each, tokens):
        value = -value
    elif not each.move and tokens[each.start] in BURDENS and _is_moved(each, found):
        return 0.0  # the word that moves it tells of it
    before = tokens[max(0, each.start - REACH) : each.start]
    for token in before:
        value *= STRONGER.get(token, WEAKER.get(token, 1.0))
    if each.end < len(tokens):
        value *= STRONGER.get(tokens[each.end], 1.0)
    undone = each.tone < 0 and _is_relieved(each, tokens, before)
    if undone or any(token in NEGATORS for token in before):
        value *= NEGATED
    return value


def _moves_a_burden(each: _Found, tokens: list[str]) -> bool:
    before = tokens[max(0, each.start - 2) : each.start]
    after = tokens[each.end : each.end + 1]
    if each.words in BURDENS or each.words in RELIEVERS:
        return False
    return any(token in BURDENS for token in (*before, *after))


def _is_relieved(each: _Found, tokens: list[str], before: list[str]) -> bool:
    """Whether a word that undoes bad things stands shortly before, or right after what was taken."""
    return any(token in RELIEVERS for token in (*before, *tokens[each.end : each.end + 2]))


def _is_moved(each: _Found, found: list[_Found]) -> bool:
    """Whether a word of moving stands next to a burden, or with one word between when it comes after."""
    movers = (one for one in found if one.move and one is not each and one.words not in BURDENS)
    return any(0 <= each.start - one.end < 1 or 0 <= one.start - each.end < 2 for one in movers)
