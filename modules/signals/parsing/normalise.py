"""One spelling for what people write in many: styled letters, emoji digits, dashes, invisible characters.

The result keeps a map back to the original text, so that every field can show where it was read. Nearly every replacement is
one character for one character; only joined-up words and spelled-out zeros change the length.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from modules.signals.parsing.tables import by_columns

_COLUMNS = re.compile(r"\||\S(?:\t| {2,})\S")
"""Bars, tabs or wide gaps inside a line: there may be a table."""

LONGEST = 8_192
"""Characters of a message that are read. A Telegram post has at most 4,096."""

MARK = 0xE000
"""List markers (➊, ①, 1️⃣, ¹) become the private character MARK + number."""

MARK_LAST = MARK + 40
_GONE = "\ue0ff"
_CACHED_BELOW = 0x20000
_TATWEEL = 0x0640

_DASHES = "‐‑‒–—―−➖﹘﹣－⸺⸻"
_TRADITIONAL = "單買賣開場價損標進點離槓桿倉現貨掛達觸發減幣種對風險區間號約盤漲處觀"
_SIMPLIFIED = "单买卖开场价损标进点离杠杆仓现货挂达触发减币种对风险区间号约盘涨处观"
_DIGIT_MARKS: dict[int, int] = {
    **{0x2460 + n: n + 1 for n in range(20)},
    **{0x2474 + n: n + 1 for n in range(20)},
    **{0x2488 + n: n + 1 for n in range(20)},
    **{0x2776 + n: n + 1 for n in range(10)},
    **{0x2780 + n: n + 1 for n in range(10)},
    **{0x278A + n: n + 1 for n in range(10)},
    **{0x24F5 + n: n + 1 for n in range(10)},
    **{0x24EB + n: n + 11 for n in range(10)},
    **{0x2070 + n: n for n in range(4, 10)},
    0x00B9: 1,
    0x00B2: 2,
    0x00B3: 3,
    0x1F947: 1,
    0x1F948: 2,
    0x1F949: 3,
    0x1F51F: 10,
}
_SINGLE: dict[str, str] = {
    **dict(zip(_TRADITIONAL, _SIMPLIFIED, strict=True)),
    **dict.fromkeys(_DASHES, "-"),
    **dict.fromkeys("～∼〜˜", "~"),
    **dict.fromkeys("✕⨯", "×"),
    **dict.fromkeys("✔☑🗸✓✅", "✅"),
    **dict.fromkeys("❌✖✗✘", "❌"),
    **dict.fromkeys("“”„«»″〝〞", '"'),
    **dict.fromkeys("‘’‚′´", "'"),
    **dict.fromkeys("*`", " "),
    **dict.fromkeys("、。｡", ";"),
    **dict.fromkeys("\u2028\u2029\u0085\v\f\r", "\n"),
    **dict.fromkeys("يىئ", "ی"),
    **dict.fromkeys("أإآٱ", "ا"),
    "\t": " ",
    "ك": "ک",
    "ة": "ه",
    "ؤ": "و",
    "ı": "i",
    "İ": "I",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ß": "s",
    "ẞ": "S",
    "ё": "е",
    "Ё": "Е",
    "٫": ".",
    "٬": ",",
    "؛": ";",
    "؟": "?",
    "،": ",",
    "⁄": "/",
    "∕": "/",
    "｜": "|",
    "│": "|",
    "┃": "|",
    "﹫": "@",
    "🟰": "=",
}
_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХавеѕіјкмнорстухΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABESIJKMHOPCTYXabesijkmhopctyxABEZHIKMNOPTYX"
)
_LOOK_ALIKE_LETTERS = frozenset("АВЕЅІЈКМНОРСТУХавеѕіјкмнорстухΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")

_KEYCAPS = re.compile(r"(?:[0-9]\ufe0f?\u20e3)+")
_JOINED = re.compile(rf"(?<=[^\W_]){_GONE}+(?=[^\W_])")
_SUB_ZERO = re.compile(r"(?<![0-9])0[.,]0([\u2080-\u2089]{1,2})(?=[0-9])")
_NOT_TEXT = re.compile(r"(?:https?://|www\.|t\.me/)[^\s]+|(?<![\w.])@[A-Za-z_][A-Za-z0-9_]{3,40}", re.IGNORECASE)
_MIXED_WORD = re.compile(r"[A-Za-z0-9#$\u0370-\u04ff]{2,20}")
_FOREIGN = re.compile(r"[\u0370-\u04ff]")
_JSON_KEY = re.compile(r'^\s{0,40}[\[{].{0,40}?"[A-Za-z_ .]{1,40}"\s?:', re.DOTALL)
_TOUCHING = re.compile("[A-Za-z](?=[\u3040-\u30ff\uac00-\ud7af])")
_JSON_LIST = re.compile(r"\[[^\[\]]{0,800}\]")
_JSON_SHARES = re.compile(
    r'"(?:price|value|level|target)"\s?:|"(?:pct|percent|percentage|share|size|amount|qty|quantity|portion|allocation|weight|ratio)"\s?:\s?"?[0-9.]{1,8}%?"?',
    re.IGNORECASE,
)
_JSON_TABLE = str.maketrans({"{": " ", "}": " ", "[": " ", "]": " ", '"': " ", ",": ";"})
_ORDER_WORDS = frozenset({"market", "current", "price", "entry", "cmp", "limit"})


class _Folding(dict[int, str]):
    """The folded form of every character, worked out when first met."""

    def __missing__(self, code: int) -> str:
        folded = _fold(code)
        if code < _CACHED_BELOW:
            self[code] = folded
        return folded


def _fold(code: int) -> str:
    character = chr(code)
    if code in _DIGIT_MARKS:
        return chr(MARK + _DIGIT_MARKS[code])
    if character in _SINGLE:
        return _SINGLE[character]
    if code < 0x80 or 0x2080 <= code <= 0x2089:
        return character
    if MARK <= code <= 0xE0FF or 0xD800 <= code <= 0xDFFF:
        return " "
    if 0x1F130 <= code <= 0x1F189:
        return chr(ord("A") + (code - 0x1F130) % 32) if (code - 0x1F130) % 32 < 26 else " "
    category = unicodedata.category(character)
    if code == _TATWEEL:
        return _GONE
    if category in ("Cf", "Mn", "Me") and not 0x0900 <= code <= 0x097F:
        return _GONE
    if category == "Zs":
        return " "
    return _fold_compatible(character)


def _fold_compatible(character: str) -> str:
    """The first letter, digit or sign of the compatibility form, without accents."""
    plain = unicodedata.normalize("NFKC", character)
    first = plain[:1] or " "
    if first != character and first in _SINGLE:
        return _SINGLE[first]
    digit = unicodedata.digit(first, None)
    if digit is not None:
        return str(int(digit))
    whole = first in "йЙ" or "\uac00" <= first <= "\ud7a3"
    base = first if whole else unicodedata.normalize("NFD", first)[:1]
    return base or " "


_FOLDING = _Folding()


@dataclass(frozen=True, slots=True)
class Normalised:
    """Text in one spelling. `origins[i]` is where character i stood in the original; None where nothing moved."""

    text: str
    original: str
    origins: list[int] | None = None

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The original offsets of `text[start:end]`."""
        if self.origins is None:
            return start, end
        if start >= len(self.origins):
            return len(self.original), len(self.original)
        last = self.origins[min(end, len(self.origins)) - 1] if end > start else self.origins[start] - 1
        return self.origins[start], last + 1


_SCRIPTS = (
    ("ru", re.compile(r"[\u0400-\u04ff]{3}")),
    ("fa", re.compile(r"[\u067e\u0686\u0698\u06af\u06cc]")),
    ("ar", re.compile(r"[\u0621-\u064a]{3}")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("hi", re.compile(r"[\u0900-\u097f]{2}")),
)


def language_of(text: str) -> str | None:
    """A hint at the language from the script; None for Latin letters, which many languages share."""
    if text.isascii():
        return None
    return next((language for language, pattern in _SCRIPTS if pattern.search(text)), None)


def fold(text: str) -> str:
    """`text` in the parser's spelling, lower case: the form in which the vocabulary is kept."""
    return normalise(text).text.strip().lower()


def normalise(text: str) -> Normalised:
    """Bring a message into one spelling; see the module. Reads at most `LONGEST` characters."""
    original = text
    text = text[:LONGEST]
    if "\u20e3" in text:
        text = _KEYCAPS.sub(_keycaps, text)
    if _JSON_KEY.match(text):
        text = _JSON_LIST.sub(_only_prices, text).translate(_JSON_TABLE)
    folded = text.translate(_FOLDING)
    if "@" in folded or "t.me" in folded or "http" in folded.lower() or "www." in folded.lower():
        folded = _NOT_TEXT.sub(_blank, folded)
    if not folded.isascii() and _FOREIGN.search(folded):
        folded = _MIXED_WORD.sub(_one_script, folded)
    origins: list[int] | None = None
    if _GONE in folded:
        if _JOINED.search(folded):
            folded, origins = _drop_joined(folded)
        folded = folded.replace(_GONE, " ")
    if not folded.isascii() and _TOUCHING.search(folded):
        folded, origins = _part_scripts(folded, origins)
    if not folded.isascii() and _SUB_ZERO.search(folded):
        folded, origins = _spell_zeros(folded, origins)
    if _COLUMNS.search(folded) and (table := by_columns(folded)) is not None:
        folded, places = table
        origins = [origins[place] for place in places] if origins is not None else places
    return Normalised(folded, original, origins)


def _keycaps(match: re.Match[str]) -> str:
    """One keycap is a list marker; several in a row spell a number. The length stays."""
    digits = [c for c in match.group() if c.isdigit()]
    if len(digits) == 1:
        return (
            chr(0x2460 + int(digits[0]) - 1).ljust(len(match.group()))
            if digits[0] != "0"
            else "0".ljust(len(match.group()))
        )
    return "".join(digits).ljust(len(match.group()), "\u200b")


def _only_prices(match: re.Match[str]) -> str:
    """A JSON list of {"price": ..., "pct": ...} with nothing but its prices."""
    return _JSON_SHARES.sub(lambda found: " " * len(found.group()), match.group())


def _blank(match: re.Match[str]) -> str:
    found = match.group()
    if found[0] == "@" and found[1:].lower() in _ORDER_WORDS:
        return found
    return " " * len(found)


def _one_script(match: re.Match[str]) -> str:
    """Latin letters for Cyrillic and Greek look-alikes inside a word that is otherwise Latin."""
    word = match.group()
    if word.isascii():
        return word
    foreign = [c for c in word if c > "\u036f"]
    latin = any(c.isascii() and c.isalnum() for c in word)
    tagged = word[0] in "#$" and word.isupper()
    return (
        word.translate(_LOOK_ALIKES) if (latin or tagged) and all(c in _LOOK_ALIKE_LETTERS for c in foreign) else word
    )


def _drop_joined(text: str) -> tuple[str, list[int]]:
    """Remove invisible characters inside words, keeping where each remaining character stood."""
    pieces: list[str] = []
    origins: list[int] = []
    at = 0
    for match in _JOINED.finditer(text):
        pieces.append(text[at : match.start()])
        origins.extend(range(at, match.start()))
        at = match.end()
    pieces.append(text[at:])
    origins.extend(range(at, len(text)))
    return "".join(pieces), origins


def _part_scripts(text: str, origins: list[int] | None) -> tuple[str, list[int]]:
    """A space between a Latin word and the kana or hangul that touch it ("BTCショート", "BTC롱"): they are words of their own."""
    before = origins if origins is not None else list(range(len(text)))
    pieces: list[str] = []
    after: list[int] = []
    at = 0
    for match in _TOUCHING.finditer(text):
        end = match.end()
        pieces += [text[at:end], " "]
        after += [*before[at:end], before[end - 1]]
        at = end
    pieces.append(text[at:])
    after += before[at:]
    return "".join(pieces), after


def _spell_zeros(text: str, origins: list[int] | None) -> tuple[str, list[int]]:
    """0.0₅12 says that five zeros follow the point: write them out."""
    at = 0
    before = origins if origins is not None else list(range(len(text)))
    pieces: list[str] = []
    after: list[int] = []
    for match in _SUB_ZERO.finditer(text):
        zeros = min(int("".join(chr(ord(c) - 0x2080 + 48) for c in match.group(1))), 20)
        start = match.start(1) - 1
        pieces += [text[at:start], "0" * zeros]
        after += before[at:start] + [before[start]] * zeros
        at = match.end()
    pieces.append(text[at:])
    after += before[at:]
    return "".join(pieces), after
