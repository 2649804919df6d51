"""Slips of the pen in long labels: "STOPLOS", "TAKE PROFFIT", "leverge".

Only long words are mended, only by one stroke (a letter left out, added, changed, or two exchanged) and only where the first
letter is right: what is short, or further off, may be another word.
"""

from __future__ import annotations

from functools import lru_cache

_LABELS = (
    "stoploss", "takeprofit", "target", "targets", "profit", "profits", "leverage", "breakeven", "entries", "objetivo",
    "objetivos", "objectif", "objectifs", "obiettivo", "obiettivi", "einstieg", "kursziel", "entrada", "entradas", "ingresso",
    "alavancagem", "apalancamiento", "kaldirac", "wejscie", "стоплосс", "тейкпрофит",
)  # fmt: skip
_OTHER_WORDS = frozenset({"profil", "profile", "profite", "profita", "profiti", "entrado"})
"""Words of their own that one stroke parts from a label: "profil" is a profile."""

_SHORTEST = 6
_LONGEST = max(map(len, _LABELS)) + 1
_BY_LETTER: dict[str, tuple[str, ...]] = {
    letter: tuple(label for label in _LABELS if label[0] == letter) for letter in {label[0] for label in _LABELS}
}


@lru_cache(maxsize=4096)
def mended(word: str) -> str | None:
    """The label that an unknown word, in lower case, is a slip of; None where it is none."""
    if not _SHORTEST <= len(word) <= _LONGEST or word in _OTHER_WORDS:
        return None
    return next((label for label in _BY_LETTER.get(word[0], ()) if _one_stroke_off(word, label)), None)


def _one_stroke_off(word: str, label: str) -> bool:
    """Whether one letter left out, added or changed, or two neighbours exchanged, make the label of the word."""
    if abs(len(word) - len(label)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(word, label, strict=False)) if a != b), min(len(word), len(label)))
    swapped = word[at : at + 2] == label[at : at + 2][::-1] and word[at + 2 :] == label[at + 2 :]
    tails = {(at + 1, at), (at, at + 1), (at + 1, at + 1)}
    return swapped or any(word[i:] == label[j:] for i, j in tails)
