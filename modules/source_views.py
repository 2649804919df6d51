"""A source's true record, and what became of one signal for whoever asks: by what prices said, never by what was claimed."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from tinydb import where

from database import Store
from modules.domain.errors import NotFound
from modules.domain.money import ZERO, plain
from modules.domain.plans import Plan, TradeSettings
from modules.domain.signals import Signal
from modules.records import from_document
from modules.rows import signal_row, source_row
from modules.trade_views import fills_of, plan_row

_RECENT = 20


def followed(source: str, settings: TradeSettings | None) -> dict[str, bool | None]:
    """Whether an account trades a source, and whether it muted it; None where nobody's account is meant."""
    if settings is None:
        return {"followed": None, "muted": None}
    muted = source in settings.muted_sources or not ("*" in settings.sources or source in settings.sources)
    return {"followed": settings.follows(source), "muted": muted}


def source_record(store: Store, source: str, viewer: str | None) -> dict[str, Any]:
    """A source's record as a whole, by symbol and by side, with its newest signals. Raises NotFound."""
    documents = store["signals"].search(where("source") == source, order_by="received_at", descending=True)
    signals = [from_document(Signal, each) for each in documents if each.get("owner") in (None, viewer)]
    if not signals:
        raise NotFound("There is no such source.")
    results = sorted(each.r_multiple for each in signals if each.r_multiple is not None)
    symbols = sorted({each.symbol for each in signals})
    return {
        **source_row(source, signals),
        "best_r": _text(results[-1] if results else None),
        "worst_r": _text(results[0] if results else None),
        "median_r": _text(results[len(results) // 2] if results else None),
        "sum_r": _text(sum(results, ZERO) if results else None),
        "first_signal_at": signal_row(signals[-1])["received_at"],
        "last_signal_at": signal_row(signals[0])["received_at"],
        "by_side": [_grouped(side, [s for s in signals if s.side.value == side]) for side in ("LONG", "SHORT")],
        "by_symbol": [_grouped(symbol, [s for s in signals if s.symbol == symbol]) for symbol in symbols],
        "recent": [signal_row(each) for each in signals[:_RECENT]],
    }


def plans_of(store: Store, signal_id: str, accounts: Collection[str] | None) -> list[dict[str, Any]]:
    """What these accounts (None: all) did about a signal: each plan with its fills and its position's id."""
    found = store["plans"].search(where("signal_id") == signal_id, order_by="created_at")
    return [
        {
            **plan_row(from_document(Plan, each)),
            "position_id": f"pos-{each['id']}" if store["positions"].contains(key=f"pos-{each['id']}") else None,
            "fills": fills_of(store, each["id"]),
        }
        for each in found
        if accounts is None or each["account_id"] in accounts
    ]


def _grouped(name: str, signals: list[Signal]) -> dict[str, Any]:
    row = source_row(name, signals)
    kept = ("signals", "open", "judged", "won", "win_rate", "average_r")
    return {"name": name, **{field: row[field] for field in kept}}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(round(value, 3))
