"""How one signal is to be traded where that is not the account's own way: size, shares and exits that came with it.

Pure. A strategy's signal brings its terms; the account's limits, caps, lists and switches hold all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from modules.domain.money import HUNDRED
from modules.domain.plans import DcaLevel, ExitRules, Sizing, TradeSettings


@dataclass(frozen=True, slots=True)
class SignalTerms:
    """Terms of the signal with this id, for one account. `target_shares` are fractions of the position."""

    id: str
    account_id: str
    sizing: Sizing
    size: Decimal
    exits: ExitRules
    target_shares: tuple[Decimal, ...] = ()
    dca: tuple[DcaLevel, ...] = ()


def settings_under(terms: SignalTerms, settings: TradeSettings) -> TradeSettings:
    """The account's settings as this signal is traded. Its stop is its own affair, also where it has none."""
    percent = terms.sizing is not Sizing.FIXED
    return replace(
        settings,
        sources=("*",),
        sizing=terms.sizing,
        size=min(terms.size, HUNDRED) if percent else terms.size,
        entry_shares=(),
        target_shares=terms.target_shares,
        exits=terms.exits,
        dca=terms.dca,
        require_stop=False,
        default_stop_percent=None,
    )
