"""Find what is traded: pairs, tagged coins, forex, metals and indices, or a coin beside a side.

A written pair weighs more than a tag, a tag more than a coin's name in prose. Words of the trade (TARGETS, CROSS) are never
symbols unless a pair or a label says so; the base is taken whole (RENDER, not ENDER).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from modules.signals.parsing import names
from modules.signals.parsing.lexicon import is_vocabulary
from modules.signals.parsing.speech import SPEECH

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD")
_OTHER_QUOTES = (
    "BTC",
    "ETH",
    "BNB",
    "EUR",
    "TRY",
    "GBP",
    "JPY",
    "BRL",
    "AUD",
    "DAI",
    "XBT",
    "SOL",
    "INR",
    "RUB",
    "IRT",
    "TMN",
)
CURRENCIES = frozenset(
    """
    USD EUR GBP JPY CHF AUD NZD CAD SGD HKD SEK NOK DKK PLN ZAR MXN TRY CNH CNY HUF CZK RUB BRL INR THB ILS
    """.split()  # noqa: SIM905
)
FLOORS = {"BTC": 1000, "ETH": 100, "XAU": 500}
"""By the whole name of what is priced: a price below which it has not been for years, to tell 64.250 from 64250. What only begins
like it (ETHFI) is another coin."""

_INDEX_FLOORS = {
    "DAX": 2000,
    "GER": 2000,
    "DE4": 2000,
    "DE3": 2000,
    "US3": 2000,
    "NAS": 2000,
    "US1": 2000,
    "UST": 2000,
    "JP2": 2000,
    "UK1": 2000,
}
"""The same by the first letters of an index ("GER40", "GER30")."""

CEILINGS = {
    "BTC": 1_000_000, "WBTC": 1_000_000, "ETH": 50_000, "WETH": 50_000, "STETH": 50_000, "YFI": 100_000, "MKR": 50_000, "PAXG": 50_000, "XAUT": 50_000,
    "BNB": 10_000, "BCH": 10_000, "ZEC": 10_000, "DASH": 10_000, "TAO": 10_000, "AAVE": 10_000, "COMP": 10_000, "KSM": 10_000, "GNO": 10_000,
}  # fmt: skip
"""Coins that cost a thousand dollars or more, or may soon: a price none of them will pass. All other coins cost less."""

_CHEAP = 1_000
_DOLLARS = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD")

_PAIR = 10
_COIN = 4
_LONGEST_TAG = 10
_MAJORS = ("USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD")
_METALS = {"XAU": "XAUUSD", "XAG": "XAGUSD", "XPT": "XPTUSD", "XPD": "XPDUSD"}
NAMED = {
    "gold": "XAUUSD", "xau": "XAUUSD", "золото": "XAUUSD", "золоту": "XAUUSD", "золота": "XAUUSD", "oro": "XAUUSD", "altin": "XAUUSD", "طلا": "XAUUSD",
    "انس": "XAUUSD", "الذهب": "XAUUSD", "ذهب": "XAUUSD", "emas": "XAUUSD", "黄金": "XAUUSD", "सोना": "XAUUSD", "ouro": "XAUUSD", "vang": "XAUUSD", "zloto": "XAUUSD", "goud": "XAUUSD", "золотом": "XAUUSD", "silver": "XAGUSD", "xag": "XAGUSD",
    "серебро": "XAGUSD", "xauusdt": "XAUUSDT", **names.named(),
}  # fmt: skip
INDICES = {
    "us30": "US30", "dj30": "US30", "nas100": "NAS100", "us100": "US100", "ustec": "USTEC", "nasdaq": "NAS100", "us500": "US500", "spx500": "SPX500", "sp500": "SP500",
    "ger40": "GER40", "ger30": "GER30", "de40": "DE40", "de30": "DE30", "dax40": "DAX40", "uk100": "UK100", "jp225": "JP225", "jpy225": "JP225", "aus200": "AUS200", "fra40": "FRA40", "eu50": "EU50", "stoxx50": "EU50", "ustech": "USTEC", "ustec100": "USTEC", "us30cash": "US30",
    "nas100cash": "NAS100", "ger40cash": "GER40", "nikkei": "JP225", "nas": "NAS100", "usoil": "USOIL", "ukoil": "UKOIL", "xtiusd": "XTIUSD",
    "xbrusd": "XBRUSD", "wti": "USOIL", "crudeoil": "USOIL", "brent": "UKOIL", "dxy": "DXY", "banknifty": "BANKNIFTY", "nifty": "NIFTY", "nas100usd": "NAS100", "hk50": "HK50", "natgas": "NATGAS",
    "ngas": "NGAS", "us2000": "US2000", "spx": "SPX", "dow": "US30", "dax": "GER40",
}  # fmt: skip
COIN_NAMES = {
    "bitcoin": "BTC", "ethereum": "ETH", "ether": "ETH", "solana": "SOL", "ripple": "XRP", "cardano": "ADA", "dogecoin": "DOGE", "litecoin": "LTC", "polkadot": "DOT", "chainlink": "LINK",
    "avalanche": "AVAX", "polygon": "MATIC", "биткоин": "BTC", "биток": "BTC", "битка": "BTC", "биткоина": "BTC", "битку": "BTC", "эфир": "ETH", "эфира": "ETH", "эфириум": "ETH", "эфиру": "ETH", "солана": "SOL", "солану": "SOL",
    "بیتکوین": "BTC", "بیت کوین": "BTC", "اتریوم": "ETH", "比特币": "BTC", "以太坊": "ETH", "大饼": "BTC", "बिटकॉइन": "BTC", "cosmos": "ATOM", "tron": "TRX", "stellar": "XLM", "monero": "XMR", "uniswap": "UNI",
    "shiba": "SHIB", "pepe": "PEPE", "toncoin": "TON", "рипл": "XRP", "риплу": "XRP", "aptos": "APT", "arbitrum": "ARB", "بیتكوین": "BTC", "비트코인": "BTC", "비트": "BTC", "이더리움": "ETH", "이더": "ETH", "البیتکوین": "BTC", "bitcoins": "BTC", **names.declined(), **names.coins(),
}  # fmt: skip
COINS = frozenset(
    """
    BTC ETH SOL XRP ADA DOGE LTC DOT LINK AVAX MATIC BNB TRX XLM XMR UNI SHIB PEPE TON ATOM APT ARB OP SUI SEI INJ FIL
    NEAR ETC BCH EOS AAVE ALGO SAND MANA AXS GALA FTM HBAR VET ICP RUNE EGLD THETA XTZ KAVA CRV SNX COMP MKR YFI SUSHI
    1INCH ZRX ENJ CHZ BAT ZIL ONE IOTA NEO QTUM DASH ZEC WAVES KSM GRT LRC STX IMX LDO RNDR RENDER FET AGIX OCEAN WLD TIA
    JUP PYTH JTO WIF BONK FLOKI ORDI BLUR MASK DYDX GMX CFX MINA FLOW ROSE AR KAS TAO ENA PENDLE STRK ETHFI NOT ONDO W ZRO
    ZK IO HYPE TRUMP VIRTUAL AIXBT BOME MEME 1000PEPE 1000SHIB 1000BONK 1000FLOKI PNUT MOVE WLFI ASTER LPT QNT CAKE RVN
    HOT ANKR CELR COTI DENT IOST JASMY KNC LUNA LUNC MTL NKN OGN OMG PEOPLE REEF RSR SKL SXP STORJ TRB UMA WOO XEM YGG ZEN
    HNT BAND BEL ALPHA ALICE API3 ARPA AUDIO BAKE C98 CHR CTSI DUSK GTC ID IDEX JOE LEVER LINA LIT LOOM MAGIC NFP NMR OM
    ONT PERP PHB POLYX RAD RDNT RLC SFP SPELL SSV STG SUPER TLM TRU TWT UNFI VANRY XVS ACH AGLD AMB APE ARK ASTR AUCTION
    BICO BIGTIME BSV POL S PENGU FARTCOIN MOODENG GOAT TURBO NEIRO POPCAT BRETT MEW DOGS HMSTR CATI EIGEN SCR GRASS DRIFT
    CETUS KAITO IP BERA LAYER TRUMPOFFICIAL MELANIA SPX AI16Z GRIFFAIN ZEREBRO ACT USUAL ME
    """.split()  # noqa: SIM905
)
NEVER = frozenset(
    """
    SIGNAL SIGNALS FREE VIP LONG SHORT BUY SELL TP TP1 TP2 TP3 TP4 TP5 TP6 SL ENTRY TARGET TARGETS STOP STOPLOSS LEVERAGE
    LEV CROSS ISOLATED SPOT FUTURES FUTURE CRYPTO TRADE TRADING SCALP SCALPING SWING INTRADAY IDEA SETUP UPDATE NEW
    PREMIUM FOREX MARKET LIMIT CMP NOW PROFIT PROFITS LOSS RISK PIPS RR RRR BE HODL HOLD DYOR NFA ALERT ALERTS VIPSIGNAL
    FREESIGNAL ALTCOIN ALTCOINS EXCHANGE PERP PERPETUAL BINANCE BYBIT BITGET OKX KUCOIN MEXC BINGX HUOBI GATE COINBASE
    KRAKEN BITMEX PHEMEX ALL AND OR THE FOR IN ON OF TO AT BY IS IT UP DOWN WITH FROM PER PAIR COIN SYMBOL USDT USD TOTAL
    TYPE SIDE DATE TIME TF H1 H4 M15 M5 M30 D1 ATH ATL FVG OB BOS CHOCH EMA RSI MACD SMC ICT GM GN US UK EU UTC PM AM
    EST FED CPI FOMC NFP ETF GDP CEO USA AI NFT DEFI PNL ROI ROE DCA RESULT RESULTS HIT DONE CLOSED CLOSE CANCEL CANCELLED
    REACHED ACHIEVED MID TERM MIDTERM ZONE AREA AMOUNT ACCOUNT MANAGEMENT STRATEGY POSITION WIN WON TODAY WEEK NOTE TIP
    MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY LONDON ASIA TOKYO TELEGRAM ENTRIES SESSION
    BEST TOP GREEN RED WARNING OPEN ИДЕЯ СИГНАЛ ЛОНГ ШОРТ SIGNALCRYPTO CRYPTOSIGNAL BITCOINSIGNAL ACTIVE PENDING BULLISH
    BEARISH I WE YOU A THEY THIS THAT HE MY ABOVE BELOW AROUND BETWEEN AFTER BEFORE AGAIN HERE IF WHEN THEN MUST DONT NO YES
    CALL PUT CE PE FUT OPT OTC ONLY STRONG HIGH LOW MEDIUM LESS MORE MAX MIN EACH QUICK READY GOOD NICE BIG HUGE
    """.split()  # noqa: SIM905
)

_COMMON = frozenset(
    """
    me one om id ar as io op act move near just super people hot flow layer ip mask usual magic meme drift band sun win ach
    bel dent trump turbo alpha alice audio bake blur ark goat spell s w not
    """.split()  # noqa: SIM905
)
"""Words of everyday speech in one of the languages that are tickers too: a coin only in capitals, with a tag or in a pair."""

_NEVER_ALONE = frozenset({"NOT", "ME"})
"""Tickers that are function words: a coin only with a tag or in a pair, whatever the letters."""

_LETTER = r"A-Za-z0-9\u00c0-\u052f"
"""What may not touch a symbol: letters of the scripts that put spaces between words; what touches is part of one word."""

_Q = "|".join(QUOTES)
_OQ = "|".join(_OTHER_QUOTES)
_TAIL = rf"(?:\.P|\.PERP|[-_/ ]?PERP(?:ETUAL)?|[-_]SWAP|\.c|m|\.pro|\.raw)?(?![{_LETTER}])"
_SLASHED = re.compile(
    rf"(?<![{_LETTER}])(?:[A-Z]{{3,12}}:)?([A-Za-z0-9]{{1,15}})[ ]{{0,3}}[/|\\][ ]{{0,3}}[#$]?({_Q}|{_OQ}){_TAIL}|(?<![{_LETTER}])([A-Za-z0-9]{{1,15}})[-_:]({_Q}){_TAIL}",
    re.IGNORECASE,
)
_SEPARATED = re.compile(rf"[/|\\][ ]{{0,3}}[#$]?(?:{_Q}|{_OQ})")
_DASHED = re.compile(rf"[A-Z0-9][-_:](?:{_Q})|(?:USDT|USDC|BUSD)_[A-Z0-9]")
_BASE_QUOTE = re.compile(rf"([A-Za-z0-9]{{0,14}}?)({_Q})(?:PERP|m|M)?", re.IGNORECASE)
_CAPITALS_BEFORE = re.compile(rf"(?<![{_LETTER}])([A-Z][A-Z0-9]{{1,9}}) $")
_QUOTE_FIRST = re.compile(r"(?<![A-Za-z0-9])(USDT|USDC|BUSD)_([A-Z0-9]{2,12})(?![A-Za-z0-9_])")
_CROSSED = re.compile(rf"(?<![{_LETTER}#$])([#$]?)([A-Z0-9]{{2,10}})(BTC|ETH|BNB)(?![{_LETTER}])")
_FOREX = re.compile(
    rf"(?<![{_LETTER}])([A-Za-z]{{3}})[ ]{{0,2}}([/\-_. ]?)[ ]{{0,2}}([A-Za-z]{{3}})(?:m|\.[a-z]{{1,4}}|\+|i)?(?![{_LETTER}])"
)
_TAGGED = re.compile(rf"(#|(?<![0-9])\$(?![ ])|(?<![0-9])(?<![0-9][ ])\$)[ ]?([A-Za-z0-9]{{1,15}})(?![{_LETTER}_])")
_SYMBOL_LABELS = frozenset(
    """
    coin name pair symbol ticker instrument asset token crypto adi parite moneda moeda par koin paar paire монета пара
    тикер инструмент актив ارز نماد العمله 币种 合约 交易对
    """.split()  # noqa: SIM905
)
_AFTER_LABEL = re.compile(
    r"[ ]{0,3}[:=\-\u2192>|▸►▶▹›»▪•■◾·➤➜➡⇒~]{1,2}[ ]{0,3}[#$\"]?([A-Za-z0-9]{1,15})(?![A-Za-z0-9\u00c0-\u052f])"
)
_XBT = re.compile(rf"(?<![{_LETTER}/$#])XBT(?![{_LETTER}/])")
_WORD = re.compile(
    names.unspaced()
    + r"|بیت کوین|黄金|比特币|以太坊|大饼|币种|合约|交易对|[^\W\d_\u3400-\u9fff][^\W_\u3400-\u9fff]*|(?<![0-9A-Za-z.,])[0-9]{1,7}[A-Za-z][A-Za-z0-9]*"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A symbol in the text: what, where, and how strongly the writing says that it is one."""

    symbol: str
    start: int
    end: int
    weight: int


def bounds_of(symbol: str) -> tuple[Decimal | None, Decimal | None]:
    """Prices that the symbol will not be below and not above, as far as is known: they tell 1.245 from 1,245."""
    quote = next((dollar for dollar in _DOLLARS if symbol.endswith(dollar)), "")
    base = symbol.removesuffix(quote)
    priced = (
        quote
        and base not in CURRENCIES
        and base not in _METALS
        and base.lower() not in INDICES
        and base not in FLOORS
        and base[:3] not in _INDEX_FLOORS
    )
    floor = FLOORS.get(symbol.removesuffix(quote or _money(symbol))) or _INDEX_FLOORS.get(symbol[:3])
    ceiling = CEILINGS.get(base, _CHEAP)
    return Decimal(floor) if floor else None, Decimal(ceiling) if quote and (priced or base in CEILINGS) else None


def _money(symbol: str) -> str:
    """The currency that a symbol ends in, "" where it ends in none."""
    return next((currency for currency in _MAJORS if symbol.endswith(currency)), "")


def find_symbols(text: str, default_quote: str = "USDT") -> list[Found]:
    """All symbols written in a normalised text, in order of place."""
    found: list[Found] = []
    upper = text.upper()
    if _SEPARATED.search(upper) or _DASHED.search(upper):
        _pairs(text, found)
    if "BTC" in text or "ETH" in text or "BNB" in text:
        _crossed(text, found)
    _forex(text, upper, found)
    if "#" in text or "$" in text:
        _tags(text, found, default_quote)
    _words(text, found, default_quote)
    if "XBT" in upper:
        found = [_renamed(each) for each in found]
        found += [Found("BTC" + default_quote, *match.span(), _COIN) for match in _XBT.finditer(text)]
    found.sort(key=lambda f: (f.start, -f.weight))
    return found


def _renamed(found: Found) -> Found:
    """XBT is how some venues write BTC."""
    old = found.symbol.startswith("XBT")
    return replace(found, symbol="BTC" + found.symbol[3:]) if old else found


def _pairs(text: str, found: list[Found]) -> None:
    for match in _SLASHED.finditer(text):
        base, quote = match.group(1) or match.group(3), match.group(2) or match.group(4)
        if _plausible_base(base) and not (base.islower() and quote.islower() and base.upper() in NEVER):
            start = match.start(1) if match.group(1) else match.start(3)
            found.append(Found(base.upper() + quote.upper(), start, match.end(), _PAIR))
    found.extend(Found(m.group(2) + m.group(1), m.start(), m.end(), _PAIR) for m in _QUOTE_FIRST.finditer(text))


def _crossed(text: str, found: list[Found]) -> None:
    for match in _CROSSED.finditer(text):
        tag, base, quote = match.groups()
        if base not in NEVER and not base.isdigit():
            found.append(Found(base + quote, match.start(), match.end(), 9 if tag else 8))


def _plausible_base(base: str) -> bool:
    """A base is letters, or digits with letters (1INCH, 1000PEPE); a price or an amount before USDT is none."""
    return not base.isdigit() and not (base[0].isdigit() and base[:-1].isdigit() and base[-1] in "kKxXmM")


def _forex(text: str, upper: str, found: list[Found]) -> None:
    if not any(currency in upper for currency in _MAJORS):
        return
    for match in _FOREX.finditer(text):
        base, joint, quote = match.group(1).upper(), match.group(2), match.group(3).upper()
        metal = base in _METALS and quote in ("USD", "EUR")
        if metal or (base in CURRENCIES and quote in CURRENCIES and base != quote):
            if joint in (" ", ".") and match.group(1).islower() and match.group(3).islower():
                continue
            found.append(Found(base + quote, match.start(), match.end(), 10))


def _tags(text: str, found: list[Found], default_quote: str) -> None:
    for match in _TAGGED.finditer(text):
        tag, word = match.groups()
        if _names_a_coin(tag, word):
            name = COIN_NAMES.get(word.lower(), word.upper())
            weight = 6 if len(name) <= _LONGEST_TAG else 3
            found.append(Found(_completed(name, default_quote), match.start(), match.end(), weight))


def _names_a_coin(tag: str, word: str) -> bool:
    """Whether "#word" or "$word" is a symbol and not a topic, an amount or a pair that is found as such."""
    name, low = word.upper(), word.lower()
    if name in COINS or low in NAMED or low in INDICES or low in COIN_NAMES:
        return True
    if name in NEVER or (word[0].isdigit() and not any(c.isalpha() for c in word[:5])):
        return False
    if name.endswith(QUOTES) and name not in QUOTES:
        return False
    return word.isupper() if tag == "#" or len(word) == 1 else not word[0].isdigit()


def _completed(base: str, default_quote: str) -> str:
    """The full symbol of a base alone: metals and indices have their own, coins get the default quote."""
    low = base.lower()
    if low in NAMED:
        return NAMED[low]
    if low in INDICES:
        return INDICES[low]
    if base.endswith(QUOTES) and base not in QUOTES:
        return base
    if len(base) == 6 and base[:3] in CURRENCIES and base[3:] in CURRENCIES:
        return base
    if len(base) > 5 and base.endswith(("BTC", "ETH")):
        return base
    return base + default_quote


def _words(text: str, found: list[Found], default_quote: str) -> None:
    """Words that name a symbol by themselves: BTCUSDT, gold, bitcoin, a well-known ticker, what follows "Coin:"."""
    for match in _WORD.finditer(text):
        word = match.group()
        low = word.lower()
        if low in NAMED:
            found.append(Found(NAMED[low], match.start(), match.end(), 7))
        elif low in INDICES:
            found.append(Found(INDICES[low], match.start(), match.end(), 5))
        elif low in COIN_NAMES:
            found.append(Found(COIN_NAMES[low] + default_quote, match.start(), match.end(), 3))
        elif word in COINS and word not in NEVER and word not in _NEVER_ALONE and len(word) > 1:
            found.append(Found(word + default_quote, match.start(), match.end(), 4))
        elif low in _SYMBOL_LABELS and not text.startswith("_", match.start() - 1):
            _labelled(text, match.end(), found, default_quote)
        elif "us" in low and len(word) < 20:
            _glued(text, match, found)


def _labelled(text: str, at: int, found: list[Found], default_quote: str) -> None:
    """The name after "Coin:", whatever it is."""
    match = _AFTER_LABEL.match(text, at)
    base = COIN_NAMES.get(match.group(1).lower(), match.group(1).upper()) if match else ""
    if match and not base.isdigit() and base not in ("LONG", "SHORT", "BUY", "SELL"):
        found.append(Found(_completed(base, default_quote), match.start(1), match.end(1), 9))


def _glued(text: str, match: re.Match[str], found: list[Found]) -> None:
    """A base and its quote in one word, or in capitals side by side."""
    word = match.group()
    split = _BASE_QUOTE.fullmatch(word)
    if split is None:
        return
    base, quote = split.groups()
    if base:
        if word.isascii() and _plausible_base(base) and base.upper() not in NEVER:
            weight = _PAIR if quote.upper() != "USD" or word.isupper() else 7
            found.append(
                Found(
                    base.upper() + quote.upper(),
                    match.start(),
                    match.end() + (2 if text.startswith(".P", match.end()) else 0),
                    weight,
                )
            )
        return
    before = _CAPITALS_BEFORE.search(text, max(match.start() - 12, 0), match.start())
    if before and before.group(1) not in NEVER and quote.isupper():
        found.append(Found(before.group(1) + quote, before.start(1), match.end(), 7))


_SIDE_WORD = r"(?:long|short|buy|sell|longing|shorting|лонг|шорт|buying|selling|longs|shorts|compra|venta|beli|jual|kaufen|verkaufen|лонгую|шортим|шортую|лонгуем|купить|продать|做多|做空|多单|空单|开多|开空|看多|看空)"
_BESIDE = re.compile(
    rf"(?<![^\W_]){_SIDE_WORD}(?![^\W_])[ ]{{0,3}}[:\-|(/]{{0,2}}[ ]{{0,3}}[#$]?([A-Za-z0-9]{{1,12}})(?![{_LETTER}])|(?<![{_LETTER}])([A-Za-z0-9]{{1,12}})[ ]{{0,3}}(?:'[a-z]{{1,4}}[ ])?[:\-|(/]{{0,2}}[ ]{{0,3}}{_SIDE_WORD}(?![^\W_])",
    re.IGNORECASE,
)


def beside_side(text: str, default_quote: str, *, only_known: bool = False) -> Found | None:
    """A coin written right beside a side ("AVAX long", "Buy DOGE"): a known coin in any case, or capitals that are no word
    of the trade in any language."""
    for match in _BESIDE.finditer(text):
        for group in (1, 2):
            word = match.group(group)
            if word is None or word.isdigit() or word.upper() in NEVER or not word[0].isalnum():
                continue
            low, span = word.lower(), match.span(group)
            if low in names.BESIDE:
                return Found(names.BESIDE[low], *span, 5)
            if word.upper() not in COINS and names.stem(low).upper() in COINS and not word.isupper():
                low = names.stem(low)
                word = low
            if _is_common(word, text[span[0] - 1 : span[0]]):
                continue
            known = word.upper() in COINS or low in INDICES or low in NAMED
            ticker = word.isupper() and any(c.isalpha() for c in word) and not only_known
            if known or (ticker and low not in SPEECH and not is_vocabulary(low)):
                return Found(_completed(word.upper(), default_quote), *span, 5)
    return None


def _is_common(word: str, before: str) -> bool:
    """Whether the word is speech rather than a ticker: nothing marks it as one, and it is written as speech is."""
    return before not in ("#", "$") and (
        word.upper() in _NEVER_ALONE or (not word.isupper() and word.lower() in _COMMON)
    )


_ABOUT = re.compile(
    rf"(?:\A|(?<![^\W_])(?:по|on|auf|sur|su|of|for|closing|closed|cancel)[ ])([A-Za-z][A-Za-z0-9]{{1,7}})(?![{_LETTER}])"
)


def _is_spoken_of(word: str, before: str) -> bool:
    """Whether news is about the word: a known coin however it is written, or any capitals behind "on"."""
    if word.upper() in NEVER or is_vocabulary(word.lower()):
        return False
    if word.isupper():
        return before.strip() in ("on", "по") or word in COINS
    return word.upper() in COINS and not _is_common(word, "")


def spoken_of(text: str, default_quote: str) -> Found | None:
    """The ticker that news is about, in a text that is not all in capitals ("Фиксирую по ARKM", "move sl on btc")."""
    if text.isupper():
        return None
    for match in _ABOUT.finditer(text):
        word = match.group(1)
        if _is_spoken_of(word, text[match.start() : match.start(1)]):
            return Found(_completed(word.upper(), default_quote), *match.span(1), 3)
    return None
