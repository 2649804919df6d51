"""Walk over a message's labelled tokens and say for every number which part it plays.

A label (`entry`, `target`, `stop`) holds for the numbers after it until another label, an unrelated word behind a number, or a
line that begins with something else. A list that goes on over several lines keeps its label. Small counters before a price
(TP1, 2), ➊) are positions in a list, not prices.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import takewhile

from modules.signals.parsing import parts as p
from modules.signals.parsing.counters import before_multiple, counts_orders, is_counter
from modules.signals.parsing.tentative import MAYBE, label_of
from modules.signals.parsing.tokens import UNIT, N, T, Token, is_price
from modules.signals.parsing.walk import AT, LABELS, QUIET, SIDES, Figure, Reading, Walk

_PRICED = frozenset({p.PRICE, p.MARKET})
_ASIDE = frozenset({p.NOTE, p.LEVEL, p.PROFIT, p.LOSS, p.TRAIL})
_WORDS_TO_PRICE = 5
_LONGEST_TICKER = 8
_MOST_JOINED = 6
_SHORTENING = frozenset({"/", "//", "-", "~"})
_SHORTER = 10
_SIGNS = frozenset("+-")
_DISTANT = 20
"""How many times smaller than a price a signed number is that counts points."""


def _words(listed: str) -> frozenset[str]:
    """The words of a list parted by bars."""
    return frozenset(listed.split("|"))


_IF = frozenset({"if", "если", "si", "wenn", "falls", "se", "eger", "اگر", "اذا", "jika", "kalau", "unless", "should"})
_ONESELF = _words("i|i've|my|я|у меня|мой|ich|yo|eu|je|j'ai|ben|saya|aku|io|ik|jag|tôi|我|انا|मैं|나는|maine")
_AWAITED = _words(
    "tomorrow|завтра|mañana|manana|amanha|morgen|yarin|besok|jutro|demain|domani|waiting|watching|awaiting|жду|ждем|ожидаю|ожидаем|слежу|backtest|analysts|bekliyorum|esperando|aguardando|menunggu"
)
_PICTURED = {"🛑": p.STOP, "⛔": p.STOP, "🚫": p.STOP, "❌": p.STOP, "🎯": p.TARGET, "📤": p.TARGET, "📥": p.ENTRY}
STOP_SIGNS = frozenset(sign for sign, part in _PICTURED.items() if part == p.STOP)
_DENIALS = _words(
    "not|no|never|dont|не|никогда|nicht|kein|keine|não|pas|jangan|bukan|tidak|nie|niet|inte|không|不|别|ni"
)
_DENIED_BEHIND = _words("degil|nahi|nahin|नहीं|아님")
_PAUSES = frozenset("?,-:;.!")
_NOT_YET = _words(
    "not yet|not now|not today|not here|not ready|no longer|noch nicht|jetzt nicht|nog niet|пока не|пока нет|еще не|еще рано|не сейчас"
    "|не сегодня|aun no|todavia no|ahora no|ainda nao|agora nao|pas encore|pas maintenant|non ancora|ancora no|henuz degil|simdi degil"
    "|jeszcze nie|nie teraz|ще ні|ще не|поки ні|поки не|belum|jangan dulu|abhi nahi|abhi nahin|inte an|ikke enda|jeste ne"
)
_COUNTED = frozenset({p.TARGET, p.STOP, p.BREAKEVEN, p.STOPPED})
_TRADES = _words("trades|wins|losses|losers|winners|сделок|сделки|сделка|плюсов|минусов|угод|operaciones")
_SCORED = frozenset(
    {"won", "lost", "wins", "losses", "closed", "winners", "losers", "loses", "victorias", "derrotas", "плюс", "минус"}
)
"""Words before a count of trades: "closed 14, won 9, lost 4"."""
_FIRST_PICTURE = "\u2190"
_FIRST_OBJECT = "\U0001f300"
_BULLETS = frozenset("👉👈👇👆📌📍🔘🔴🔵🔶🔷🔸🔹🔺🔻🔼🔽🟠🟡🟢🟣🟤🟥🟧🟨🟩🟦🟪💠💲💰💵🔥🚀")
_AT_WORDS = _words("@|at|from|around|near|for|a|bei|zu|um|por|em|en|по|от|около|di|op|na|po|da|от|за|由|于|在")
_OPTIONS = frozenset({"CE", "PE", "CALL", "PUT", "Put", "put", "puts", "Puts"})
_ONLY_IF = _words(
    "only if|only when|only once|only after|nur wenn|nur falls|только если|только при|только после|solo si|solo cuando|so se|apenas se|seulement si"
    "|solo se|hanya jika|hanya kalau|tylko jesli|alleen als|bara om|лише якщо|тільки якщо"
)
_ADDRESSED = _words(
    "guys|friends|team|traders|everyone|everybody|folks|lads|mates|members|family|fam|hey|hi|hello|ok|okay|so|well|друзья|ребята|ребят|народ"
    "|всем привет|коллеги|господа|друзі|amigos|chicos|gente|muchachos|pessoal|galera|turma|leute|freunde|jungs|ragazzi|amici|les amis|arkadaslar"
    "|teman|gaes|guys|kawan|bhai|dosto|doston|anh em|دوستان|یاران|شباب|家人们|兄弟们"
)
_SUPPOSING = _words(
    "could be|would be|might be|may be|podria ser|seria|poderia ser|ware|konnte|serait|sarebbe|было бы|мог бы быть"
)
_TELLING = _ONLY_IF | _SUPPOSING | {word.lower() for word in _OPTIONS}
_BYGONE = frozenset({p.PAST, p.EARLIER})
_NO_NUMBER = frozenset({"nan", "inf", "infinity", "null", "undefined", "n a"})
_PRESENT = frozenset({"cmp", "current market price", "market price", "current price"})
_ENTERED = frozenset({p.LONG, p.SHORT, p.PRICE, AT})
_FURTHER = _words(
    "dca|dca at|dca level|dca entry|add|add at|add more at|adding|bid|bids|усреднение|докупка|добор|сетка"
    "|сетка до|сетка от|safety order|ekleme|kademeli alim|antri|antri di|antri lagi|antri lagi di|cicil di|tambah di|tambah lagi di"
)


def _names_symbol(token: Token) -> bool:
    """Whether the word only says what a message is about: a symbol, or a short word in capitals that means nothing else."""
    return token.label == p.SYMBOL or (
        token.label is None and token.text.isupper() and len(token.text) <= _LONGEST_TICKER
    )


def _is_object(sign: str) -> bool:
    """Whether the picture shows something: below another picture's price it labels its own. Arrows, hands, dots are bullets."""
    return sign >= _FIRST_OBJECT and sign not in _BULLETS


def _written_out(before: Figure, token: Token) -> Decimal | None:
    """The second price of a span that leaves out the digits it shares with the first: "4482/88", "1.0850-70"."""
    whole, part = before.token.text, token.text
    decimals = whole.partition(".")[2]
    shared = (
        part.isdigit() and whole.replace(".", "", 1).isdigit() and 2 <= len(part) <= (len(decimals) or len(whole) - 1)
    )
    if (
        not shared
        or before.value != Decimal(whole)
        or Decimal(part) * _SHORTER > before.value > Decimal(part) / _SHORTER
    ):
        return None
    return Decimal(whole[: -len(part)] + part)


class Reader(Walk):
    """One walk over one message."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.closed = False
        self.spoken, self.said = False, ""
        self.drawn_by = ""
        self.tagged = 0

    def read(self) -> Reading:
        """The reading of all tokens."""
        handlers = {
            T.LINE: self._line,
            T.WORD: self._word,
            T.NUMBER: self._number,
            T.MARK: self._mark,
            T.SIGN: self._sign,
            T.DATE: self._date,
        }
        for at, token in enumerate(self.tokens):
            handlers[token.type](at, token)
        self.found.lines = self.line + 1
        return self.found

    def _line(self, _at: int, _token: Token) -> None:
        self.line += 1
        self.line_open = True
        self.counter = None
        self.part = self.block
        self.got = 0 if self.label_line != self.line - 1 or self.last is None else self.got
        self.words = 0
        self.joint = "\n"

    def _date(self, _at: int, _token: Token) -> None:
        self.line_open = False

    def _mark(self, _at: int, token: Token) -> None:
        self.counter = int(token.value or 0)
        self.joint += "#"

    def _sign(self, at: int, token: Token) -> None:
        sign = token.text
        if sign == "✅":
            self.found.ticks += at == 0 or self.tokens[at - 1].text != sign
            self._tick(at)
        elif sign in _PICTURED:
            self._pictured(at, _PICTURED[sign])
        elif self.line_open and self.drawn_by and sign != self.drawn_by and _is_object(sign):
            self.part = self.block = None
            self.drawn_by = ""
        elif sign == "?" and at and (self.found.parts[p.TALK] or self._asks(self.tokens[at - 1])):
            self.found.questions += 1
            if self.last is not None and self.last.token is self.tokens[at - 1]:
                self.last.asked = True
        elif sign == "@" and self.part is None:
            self.part, self.got, self.label_line, self.words = AT, 0, self.line, 0
        self.joint += sign

    @staticmethod
    def _asks(before: Token) -> bool:
        """A question mark behind a word or a price asks; behind a label it stands for a price not yet known."""
        return (before.type is T.WORD and before.label not in LABELS) or is_price(before)

    def _pictured(self, at: int, label: str) -> None:
        """A stop or target drawn as a picture is a label where a price follows at once and no word has said what it is."""
        following = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        served = self.got or self.part not in LABELS or (self.last is not None and self.last.part == self.part)
        if following is not None and is_price(following) and served:
            self.found.pictured += 1
            self._label(at, label)
            self.drawn_by = self.tokens[at].text

    def _tick(self, at: int) -> None:
        """A tick behind a price says that it was reached; one before a label or a price is a bullet."""
        following = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        bullet = following is not None and following.glued and following.type in (T.WORD, T.NUMBER)
        if self.last is not None and self.last.line == self.line and self.got and not bullet:
            self.last.ticked = True

    # words

    def _word(self, at: int, token: Token) -> None:
        if token.parts:
            self._frame(token)
        if self._is_no_number(token):
            self.found.unreadable = True
        if token.low in _TELLING:
            self._tell(at, token)
        if token.label == p.TRAIL and token.low.endswith("configuration"):
            self.closed = True
        if self.closed or token.label == UNIT:
            return
        if not self.spoken:
            self._open(at, token)
        if token.label is None or token.label == "word":
            self._plain(at, token)
            return
        self._labelled(at, token, label_of(self, at, token) if token.label in MAYBE else token.label)
        self.line_open = False

    def _tell(self, at: int, token: Token) -> None:
        """Note a condition, a guess or an option, whatever else the text says."""
        self.found.conditional = self.found.conditional or token.low in _ONLY_IF
        self.found.supposed += token.low in _SUPPOSING
        self.found.options += token.text in _OPTIONS and bool(at) and is_price(self.tokens[at - 1])

    def _frame(self, token: Token) -> None:
        """Count the word's parts; before the first price they say what the prices are: an example, a result."""
        self.found.parts.update(token.parts)
        if not self.found.figures:
            self.found.recalled = self.found.recalled or p.FRAMED in token.parts
            self.found.headed_result = self.found.headed_result or p.RESULT in token.parts

    def _open(self, at: int, token: Token) -> None:
        """What the first word says of the text; a symbol or the readers named before it say nothing."""
        self.found.personal = self.found.personal or token.low in _ONESELF
        if _names_symbol(token) or token.low in _ADDRESSED:
            return
        self.spoken = True
        self.found.conditional = self.found.conditional or token.low in _IF
        opened = token.low in _AWAITED or not token.parts.isdisjoint(_BYGONE) or self._denies(at, token)
        self.found.recalled = self.found.recalled or opened

    def _plain(self, at: int, token: Token) -> None:
        """A word that plays no part in reading prices: an "and" between two, an ordinal behind a label, or any other."""
        if self._joins(at, token):
            self.joint += f" {token.low} "
        elif not (self.part in LABELS and self.label_line == self.line and self._orders(at, token)):
            self._unknown()

    def _is_no_number(self, token: Token) -> bool:
        """Whether the word stands where a price belongs and says that there is none ("Entry: NaN")."""
        return token.low in _NO_NUMBER and self.part in LABELS and not self.got and self.label_line == self.line

    def _denies(self, at: int, token: Token) -> bool:
        """Whether the text opens with "no" or "not" and a word ("No. 12" opens a call)."""
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        return p.NOT in token.parts and after is not None and after.type is T.WORD

    def _joins(self, at: int, token: Token) -> bool:
        """Whether a word of one letter stands between two prices: an "and", whatever the language."""
        around = self.tokens[at - 1 : at] + self.tokens[at + 1 : at + 2]
        return len(token.text) == 1 and len(around) == 2 and all(map(is_price, around))

    def _orders(self, at: int, token: Token) -> bool:
        """Whether the word counts the price right behind it ("first 67500 second 66200")."""
        counts = any(part[0] == "#" for part in token.parts)
        return counts and self.next_number(at + 1, signs_only=True) is not None

    def _labelled(self, at: int, token: Token, label: str) -> None:
        self.said = token.low if label in LABELS or label in _ASIDE else self.said
        if label in LABELS:
            self._label(at, label)
        elif label in SIDES:
            self._side(at, token, label)
        elif label in _PRICED:
            self._priced(at, token, label)
        elif label in _ASIDE:
            self._aside(label)
        elif label == p.LEVERAGE:
            self.part, self.got, self.words = p.LEVERAGE, 0, 0
            self.block = p.LEVERAGE if self.line_open else self.block
        else:
            self._quiet(token, label)

    def _priced(self, at: int, token: Token, label: str) -> None:
        """A word for the market or its price: a label where nothing else is labelled, an aside in brackets."""
        if self._in_brackets(at):
            self._aside(p.NOTE)
        elif label == p.PRICE:
            if self.part in (None, AT) or (self.line_open and (self.got or self.part not in LABELS)):
                self._label(at, label)
        elif self.line_open and token.low in _PRESENT and self.next_number(at + 1, signs_only=True):
            self._label(at, p.ENTRY)
            self.found.market.append(token)
        else:
            self._quiet(token, label)

    def _in_brackets(self, at: int) -> bool:
        """Whether the words open a bracket behind a price: "entry 0.52 (price now 0.521)" tells what the market does."""
        behind = self.tokens[at + 1 : at + 3]
        told = bool(behind) and (is_price(behind[0]) or (behind[0].type is T.WORD and is_price(behind[-1])))
        return told and bool(at and self.got) and self.tokens[at - 1].text == "("

    def _label(self, at: int, label: str) -> None:
        if label == p.ENTRY and self.tokens[at].low in _FURTHER:
            for figure in self.found.figures[-_MOST_JOINED:]:
                figure.part = p.ENTRY if figure.part in _ENTERED else figure.part
        self.part = self.block = label
        self.drawn_by = ""
        self.got = self.words = 0
        self.label_line = self.line
        self.label_at = at
        self.counter = self.counter if label == p.EXIT else None
        self.joint = ""
        self.found.labels[label] += 1

    def _side(self, at: int, token: Token, label: str) -> None:
        side = SIDES[label]
        if self._refuses(at):
            self.found.refused.add(side)
            self._unknown()
            return
        self.found.sides.append((side, token, self.part in LABELS and not self.got))
        if label != side:
            self.found.limits.append(token)
        if self.part in LABELS and not self.got and self.label_line == self.line:
            return
        self.part = self.block = side
        self.counter = None
        self.got = self.words = 0
        self.label_line, self.label_at = self.line, at
        self.joint = ""

    def _refuses(self, at: int) -> bool:
        """Whether the side is denied: "not shorting", "do not buy", "don't go long", "short ENA not yet"."""
        return self._is_denied(at) or self._is_put_off(at)

    def _is_denied(self, at: int) -> bool:
        """Whether a "not" stands right before the side, or behind it where the language puts it there."""
        for token in reversed(self.tokens[max(at - 2, 0) : at]):
            if token.type is not T.WORD or token.label not in (None, p.FILLER, "word"):
                break
            if token.low.endswith("n't") or token.low.rpartition(" ")[2] in _DENIALS:
                return True
        return at + 1 < len(self.tokens) and self.tokens[at + 1].low in _DENIED_BEHIND

    def _is_put_off(self, at: int) -> bool:
        """Whether "not yet" or "not now" stands behind the side, with at most the symbol between: "short ENA not yet"."""
        line = list(
            takewhile(lambda token: token.type is T.WORD or token.text in _PAUSES, self.tokens[at + 1 : at + 7])
        )
        words = [token for token in line if token.type is T.WORD]
        for i, token in enumerate(words):
            two = f"{token.low} {words[i + 1].low}" if i + 1 < len(words) else ""
            if token.low in _NOT_YET or two in _NOT_YET:
                return True
            if token.label not in (None, "word", p.SYMBOL, p.FILLER, p.MARKET):
                return False
        return False

    def _aside(self, label: str) -> None:
        if self.line_open:
            self.block = None if self.block != p.TARGET else self.block
        self.part = label
        self.got = self.words = 0

    def _quiet(self, token: Token, label: str) -> None:
        if label == p.MARKET and self.part != p.NOTE:
            self.found.market.append(token)
        elif label == p.LIMIT:
            self.found.limits.append(token)
        if label not in QUIET:
            self._unknown()
            return
        if label == p.SYMBOL and self.part in LABELS and self.got:
            self.part = None
        if self.part in _ASIDE and self.got:
            self.part = None
        self.joint += f" {token.low} "

    def _unknown(self) -> None:
        self.found.unknown_words += 1
        if self.line_open:
            self.line_open = False
            if self.label_line != self.line:
                self.part = None
                self.block = None
        if self.got:
            self.part = None
        else:
            self.words += 1
            if self.words > _WORDS_TO_PRICE:
                self.part = None
        self.joint += " w "

    # numbers

    def _number(self, at: int, token: Token) -> None:
        if token.measure is not N.PRICE:
            self._other_number(token)
            return
        value = token.value
        if value is None or value <= 0 or self.closed:
            return
        if at and self.tokens[at - 1].low in _SCORED and token.text.isdigit():
            self.found.tallies += 1
        if at + 1 < len(self.tokens) and self.tokens[at + 1].type is T.WORD:
            self.found.tallies += self._tallies(at, token)
            if counts_orders(self.tokens, at) or self._is_amount(at, value):
                self.line_open = False
                return
        if self._tags(at, token):
            self.tagged += 1
            return
        if is_counter(self, at, token, value):
            self.counter = int(value)
            self.line_open = False
            self.joint += "#"
            return
        if self.part == p.LEVERAGE or before_multiple(self.tokens, at):
            self.found.multiples.append(token)
            self.line_open = False
            self._leave_leverage()
            return
        gained = self.joint.endswith("+") and bool(self.got)
        if gained or self._is_signed_distance(at, value):
            self.found.distances += 1
            self.found.gains += gained
            return
        before = self.tokens[at - 1] if at else token
        drawn = before.type is T.SIGN and before.text >= _FIRST_PICTURE
        self._figure(token, value, before.text if drawn else "")

    def _is_signed_distance(self, at: int, value: Decimal) -> bool:
        """Whether a sign right before a label's first number tells how far it lies from the entry: "TP1 +50, SL -60" beside 38500."""
        sign = self.tokens[at - 1] if at else None
        if sign is None or sign.text not in _SIGNS or sign.glued or not self.tokens[at].glued or self.got:
            return False
        return self.part in LABELS and bool(self.found.figures) and self.found.figures[0].value > _DISTANT * value

    def _tallies(self, at: int, token: Token) -> bool:
        """Whether a small whole number counts targets, stops or trades: "6 targets", "2 стопа", "9 сделок"."""
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        before = self.tokens[at - 1] if at else None
        free = before is None or before.label not in LABELS
        counts = after is not None and (not after.parts.isdisjoint(_COUNTED) or after.low in _TRADES)
        return free and counts and token.text.isdigit() and not token.glued

    def _tags(self, at: int, token: Token) -> bool:
        """Whether the number stands alone in brackets behind a price and is the next place of its list: "8.7 (1), 8.2 (2)"."""
        around = self.tokens[max(at - 2, 0) : at + 2]
        bracketed = [each.text for each in around[1:]] == ["(", token.text, ")"]
        return bracketed and is_price(around[0]) and token.text == str(self.tagged + 1)

    def _is_amount(self, at: int, value: Decimal) -> bool:
        """Whether the number says how much is traded: "buy 0.5 BTC at 61200", a price of another size behind the symbol."""
        behind = self.tokens[at + 1 : at + 4]
        if len(behind) < 3 or behind[0].type is not T.WORD or not _names_symbol(behind[0]):
            return False
        price = behind[2].value if behind[1].low in _AT_WORDS and is_price(behind[2]) else None
        return price is not None and not price / 2 <= value <= price * 2

    def _figure(self, token: Token, value: Decimal, picture: str) -> None:
        """Keep a price with the part it plays and what stood before it."""
        part = self.part or ""
        same_line = self.last is not None and self.last.line == self.line and self.last.part == part
        if self.last is not None and same_line and token.glued and self.joint in _SHORTENING:
            value = _written_out(self.last, token) or value
        figure = Figure(
            value,
            part,
            token,
            self.line,
            self.got == 0 or not same_line,
            self.counter,
            self.joint if same_line else "",
            self.label_line,
            self.line_open,
            picture=picture,
            said=self.said,
        )
        self.found.figures.append(figure)
        if self.counter is not None:
            self.next_index[part] = self.counter + 1
        self.last = figure
        self.got += 1
        self.counter = None
        self.joint = ""
        self.line_open = False

    def _other_number(self, token: Token) -> None:
        if token.value is None and self.part in LABELS and not self.got and self.label_line == self.line:
            self.found.unreadable = True
        if token.measure is N.MULTIPLE:
            self.found.multiples.append(token)
            self._leave_leverage()
        elif token.measure is N.PERCENT:
            self.found.percents += 1
        elif token.measure is N.DISTANCE:
            self.found.distances += 1
        elif token.measure is N.ORDINAL:
            self.counter = None
        if token.measure in (N.PERCENT, N.DISTANCE) and self.joint.endswith("+"):
            self.found.gains += 1
        self.line_open = False
        self.joint += "%"

    def _leave_leverage(self) -> None:
        """Leverage is said on one line: numbers on the next ones are something else."""
        self.block = None if self.block == p.LEVERAGE else self.block
