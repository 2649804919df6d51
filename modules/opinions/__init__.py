"""What others think and do about the market: fear & greed, headlines, large prints, flows to and from exchanges.

Reads and keeps them with where they came from and when they could be known; says what is too old to count. It scores
nothing and fetches nothing.
"""

from modules.opinions.book import OpinionBook
from modules.opinions.freshness import Freshness, Known, known_by, opinions_on
from modules.opinions.records import ExchangeFlow, FearGreed, Headline, LargePrint, Opinion

__all__ = [
    "ExchangeFlow",
    "FearGreed",
    "Freshness",
    "Headline",
    "Known",
    "LargePrint",
    "Opinion",
    "OpinionBook",
    "known_by",
    "opinions_on",
]
