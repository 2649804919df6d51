"""Cuts a text into pieces that Telegram takes, keeping its HTML well formed in every piece.

Telegram counts the visible characters in UTF-16 units: 4096 in a message, 1024 in a caption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
_TOKEN = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-zA-Z]+|#\d+|#x[0-9a-fA-F]+);|[^<&]+|[<&]")


def units(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


def visible_units(text: str, html: bool) -> int:
    """Length of what a reader sees."""
    if not html:
        return units(text)
    return sum(units(unescape(token)) for token in _TOKEN.findall(text) if not _is_tag(token))


def split_text(text: str, html: bool, longest: int = LONGEST_TEXT) -> list[str]:
    """The text in pieces of at most `longest` visible units, cut at a line's end, else at a space, else anywhere."""
    if visible_units(text, html) <= longest:
        return [text]
    cutter = _Cutter(longest)
    for token in _TOKEN.findall(text) if html else [text]:
        if html and _is_tag(token):
            cutter.tag(token)
        elif html and token.startswith("&") and len(token) > 1:
            cutter.whole(token, units(unescape(token)))
        else:
            cutter.words(token)
    return cutter.finish()


def _is_tag(token: str) -> bool:
    return token.startswith("<") and token.endswith(">")


@dataclass
class _Cutter:
    longest: int
    pieces: list[str] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    current: str = ""
    used: int = 0

    def tag(self, tag: str) -> None:
        """Takes one tag of the text."""
        self.current += tag
        if tag.startswith("</"):
            if self.open_tags:
                self.open_tags.pop()
        else:
            self.open_tags.append(tag)

    def whole(self, token: str, size: int) -> None:
        if self.used + size > self.longest:
            self._cut()
        self.current += token
        self.used += size

    def words(self, text: str) -> None:
        """Takes words between tags, cutting where the text is full."""
        while self.used + units(text) > self.longest:
            head = _fitting(text, self.longest - self.used)
            at = _best_cut(head, text, self.used > 0)
            self.current += text[:at].rstrip()
            text = text[at:].lstrip()
            self._cut()
        self.current += text
        self.used += units(text)

    def finish(self) -> list[str]:
        if self.used:
            self.pieces.append(self.current)
        return [piece for piece in self.pieces if piece.strip()]

    def _cut(self) -> None:
        closing = "".join(f"</{_name(tag)}>" for tag in reversed(self.open_tags))
        self.pieces.append(self.current.rstrip() + closing)
        self.current = "".join(self.open_tags)
        self.used = 0


def _fitting(text: str, room: int) -> str:
    """The longest head of the text that fits; never half of a character outside the basic plane."""
    head = text[:room]
    while units(head) > room:
        head = head[: len(head) - max(1, (units(head) - room) // 2)]
    return head


def _best_cut(head: str, text: str, something_before: bool) -> int:
    if text[len(head)].isspace():
        return len(head)
    line = head.rfind("\n")
    if line > len(head) // 2:
        return line + 1
    space = head.rfind(" ")
    if space >= 0:
        return space + 1
    # A word is only torn when it does not fit into a piece of its own.
    return 0 if something_before else len(head)


def _name(tag: str) -> str:
    return tag[1:-1].split(maxsplit=1)[0]
