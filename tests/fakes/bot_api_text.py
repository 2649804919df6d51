"""How Telegram judges a text: its visible length in UTF-16 units and whether its HTML is well formed."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

ALLOWED = {
    *("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji"),
    *("code", "pre", "blockquote"),
}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.visible = ""
        self.problem: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.problem = f'can\'t parse entities: unsupported start tag "{tag}"'
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problem = f'can\'t parse entities: unexpected end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.visible += data

    def handle_entityref(self, name: str) -> None:
        self.visible += unescape(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.visible += unescape(f"&#{name};")


def problem_with_text(text: str, parse_mode: str | None, longest: int, part: str) -> str | None:
    """Why Telegram would refuse this text, or None."""
    visible = text
    if parse_mode == "HTML":
        reader = _Reader()
        reader.feed(text)
        reader.close()
        if reader.problem or reader.open:
            return reader.problem or f"can't parse entities: can't find end tag \"{reader.open[-1]}\""
        visible = reader.visible
    if part == "text" and not visible.strip():
        return "message text is empty"
    if len(visible.encode("utf-16-le")) // 2 > longest:
        return "message is too long" if part == "text" else "message caption is too long"
    return None
