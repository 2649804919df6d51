"""What coins, metals and currency pairs are called beside their tickers, in the cases and with the prefixes that languages add."""

from __future__ import annotations

from modules.signals.parsing.normalise import fold

_ENDINGS = {"а": ("а", "ы", "е", "у", "ой"), "": ("", "а", "у", "ом", "е")}
"""Russian cases of a name that ends in "а", and of one that ends in a consonant."""

_RUSSIAN = {
    "тон": "TON", "биткоин": "BTC", "биткойн": "BTC", "эфир": "ETH", "эфириум": "ETH", "солана": "SOL", "рипл": "XRP",
    "трон": "TRX", "догикоин": "DOGE", "догикойн": "DOGE", "лайткоин": "LTC", "полкадот": "DOT", "чейнлинк": "LINK", "авакс": "AVAX",
    "аптос": "APT", "арбитрум": "ARB", "ноткоин": "NOT", "ноткойн": "NOT", "шиба": "SHIB", "хедера": "HBAR",
}  # fmt: skip
_ARABIC = {"ذهب": "XAUUSD", "فضة": "XAGUSD", "يورو": "EURUSD", "استرليني": "GBPUSD"}
_ARTICLE = "ال"
_FUSED = (_ARTICLE, "لل", "ب" + _ARTICLE, "و" + _ARTICLE, "ف" + _ARTICLE, "ك" + _ARTICLE)
"""The article, and the prepositions that Arabic writes in one word with it ("for the", "with the", "and the")."""

_METALS = {
    "XAUUSD": "złoto|złota|złocie|złotem|goldu|altını|altına|altında|zlato|zlata|aur|arany|χρυσός|זהב|सोने|guld|kulta",
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

BESIDE = {"euro": "EURUSD", "pound": "GBPUSD", "sterling": "GBPUSD"}
"""Currencies whose name is a symbol only beside a side ("Euro sell"); elsewhere it is money ("+300 euro")."""


def declined(names: dict[str, str] = _RUSSIAN) -> dict[str, str]:
    """Every case of the Russian coin names, in the parser's spelling."""
    cases: dict[str, str] = {}
    for name, ticker in names.items():
        stem, endings = (name[:-1], _ENDINGS["а"]) if name.endswith("а") else (name, _ENDINGS[""])
        cases.update((fold(stem + ending), ticker) for ending in endings)
    return cases


def named() -> dict[str, str]:
    """Names of metals and currency pairs with their symbols, in the parser's spelling."""
    names = {fold(word): symbol for symbol, words in _METALS.items() for word in words.split("|")}
    names |= {fold(prefix + word): symbol for word, symbol in _ARABIC.items() for prefix in _FUSED}
    return names | _PAIRS
