"""Fresh headlines by their tone: newer ones and those about the symbol's own asset count more."""

from __future__ import annotations

from math import exp
from typing import ClassVar

from modules.analysis.candles import Candles
from modules.analysis.detectors.headlines import tone_of
from modules.analysis.detectors.reading import refuse_bad
from modules.analysis.detectors.records import Context, Detection, Evidence, Headline, no_opinion

HOUR_MS = 3_600_000
FRESH_MS = 24 * HOUR_MS
HALF_LIFE_MS = 6 * HOUR_MS
LEAST_TONED = 3
"""Fewer headlines with a tone are chance."""

LEAST_TONE = 0.1
SHOWN = 3

ASSETS: dict[str, tuple[str, ...]] = {
    "BTC": ("bitcoin", "btc", "xbt"),
    "ETH": ("ethereum", "ether", "eth"),
    "SOL": ("solana", "sol"),
    "BNB": ("bnb", "binance coin", "binance chain"),
    "XRP": ("xrp", "ripple"),
    "ADA": ("cardano", "ada"),
    "DOGE": ("dogecoin", "doge"),
    "DOT": ("polkadot",),
    "AVAX": ("avalanche", "avax"),
    "LINK": ("chainlink",),
    "LTC": ("litecoin", "ltc"),
    "BCH": ("bitcoin cash", "bch"),
    "TRX": ("tron", "trx"),
    "SHIB": ("shiba", "shib"),
    "PEPE": ("pepe",),
    "UNI": ("uniswap",),
    "AAVE": ("aave",),
    "ATOM": ("cosmos",),
    "NEAR": ("near protocol",),
    "SUI": ("sui",),
    "APT": ("aptos",),
    "ARB": ("arbitrum",),
    "OP": ("optimism network", "op mainnet"),
    "FIL": ("filecoin",),
    "ALGO": ("algorand",),
    "HBAR": ("hedera",),
    "XLM": ("stellar",),
    "ICP": ("internet computer",),
    "INJ": ("injective",),
    "ETC": ("ethereum classic",),
}
"""How headlines name the assets."""

OWN, MARKET, OTHER = 2.0, 1.0, 0.3
"""Weight of a headline about the symbol's asset, about none, and about others only."""


class NewsDetector:
    """The weighted tone of the last day's headlines."""

    name: ClassVar[str] = "news"
    lookback: ClassVar[int] = 1

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        refuse_bad(candles)
        at = candles.closed_at(len(candles) - 1)
        moment = context.moment(at)
        fresh = _fresh(context.headlines, moment)
        if not fresh:
            words = "all headlines known are older than a day" if context.headlines else "no headlines are known"
            return no_opinion(self.name, words, at)
        told = [(each, tone) for each in fresh if abs(tone := tone_of(each.title).score) >= LEAST_TONE]
        if len(told) < LEAST_TONED:
            return no_opinion(self.name, f"{len(fresh)} headlines, too few of them with a tone", at)
        weights = [
            relevance(each.title, candles.symbol) * 0.5 ** ((moment - each.at_ms) / HALF_LIFE_MS) for each, _ in told
        ]
        mean = sum(weight * tone for weight, (_, tone) in zip(weights, told, strict=True)) / sum(weights)
        confidence = (1 - exp(-sum(weights) / 6)) * min(1.0, 0.2 + abs(mean))
        ordered = sorted(zip(weights, told, strict=True), key=lambda one: -one[0] * abs(one[1][1]))
        evidence = tuple(
            Evidence("headline", None, None, None, each.at_ms, each.at_ms, f"{tone:+.2f} {each.title} ({each.source})")
            for _, (each, tone) in ordered[:SHOWN]
        )
        good = sum(tone > 0 for _, tone in told)
        reason = f"{good} good and {len(told) - good} bad of {len(fresh)} headlines in a day, mean tone {mean:+.2f}"
        if abs(mean) < 1e-9:
            return no_opinion(self.name, "good and bad headlines cancel out", at, evidence)
        return Detection(self.name, mean, confidence, reason, evidence, at)


def _fresh(headlines: tuple[Headline, ...], moment: int) -> list[Headline]:
    """Those known by the moment and no older than a day, each wording once (its first telling)."""
    seen: dict[str, Headline] = {}
    for each in sorted(headlines, key=lambda one: one.at_ms):
        if 0 <= moment - each.at_ms <= FRESH_MS:
            seen.setdefault(" ".join(each.title.lower().split()), each)
    return list(seen.values())


def relevance(title: str, symbol: str | None) -> float:
    """How much a headline concerns a symbol: its own asset, no asset in particular, or others only."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    text = f" {' '.join(words)} "
    named = {asset for asset, names in ASSETS.items() if any(f" {name} " in text for name in names)}
    if not named:
        return MARKET
    if symbol is not None and any(symbol.upper().startswith(asset) for asset in named):
        return OWN
    return OTHER
