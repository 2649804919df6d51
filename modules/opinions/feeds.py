"""What live sources send, read: the fear & greed index as JSON, headlines as RSS 2.0 or Atom. Bytes in, opinions out.

An entry that lacks its words or its time is left out and counted; a document that is none of these is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from re import compile as pattern
from xml.etree import ElementTree

from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.opinions.records import FearGreed, Headline

LARGEST_FEED = 5_000_000
"""Bytes; a feed has some hundred entries at most."""

_AHEAD_MS = 5 * 60_000
_TAG = pattern(r"<[^>]+>")
_ATOM = "{http://www.w3.org/2005/Atom}"


@dataclass(frozen=True, slots=True)
class Feed:
    """The headlines of a document, oldest first, and how many entries had no words or no usable time."""

    headlines: tuple[Headline, ...]
    left_out: int


def parse_fear_greed(content: bytes, source: str) -> list[FearGreed]:
    """The index values of `{"data": [{"value": "40", "timestamp": "1551157200"}]}` (alternative.me's form), oldest first.

    Raises InvalidInput for anything else.
    """
    try:
        rows = json.loads(content)["data"]
        found = [FearGreed(int(row["timestamp"]) * 1000, int(row["value"]), source) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{source}: not a fear & greed answer: {error!r}") from error
    return sorted(found, key=lambda one: one.at_ms)


def parse_feed(content: bytes, source: str, received_ms: int) -> Feed:
    """The headlines of an RSS or Atom document received at `received_ms`.

    An entry dated in the future counts from when it was received. Raises InvalidInput for a document that is too large,
    declares entities, is not well-formed, or is neither RSS nor Atom.
    """
    if len(content) > LARGEST_FEED:
        raise InvalidInput(f"{source}: the feed is larger than {LARGEST_FEED} bytes")
    plain = content.replace(b"\0", b"")  # sees through UTF-16 too
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise InvalidInput(f"{source}: feeds that declare entities are not read")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - nothing with entities comes here
    except ElementTree.ParseError as error:
        raise InvalidInput(f"{source}: not well-formed: {error}") from error
    if root.tag not in ("rss", f"{_ATOM}feed"):
        raise InvalidInput(f"{source}: neither RSS nor Atom but {root.tag}")
    entries = list(_entries(root))
    found: dict[str, Headline] = {}
    for title, link, when in entries:
        at_ms = _moment_ms(when)
        words = " ".join(unescape(_TAG.sub(" ", title)).split())
        if words and at_ms is not None:
            at_ms = received_ms if at_ms > received_ms + _AHEAD_MS else at_ms
            headline = Headline(at_ms, words, source, link.strip(), received_ms=received_ms)
            found.setdefault(headline.id, headline)
    usable = sum(1 for title, _, when in entries if title.strip() and _moment_ms(when) is not None)
    ordered = tuple(sorted(found.values(), key=lambda one: (one.at_ms, one.id)))
    return Feed(ordered, len(entries) - usable)


def _entries(root: ElementTree.Element) -> Iterator[tuple[str, str, str]]:
    """Title, link and time of each entry, as written."""
    if root.tag == "rss":
        for item in root.iter("item"):
            dated = item.findtext("pubDate") or item.findtext("{http://purl.org/dc/elements/1.1/}date")
            yield item.findtext("title") or "", item.findtext("link") or "", dated or ""
        return
    for entry in root.iter(f"{_ATOM}entry"):
        title = entry.find(f"{_ATOM}title")
        link = entry.find(f"{_ATOM}link")
        dated = entry.findtext(f"{_ATOM}published") or entry.findtext(f"{_ATOM}updated")
        words = "".join(title.itertext()) if title is not None else ""
        yield words, link.get("href", "") if link is not None else "", dated or ""


def _moment_ms(text: str) -> int | None:
    """RFC 822 or ISO-8601; without a zone it is UTC. None for what is no time."""
    text = text.strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError):
            continue
        return ms_from_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return None
