"""The tone of headlines against labels given by hand, before the lexicon was asked.

On its first reading of the two sets the lexicon agreed with 55 of 64 and 18 of 30; what it learned from them is in it now,
so what is asserted here keeps it from forgetting and is no measure of headlines it has not seen (about four in five).
"""

from __future__ import annotations

import pytest

from modules.analysis.detectors.headlines import tone_of

FIRST = [
    ("Bitcoin crashes after exchange hack", -1),
    ("Bitcoin climbs above $70,000 as ETF inflows accelerate", 1),
    ("Ethereum slides 8% amid liquidations", -1),
    ("SEC approves spot Ethereum ETFs", 1),
    ("SEC rejects spot Bitcoin ETF application", -1),
    ("Crypto lender files for bankruptcy", -1),
    ("Solana network suffers five-hour outage", -1),
    ("Ripple wins partial victory in court against SEC", 1),
    ("Exchange halts withdrawals citing liquidity problems", -1),
    ("Bitcoin miners capitulate as hashprice hits record low", -1),
    ("Whales accumulate bitcoin at fastest pace in two years", 1),
    ("Fed cuts rates by 50 basis points", 1),
    ("Fed signals more rate hikes ahead", -1),
    ("Inflation cools more than expected", 1),
    ("Stablecoin loses dollar peg", -1),
    ("MicroStrategy buys another 12,000 bitcoin", 1),
    ("Germany sells 3,000 bitcoin", -1),
    ("Hackers drain $100 million from bridge", -1),
    ("DeFi protocol exploited for $25 million", -1),
    ("Stolen funds returned after exploit", 1),
    ("Bitcoin holds steady ahead of CPI data", 0),
    ("Traders await Fed decision", 0),
    ("What is proof of stake?", 0),
    ("Bitcoin fails to break $60,000 resistance", -1),
    ("Bitcoin does not crash despite Mt. Gox repayments", 1),
    ("Analyst says the worst is over for crypto", 1),
    ("Regulator sues major exchange for fraud", -1),
    ("Judge dismisses lawsuit against exchange", 1),
    ("Country bans crypto trading", -1),
    ("Country lifts ban on crypto trading", 1),
    ("Bitcoin hits new all-time high", 1),
    ("Bitcoin drops to six-month low", -1),
    ("Altcoins rally as dominance falls", 1),
    ("Liquidations top $500 million as market tumbles", -1),
    ("ETF outflows reach record $600 million", -1),
    ("BlackRock sees strong demand for bitcoin fund", 1),
    ("PayPal launches stablecoin", 1),
    ("Visa expands crypto settlement", 1),
    ("Binance CEO pleads guilty, steps down", -1),
    ("Tether denies insolvency rumours", 1),
    ("Grayscale transfers bitcoin to exchange", 0),
    ("Ethereum developers set date for upgrade", 0),
    ("Cardano surges 20% on partnership news", 1),
    ("Dogecoin soars after Musk tweet", 1),
    ("Shiba Inu plunges as whales dump", -1),
    ("Bearish sentiment grows as funding turns negative", -1),
    ("Bulls regain control as bitcoin reclaims $65,000", 1),
    ("Bitcoin recovers losses", 1),
    ("Crypto winter deepens as layoffs continue", -1),
    ("Exchange resumes withdrawals", 1),
    ("Token unlock raises fears of sell-off", -1),
    ("Market shrugs off hack", 1),
    ("No sign of recovery for altcoins", -1),
    ("Bitcoin rebounds sharply from weekend lows", 1),
    ("Investors flee risky assets on war fears", -1),
    ("Trading volume slumps to lowest of the year", -1),
    ("Institutional adoption of crypto is growing, survey finds", 1),
    ("Central bank warns of crypto risks", -1),
    ("Hedge fund doubles bitcoin holdings", 1),
    ("Rug pull costs investors $3 million", -1),
    ("Conference on blockchain opens in Singapore", 0),
    ("How to store your bitcoin safely", 0),
    ("Bitcoin price analysis: levels to watch", 0),
    ("Scam tokens flood new chain", -1),
]

SECOND = [
    ("Court overturns ban on crypto mining", 1),
    ("Exchange ends trading of privacy coins", -1),
    ("Ether falls as ETF launch disappoints", -1),
    ("Bitcoin tops $100,000 for the first time", 1),
    ("Layer-2 network goes down for second time this month", -1),
    ("Lawmakers reject tougher crypto rules", 1),
    ("Bitcoin mining difficulty climbs to record", 0),
    ("Crypto firm repays creditors in full", 1),
    ("Police seize $50 million in crypto from fraud ring", -1),
    ("Fund manager trims bitcoin stake", -1),
    ("Open interest jumps to record", 1),
    ("Analysts turn bullish on solana", 1),
    ("Analysts remain cautious on bitcoin", -1),
    ("XRP tumbles after unfavourable ruling", -1),
    ("Bitcoin edges lower in thin trading", -1),
    ("Bitcoin edges higher in thin trading", 1),
    ("Wallet drainer steals millions from users", -1),
    ("Bank opens crypto custody to all clients", 1),
    ("SEC drops appeal in landmark case", 1),
    ("Startup raises $40 million", 1),
    ("Mt. Gox moves coins, stoking sell-off fears", -1),
    ("Altcoin season is over, says trader", -1),
    ("No evidence of hack, exchange says", 1),
    ("Jobs report stronger than expected, rate-cut hopes fade", -1),
    ("Bitcoin unmoved after inflation report", 0),
    ("Crypto stocks surge in pre-market", 1),
    ("Developer sentenced to five years for money laundering", -1),
    ("Bitcoin slips but analysts see rebound", 1),
    ("Trading platform fined $10 million", -1),
    ("Quiet weekend for crypto markets", 0),
]


def side(title: str) -> int:
    score = tone_of(title).score
    return 0 if abs(score) < 0.1 else 1 if score > 0 else -1


@pytest.mark.parametrize(("labelled", "least"), [(FIRST, 62), (SECOND, 21)])
def test_the_tone_agrees_with_the_hand_made_labels(labelled: list[tuple[str, int]], least: int) -> None:
    wrong = [(title, label, side(title)) for title, label in labelled if side(title) != label]
    assert len(labelled) - len(wrong) >= least, wrong


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ("Bitcoin plunges sharply", "Bitcoin plunges"),
        ("Bitcoin plunges", "Bitcoin dips"),
        ("Bitcoin falls", "Bitcoin may fall"),
        ("Exchange is insolvent", "Is the exchange insolvent?"),
    ],
)
def test_intensity_is_heard(stronger: str, weaker: str) -> None:
    assert tone_of(stronger).score < tone_of(weaker).score < 0


@pytest.mark.parametrize(
    ("title", "turned"),
    [
        ("Exchange was hacked", "Exchange was not hacked"),
        ("Country bans bitcoin", "Country lifts bitcoin ban"),
        ("Funds stolen from bridge", "Stolen funds returned to bridge"),
        ("Inflation rises", "Inflation falls"),
    ],
)
def test_negation_relief_and_burdens_turn_the_tone(title: str, turned: str) -> None:
    assert tone_of(title).score < 0 < tone_of(turned).score


def test_every_score_names_its_words() -> None:
    tone = tone_of("Bitcoin crashes after exchange hack")
    assert tone.score < -0.5
    assert {word for word, _ in tone.words} == {"crashes", "hack"}
    assert tone_of("").score == 0
    assert tone_of("Ωμέγα 🚀 \u200b").score == 0
