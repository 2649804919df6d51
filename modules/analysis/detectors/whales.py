"""Large trades and large transfers to and from exchanges: who of the big ones is buying, and who is about to sell."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import ClassVar

from modules.analysis.candles import Candles
from modules.analysis.detectors.reading import Reason, refuse_bad, weigh
from modules.analysis.detectors.records import Context, Detection, Evidence, ExchangeFlow, LargePrint, no_opinion

HOUR_MS = 3_600_000
PRINTS_MS, FLOWS_MS = HOUR_MS, 24 * HOUR_MS
"""How long prints and flows count."""

LEAST_PRINTS = 3
LEAST_FLOW_USD = 10_000_000.0
"""Transfers of a day below this are everyday business."""

_PRINTS, _FLOWS = 0.65, 0.35


class WhaleDetector:
    """Net aggressive buying of large prints within an hour, and net flow on to exchanges within a day."""

    name: ClassVar[str] = "whales"
    lookback: ClassVar[int] = 1

    def detect(self, candles: Candles, context: Context) -> Detection:
        """See `Detector`."""
        refuse_bad(candles)
        at = candles.closed_at(len(candles) - 1)
        moment = context.moment(at)
        prints = [each for each in context.prints if 0 <= moment - each.at_ms <= PRINTS_MS]
        flows = [each for each in context.exchange_flow_usd if 0 <= moment - each.at_ms <= FLOWS_MS]
        if not prints and not flows:
            stale = context.prints or context.exchange_flow_usd
            words = (
                "large trades and transfers known are too old" if stale else "no large trades or transfers are known"
            )
            return no_opinion(self.name, words, at)
        reasons, evidence = _read_prints(prints), []
        reasons += _read_flows(flows)
        for each in sorted(prints, key=lambda one: -one.usd)[:5]:
            label = f"large {each.side} of {each.usd:,.0f} USD"
            evidence.append(Evidence("large_print", None, None, None, each.at_ms, each.at_ms, label))
        nothing = "large trades and transfers are too few or balanced"
        return weigh(self.name, reasons, _PRINTS + _FLOWS, tuple(evidence), at, nothing)


def _read_prints(prints: Sequence[LargePrint]) -> list[Reason]:
    if len(prints) < LEAST_PRINTS:
        return []
    bought = sum(each.usd for each in prints if each.side == "buy")
    total = sum(each.usd for each in prints)
    net = (2 * bought - total) / total
    weight = _PRINTS * (1 - exp(-len(prints) / 8))
    words = f"{len(prints)} large trades within the hour, {abs(2 * bought - total):,.0f} USD net "
    return [Reason(weight, net, words + ("bought" if net > 0 else "sold"))]


def _read_flows(flows: Sequence[ExchangeFlow]) -> list[Reason]:
    onto = sum(each.to_exchange_usd for each in flows)
    off = sum(each.from_exchange_usd for each in flows)
    total = onto + off
    if total < LEAST_FLOW_USD:
        return []
    net = (off - onto) / total
    words = f"{abs(off - onto):,.0f} USD net moved {'off' if net > 0 else 'on to'} exchanges within a day"
    return [Reason(_FLOWS * (1 - exp(-total / (10 * LEAST_FLOW_USD))), net, words)]
