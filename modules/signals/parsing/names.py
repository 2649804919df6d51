"""What coins, metals and currency pairs are called beside their tickers, in the cases and with the prefixes that languages add."""

from __future__ import annotations

from modules.signals.parsing.normalise import fold

_ENDINGS = {"а": ("а", "ы", "е", "у", "ой"), "": ("", "а", "у", "ом", "е")}
"""Russian cases of a name that ends in "а", and of one that ends in a consonant."""

_RUSSIAN = {
    "тон": "TON", "биткоин": "BTC", "биткойн": "BTC", "эфир": "ETH", "эфириум": "ETH", "солана": "SOL", "рипл": "XRP",
    "трон": "TRX", "догикоин": "DOGE", "догикойн": "DOGE", "лайткоин": "LTC", "полкадот": "DOT", "чейнлинк": "LINK", "авакс": "AVAX",
    "аптос": "APT", "арбитрум": "ARB", "ноткоин": "NOT", "ноткойн": "NOT", "шиба": "SHIB", "хедера": "HBAR",
    "дот": "DOT", "линк": "LINK", "атом": "ATOM", "бнб": "BNB", "догик": "DOGE", "лайт": "LTC", "пепе": "PEPE", "суи": "SUI",
}  # fmt: skip
_ARABIC = {"ذهب": "XAUUSD", "فضة": "XAGUSD", "يورو": "EURUSD", "استرليني": "GBPUSD"}
_ARTICLE = "ال"
_FUSED = (_ARTICLE, "لل", "ب" + _ARTICLE, "و" + _ARTICLE, "ف" + _ARTICLE, "ك" + _ARTICLE)
"""The article, and the prepositions that Arabic writes in one word with it ("for the", "with the", "and the")."""

_WHOLE = {
    "ドル円": "USDJPY", "ユーロドル": "EURUSD", "ユーロ円": "EURJPY", "ポンド円": "GBPJPY", "ポンドドル": "GBPUSD", "豪ドル円": "AUDJPY",
    "豪ドル米ドル": "AUDUSD", "美日": "USDJPY", "欧美": "EURUSD", "镑美": "GBPUSD", "ゴールド": "XAUUSD", "دلار ین": "USDJPY",
}  # fmt: skip
"""Pairs under a name of their own, in languages that put no spaces between words."""

_COINS = {
    "سولانا": "SOL", "ریپل": "XRP", "کاردانو": "ADA", "دوج کوین": "DOGE", "دوج": "DOGE", "دوجکوین": "DOGE", "تون کوین": "TON", "لایت کوین": "LTC",
    "بیت‌کوین": "BTC", "اتر": "ETH", "ترون": "TRX", "پولکادات": "DOT", "آوالانچ": "AVAX", "چین لینک": "LINK", "سولانه": "SOL",
    "ビットコイン": "BTC", "イーサリアム": "ETH", "イーサ": "ETH", "ソラナ": "SOL", "リップル": "XRP", "ドージ": "DOGE",
    "솔라나": "SOL", "리플": "XRP", "도지": "DOGE", "إيثيريوم": "ETH", "بيتكوين": "BTC", "سولانا ": "SOL", "索拉纳": "SOL", "瑞波": "XRP",
    "以太": "ETH", "姨太": "ETH", "二饼": "ETH", "狗狗币": "DOGE", "狗狗": "DOGE", "莱特币": "LTC", "莱特": "LTC", "波卡": "DOT", "艾达": "ADA", "柚子": "EOS",
    "币安币": "BNB", "波场": "TRX", "瑞波币": "XRP", "雪崩": "AVAX", "柴犬": "SHIB", "比特": "BTC",
}  # fmt: skip
_TURKISH_CASES = ("den", "dan", "ten", "tan", "de", "da", "te", "ta")
_SHORTEST_STEM = 3

_METALS = {
    "XAUUSD": "złoto|złota|złocie|złotem|goldu|altını|altına|altında|zlato|zlata|arany|χρυσός|זהב|सोने|guld|kulta",
    "XAGUSD": "silber|plata|prata|argento|srebro|srebra|gümüş|серебра|серебру|نقره|zilver|stříbro|perak",
}
_PAIRS = {
    "cable": "GBPUSD",
    "loonie": "USDCAD",
    "aussie": "AUDUSD",
    "kiwi": "NZDUSD",
    "swissy": "USDCHF",
    "guppy": "GBPJPY",
}

BESIDE = {"aur": "XAUUSD", "oil": "USOIL", "crude": "USOIL", "euro": "EURUSD", "pound": "GBPUSD", "sterling": "GBPUSD"}
"""Currencies whose name is a symbol only beside a side ("Euro sell"); elsewhere it is money ("+300 euro")."""


def declined(names: dict[str, str] = _RUSSIAN) -> dict[str, str]:
    """Every case of the Russian coin names, in the parser's spelling."""
    cases: dict[str, str] = {}
    for name, ticker in names.items():
        stem, endings = (name[:-1], _ENDINGS["а"]) if name.endswith("а") else (name, _ENDINGS[""])
        cases.update((fold(stem + ending), ticker) for ending in endings)
    return cases


def coins() -> dict[str, str]:
    """Names of coins in scripts other than Latin and Cyrillic, in the parser's spelling."""
    return {fold(name): ticker for name, ticker in _COINS.items()}


def unspaced() -> str:
    """A pattern of the names that stand beside other words without a space, the longest first."""
    listed = sorted(
        {fold(name) for name in (*_WHOLE, *_COINS) if not fold(name).isalpha() or _is_han(fold(name))}, key=len
    )
    return "|".join(reversed(listed))


def _is_han(name: str) -> bool:
    """Whether a character of the name is one that words are otherwise cut at."""
    return any("\u3400" <= letter <= "\u9fff" for letter in name)


def stem(word: str) -> str:
    """A word, in lower case, without the Turkish ending for "from" or "at" that may be glued to it ("ethden")."""
    ending = next((case for case in _TURKISH_CASES if word.endswith(case)), "")
    return word[: -len(ending)] if ending and len(word) - len(ending) >= _SHORTEST_STEM else word


def named() -> dict[str, str]:
    """Names of metals and currency pairs with their symbols, in the parser's spelling."""
    names = {fold(word): symbol for symbol, words in _METALS.items() for word in words.split("|")}
    names |= {fold(prefix + word): symbol for word, symbol in _ARABIC.items() for prefix in _FUSED}
    names |= {fold(word): symbol for word, symbol in _WHOLE.items()}
    return names | _PAIRS
