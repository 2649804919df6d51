"""What closed trades made over a span, and what an account risks now. Read-only; figures are computed when asked.

Money is decimal text in the account's currency, fractions are decimal text (0.25 is a quarter). A figure that nothing
supports, as a win rate without trades, is None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Store
from modules.domain.market import ms_from_utc
from modules.domain.money import ZERO, plain
from modules.domain.people import Account
from modules.domain.positions import Position, PositionStatus
from modules.records import from_document


def closed_since(store: Store, account_id: str, since: datetime) -> list[Position]:
    """The account's positions that closed then or later, in the order of their closing."""
    wanted = (where("account_id") == account_id) & (where("closed_at") >= ms_from_utc(since))
    return [from_document(Position, each) for each in store["positions"].search(wanted, order_by="closed_at")]


def performance(trades: Sequence[Position]) -> dict[str, Any]:
    """Count, wins, net result, fees, profit factor and average R of closed trades of one currency.

    The profit factor is won money over lost money; None where nothing was lost.
    """
    results = [each.net_pnl for each in trades]
    won = [each for each in results if each > ZERO]
    lost = -sum((each for each in results if each < ZERO), ZERO)
    multiples = [each.r_multiple for each in trades if each.r_multiple is not None]
    return {
        "trades": len(trades),
        "wins": len(won),
        "win_rate": _share(Decimal(len(won)), Decimal(len(trades))),
        "net_pnl": _money(sum(results, ZERO)),
        "fees": _money(sum((each.fees for each in trades), ZERO)),
        "profit_factor": _share(sum(won, ZERO), lost),
        "average_r": plain(round(sum(multiples, ZERO) / len(multiples), 3)) if multiples else None,
        "best": _money(max(results)) if results else None,
        "worst": _money(min(results)) if results else None,
    }


def by_symbol(trades: Sequence[Position]) -> list[dict[str, Any]]:
    """The same figures for every symbol traded, in alphabetical order."""
    kept: dict[str, list[Position]] = defaultdict(list)
    for each in trades:
        kept[each.symbol].append(each)
    return [{"symbol": symbol, **performance(found)} for symbol, found in sorted(kept.items())]


def by_currency(store: Store, since: datetime) -> list[dict[str, Any]]:
    """Everybody's trades that closed since then; money of different currencies is never added, nor paper to live."""
    kept: dict[tuple[str, bool], list[Position]] = defaultdict(list)
    for document in store["accounts"].all():
        account = from_document(Account, document)
        trades = closed_since(store, account.id, since)
        if trades:
            kept[account.currency, account.exchange == "paper"] += trades
    return [
        {"currency": currency, "paper": paper, **performance(found)}
        for (currency, paper), found in sorted(kept.items())
    ]


def exposure(store: Store, account_id: str, equity: Decimal, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """What is held and what stops would lose of it.

    A position is valued at its price in `prices`, without one at its average entry (`valued_at_entry` names those).
    `open_risk` is the money between the average entry and the stop, where the stop is still on the losing side; positions
    without a stop are in `without_stop` and in no sum of risk.
    """
    mine = (where("account_id") == account_id) & (where("status") == PositionStatus.OPEN.value)
    held = [from_document(Position, each) for each in store["positions"].search(mine)]
    value = sum((prices.get(each.symbol, each.average_price) * each.quantity for each in held), ZERO)
    risk = sum((_at_risk(each) for each in held), ZERO)
    return {
        "open_positions": len(held),
        "exposure": _money(value),
        "exposure_of_equity": _share(value, equity),
        "valued_at_entry": sorted({each.symbol for each in held if each.symbol not in prices}),
        "open_risk": _money(risk),
        "open_risk_of_equity": _share(risk, equity),
        "without_stop": sorted(each.id for each in held if each.stop_loss is None),
    }


def drawdown(store: Store, account_id: str, since: datetime, equity: Decimal) -> dict[str, Any]:
    """How far equity is below its peak since then, and the deepest it was, as fractions of the peak of that time."""
    wanted = (where("account_id") == account_id) & (where("at") >= ms_from_utc(since))
    marks = [Decimal(each["equity"]) for each in store["equity_history"].search(wanted, order_by="at")]
    peak = deepest = now = ZERO
    for each in (*marks, equity):
        peak = max(peak, each)
        now = (peak - each) / peak if peak > ZERO else ZERO
        deepest = max(deepest, now)
    return {"peak_equity": _money(peak), "drawdown": _rate(now), "max_drawdown": _rate(deepest)}


def _at_risk(position: Position) -> Decimal:
    if position.stop_loss is None:
        return ZERO
    return max((position.average_price - position.stop_loss) * position.quantity * position.side.sign, ZERO)


def _money(number: Decimal) -> str:
    return plain(round(number, 8))


def _rate(number: Decimal) -> str:
    return plain(round(number, 4))


def _share(part: Decimal, whole: Decimal) -> str | None:
    return _rate(part / whole) if whole > ZERO else None
