"""Cut a normalised message into words, numbers, markers and signs.

Numbers carry what is written around them (percent, multiple, thousands, time span, sign), because that decides whether they can
be a price. Which of two readings of "27,400" is meant needs the other prices: `settle_separators` decides that once per message.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from modules.signals.parsing.normalise import MARK, MARK_LAST, fold


class T:
    """What a token is. Plain integers: they are compared for every token of every message."""

    LINE: Final = 0
    WORD: Final = 1
    NUMBER: Final = 2
    MARK: Final = 3
    SIGN: Final = 4
    DATE: Final = 5


class N:
    """What a number measures, as far as its own surroundings tell. Plain integers, as above."""

    PRICE: Final = 0
    PERCENT: Final = 1
    MULTIPLE: Final = 2
    FRAME: Final = 3
    DISTANCE: Final = 4
    ORDINAL: Final = 5
    OTHER: Final = 6


NO_PARTS: frozenset[str] = frozenset()
UNIT = "unit"


class Token:
    """One piece of a message. `value` and `measure` only mean something on numbers, `low` is the text in lower case."""

    __slots__ = (
        "end",
        "glued",
        "label",
        "low",
        "measure",
        "parts",
        "start",
        "text",
        "type",
        "value",
        "width",
    )

    def __init__(self, type_: int, text: str, start: int, end: int) -> None:
        self.type: int = type_
        self.text = text
        self.low = text.lower() if type_ is T.WORD else text
        self.start = start
        self.end = end
        self.glued = False
        self.measure: int = N.OTHER
        self.value: Decimal | None = None
        self.label: str | None = None
        self.parts: frozenset[str] = NO_PARTS
        self.width = 1

    def __repr__(self) -> str:
        return f"{self.type}:{self.text!r}"


CHINESE = fold(
    "保本出局|止损出局|出局|平保|打掉止损|打止损|被止损|止损了|止损被打|扫损|移到|提到|然后|之后|その後|挂单买入|挂单卖出|跌破|破位|利益確定|損切り|損切|利確|買い|売り|指値|成行|決済|建値|入场价格|进场价格|入场点位|开仓价格|入场价|进场价|开仓价|入场点|进场点|入场|进场|开仓|建仓|买入价|卖出价|买入|卖出|做多|做空|多单|空单|开多|开空|看多|看空|多头|空头"
    "|止损价|止损位|止损点|止损触发|止损|防守位|防守|止盈价|止盈位|止盈点|止盈|目标价|目标位|目标|第一|第二|第三|第四|杠杆倍数|杠杆|倍|市价|现价|当前价|限价|挂单|合约|币种|交易对|品种"
    "|已达成|达成|到达|触及|触发|完成|全部|所有|平仓|平多|平空|离场|出场|取消|作废|减仓|一半|部分|保本|成本价|移动|上移|下移|提损|一|二|三|四|方向|左右|附近|区间|到|至|仓位|风险|盈利|利润|亏损|收益|昨日|昨天|上周|先週|不是信号|非信号|不是喊单|并非信号|仅为示例|每次|两次|举例|例如|回顾|假设|比如|示例|战绩|战报|总结|成绩|结果|結果|成績"
)
_TOKEN = re.compile(
    rf"""
    (?P<line>\n+)
  | (?=\d)(?P<date>\d{{4}}-\d\d?-\d\d?(?:[T\ ]\d\d?:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
      | (?<![\d.,])\d{{1,2}}(?P<ds>[./-])(?:\d{{1,2}}|[A-Za-z]{{3,9}})(?P=ds)(?:19|20)\d\d(?![\d.])
      | (?<![\d.:,])(?:[01]?\d|2[0-3]):[0-5]?\d(?::[0-5]?\d)(?![\d.:,])|(?<![\d.:,])(?:[01]?\d|2[0-3]):[0-5]\d(?![\d.:,])(?:\s?[AaPp][Mm]\b)?)
  | (?P<number>(?:(?<![\w.])\.(?=0\d)|(?<=[\s:=@$(])\.(?=\d))?\d+(?:[.,']\d+)*(?:[eE][-+]?\d{{1,3}}(?!\d)|[kKкК](?![^\W_]))?)
  | (?=[sStTbBбБсСтТrRcC][./\\:-])(?P<short>(?<![^\W_])(?:[sS][./\\][lL]|[tT][./\\][pP]|[bB][./\\][eE]|[бБ][./\\-][уУ]|[сС][./\\][лЛ]|[тТ][./\\][пП]|[rR][:/.][rR]:?[rR]?|[cC]\.[mM]\.[pP])(?![^\W\d_])\.?)
  | (?=[\u3400-\u9fff])(?P<chinese>{CHINESE})
  | (?P<word>[^\W\d_\ue000-\ue0ff\u3400-\u9fff]+(?:[\u0900-\u0963\u0970-\u097f\u0981-\u0983\u09bc-\u09cd\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]+[^\W\d_\ue000-\ue0ff\u3400-\u9fff]*)*(?:'[a-zA-Z]{{1,2}}\b)?)
  | (?P<mark>[\ue000-\ue028])
  | (?P<sign>\S)
    """,
    re.VERBOSE,
)
_SHORT = {"s": "sl", "t": "tp", "b": "be", "б": "бу", "с": "сл", "т": "тп", "r": "rr", "c": "cmp"}
_TYPES: dict[str, int] = {
    "line": T.LINE,
    "date": T.DATE,
    "number": T.NUMBER,
    "short": T.WORD,
    "chinese": T.WORD,
    "word": T.WORD,
    "mark": T.MARK,
    "sign": T.SIGN,
    "ds": T.DATE,
}

_PERCENTS = frozenset({"percent", "pct", "процент", "процента", "процентов", "prozent", "porciento"})
_TIMES = frozenset({"x", "х", "倍", "×"})
_FRAMES = frozenset(
    """
    h hr hrs hour hours m min mins minute minutes d day days w week weeks sec s tf hrs м мин ч час часа часов дн день дня
    дней д н saat dakika dk gun hora horas minuto minutos dia dias menit jam hari heures heure jours stunden minuten tage
    ore
    """.split()  # noqa: SIM905
)
_DISTANCES = frozenset(
    """
    pip pips pts pt point points p tick ticks r rr usd$ пунктов пункта пункт пипсов пипс п pipsas pontos puntos punkte
    poin bps 点 lot lots лот лота shares contracts coins units
    """.split()  # noqa: SIM905
)
_ORDINALS = frozenset(
    {
        "st",
        "nd",
        "rd",
        "th",
        "й",
        "ый",
        "ой",
        "я",
        "ая",
        "го",
        "er",
        "eme",
        "º",
        "ª",
        "o",
        "a",
        "inci",
        "nci",
        "uncu",
        "ci",
        "차",
        "번",
        "번째",
    }
)
_GLUED_ONLY = frozenset({"m", "м", "d", "д", "p", "п", "s", "w", "h", "н", "r", "a", "o", "t"})
_DIGITS_AT_MOST = 24
_TWO_NUMBERS = re.compile(r"(\d+\.(?!\d{3},)\d+|0\.\d+),(\d+)")
_SHARES = re.compile(r"[(\[]\s{0,2}\d{1,2}(?:\s{0,2}[-/|:,+]\s{0,2}\d{1,2}){1,5}\s{0,2}[)\]]")
_DIGITS = re.compile(r"\d+")
_WHOLE = 100


def tokenise(text: str) -> list[Token]:
    """Tokens of a normalised text in order; lines are tokens too, spaces are not."""
    tokens: list[Token] = []
    append = tokens.append
    last_end = -1
    commas = "," in text
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        start, end = match.span()
        piece = match.group()
        if commas and kind == "number" and "," in piece and (found := _TWO_NUMBERS.fullmatch(piece)) is not None:
            last_end = _append_two(tokens, found, start, last_end)
            continue
        token = Token(_TYPES[kind], piece, start, end)
        token.glued = start == last_end
        last_end = end
        if kind == "short":
            token.low = _SHORT[token.low[0]]
        elif kind == "mark":
            token.value = Decimal(min(ord(token.text) - MARK, MARK_LAST - MARK))
        append(token)
    _measure_numbers(tokens)
    if "(" in text or "[" in text:
        _measure_shares(tokens, text)
    return tokens


def _append_two(tokens: list[Token], found: re.Match[str], start: int, last_end: int) -> int:
    """Two numbers that only a comma parts ("153.5,10x"): no group of thousands lies between the two signs."""
    comma = start + found.end(1)
    for kind, text, at in ((T.NUMBER, found[1], start), (T.SIGN, ",", comma), (T.NUMBER, found[2], comma + 1)):
        token = Token(kind, text, at, at + len(text))
        token.glued = at == last_end
        last_end = token.end
        tokens.append(token)
    return last_end


def _measure_shares(tokens: list[Token], text: str) -> None:
    """Whole numbers in brackets that make up a hundred are the shares of several orders: "5.42 - 5.50 (50/50)"."""
    for match in _SHARES.finditer(text):
        if sum(map(int, _DIGITS.findall(match.group()))) == _WHOLE:
            for token in tokens:
                if token.type is T.NUMBER and match.start() < token.start < match.end():
                    token.measure = N.PERCENT


def _measure_numbers(tokens: list[Token]) -> None:
    last = len(tokens) - 1
    for i, token in enumerate(tokens):
        if token.type is T.NUMBER:
            before = tokens[i - 1] if i else None
            after = tokens[i + 1] if i < last else None
            token.measure = _measure(token, before, after)
            if token.measure in (N.PERCENT, N.FRAME):
                _spread_to_span(tokens, i)
            elif token.measure is N.DISTANCE:
                _spread_distance(tokens, i)


def _measure(token: Token, before: Token | None, after: Token | None) -> int:
    """What the number counts, from the tokens that touch it."""
    if len(token.text) > _DIGITS_AT_MOST:
        return N.OTHER
    if after is not None:
        if after.type is T.SIGN and after.text in "%٪":
            return N.PERCENT
        if after.type is T.WORD or after.text == "×":
            found = _unit(token, after)
            if found is not None:
                after.label = UNIT
                return found
    if before is not None and token.glued and (before.type is T.WORD or before.text == "×"):
        return _glued_before(before)
    return N.PRICE


def _unit(token: Token, after: Token) -> int | None:
    """The unit written after a number, if there is one."""
    unit, glued = after.low, after.glued
    if unit in _TIMES and (glued or len(token.text) < 4):
        return N.MULTIPLE
    if not glued and unit in _GLUED_ONLY:
        return None
    if unit in _PERCENTS:
        return N.PERCENT
    if unit in _FRAMES:
        return N.FRAME
    if unit in _DISTANCES:
        return N.DISTANCE
    if glued and unit in _ORDINALS:
        return N.ORDINAL
    return None


def _glued_before(before: Token) -> int:
    """x20 is a multiple, H4 a time frame, v2 a version; TP1 and SL4416 are labels with a number."""
    if before.low in _TIMES:
        return N.MULTIPLE
    if before.low in ("h", "m", "d", "w", "н", "м") and not before.glued:
        return N.FRAME
    if before.low in ("v", "ver", "q", "r"):
        return N.OTHER
    return N.PRICE


def _spread_to_span(tokens: list[Token], i: int) -> None:
    """In "25-30%" and "30-60 days" the first number measures what the second does."""
    if i >= 2 and tokens[i - 1].type is T.SIGN and tokens[i - 1].text in "-~/" and tokens[i - 2].type is T.NUMBER:
        first = tokens[i - 2]
        if tokens[i].glued and tokens[i - 1].glued and first.measure is N.PRICE:
            first.measure = tokens[i].measure


def _spread_distance(tokens: list[Token], i: int) -> None:
    """In "40/80/150 pips" all are distances."""
    while (
        i >= 2
        and tokens[i - 1].type is T.SIGN
        and tokens[i - 1].text in "/-,"
        and tokens[i - 2].type is T.NUMBER
        and tokens[i - 1].glued
    ):
        i -= 2
        if tokens[i].measure is not N.PRICE:
            return
        tokens[i].measure = N.DISTANCE


def is_price(token: Token) -> bool:
    """Whether the token is a number that could be a price."""
    return token.type is T.NUMBER and token.measure is N.PRICE
