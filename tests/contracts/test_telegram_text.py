"""Splitting long texts: nothing lost, nothing torn, every piece acceptable to Telegram."""

from __future__ import annotations

import re
from html import escape, unescape

from hypothesis import given
from hypothesis import strategies as st

from modules.connections.telegram_text import split_text, units, visible_units
from tests.fakes.bot_api_text import problem_with_text

WORDS = st.text(alphabet="abc é<>&🚀𝐋\n ", min_size=0, max_size=40)
TAGS = st.sampled_from(["b", "i", "code", "blockquote"])


@st.composite
def markup(draw: st.DrawFn, depth: int = 3) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        if depth and draw(st.booleans()):
            tag = draw(TAGS)
            parts.append(f"<{tag}>{draw(markup(depth - 1))}</{tag}>")
        else:
            parts.append(escape(draw(WORDS)))
    return "".join(parts)


def _visible(html: str) -> str:
    return unescape(re.sub(r"</?[a-z]+>", "", html))


@given(markup(), st.integers(2, 60))
def test_html_is_split_into_well_formed_pieces_and_nothing_is_lost(html: str, longest: int) -> None:
    pieces = split_text(html, True, longest)
    assert "".join("".join(_visible(piece) for piece in pieces).split()) == "".join(_visible(html).split())
    for piece in pieces:
        assert problem_with_text(piece, "HTML", longest, "caption") is None
        assert visible_units(piece, True) <= longest


@given(st.text(max_size=300), st.integers(2, 60))
def test_plain_text_is_split_the_same_way(text: str, longest: int) -> None:
    pieces = split_text(text, False, longest)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(units(piece) <= longest for piece in pieces)


def test_a_cut_prefers_the_end_of_a_line_then_a_space() -> None:
    assert split_text("one two\nthree four", False, 12) == ["one two", "three four"]
    assert split_text("alpha beta gamma", False, 11) == ["alpha beta", "gamma"]
    assert split_text("a" * 25, False, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_a_link_keeps_its_address_in_both_pieces() -> None:
    pieces = split_text('<a href="https://example.org/x">first second</a>', True, 7)
    assert pieces == ['<a href="https://example.org/x">first</a>', '<a href="https://example.org/x">second</a>']
