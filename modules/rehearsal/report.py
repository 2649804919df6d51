"""A rehearsal in words and JSON: per signal what the channel claimed, what prices say, what the account made of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from modules.domain.money import ZERO, plain
from modules.domain.positions import Position, PositionStatus
from modules.rehearsal.run import Claim, Rehearsal, Rehearsed


def claimed_level(row: Rehearsed) -> int:
    """The highest target the channel says was reached."""
    everything = len(row.signal.targets)
    levels = [everything if claim.what == "all_targets" else claim.level or 0 for claim in row.claims]
    return max(levels, default=0)


def verdict(row: Rehearsed) -> str:
    """The channel's claims against prices, in a few words."""
    claimed, shown = claimed_level(row), len(row.signal.hits)
    says_stop = any(claim.what == "stop_hit" for claim in row.claims)
    stopped = row.signal.reason == "stop_loss"
    if not row.claims:
        return "no claims" if shown == 0 else f"unclaimed: prices reached target {shown}"
    if claimed > shown:
        return f"overstated: claims target {claimed}, prices show {shown}"
    if says_stop and not stopped:
        return "stop claimed, prices show none"
    if stopped and not says_stop and claimed == 0:
        return "stopped by prices, not told"
    return "confirmed" if claimed == shown else f"understated: claims target {claimed}, prices show {shown}"


def to_json(result: Rehearsal) -> dict[str, Any]:
    """The contract's JSON."""
    return {
        "signals": [_row_json(row) for row in result.signals],
        "skipped": [{"message_id": each.message_id, "reason": each.reason} for each in result.skipped],
        "summary": summary(result),
    }


def summary(result: Rehearsal) -> dict[str, Any]:
    """The figures in sum."""
    held = [row.position for row in result.signals if row.position is not None]
    closed = [each for each in held if each.status is PositionStatus.CLOSED]
    pnl = sum((each.net_pnl for each in closed), ZERO)
    rs = [each.r_multiple for each in closed if each.r_multiple is not None]
    claims = [row for row in result.signals if row.claims]
    judged = [row for row in result.signals if row.signal.return_percent is not None]
    return {
        "messages": result.messages,
        "signals": len(result.signals),
        "skipped": len(result.skipped),
        "traded": len(held),
        "closed": len(closed),
        "won": sum(1 for each in closed if each.net_pnl > ZERO),
        "net_pnl": plain(round(pnl, 2)),
        "fees": plain(round(sum((each.fees for each in held), ZERO), 2)),
        "return_percent": plain(round(pnl / result.balance * 100, 2)),
        "average_r": plain(round(sum(rs, ZERO) / len(rs), 3)) if rs else None,
        "max_drawdown_percent": plain(_drawdown(result)),
        "signals_with_claims": len(claims),
        "claims_confirmed": sum(1 for row in claims if verdict(row) == "confirmed"),
        "claims_overstated": sum(1 for row in claims if verdict(row).startswith("overstated")),
        "targets_claimed": sum(claimed_level(row) for row in result.signals),
        "targets_by_prices": sum(len(row.signal.hits) for row in result.signals),
        "judged_by_prices": len(judged),
        "won_by_prices": sum(1 for row in judged if (row.signal.return_percent or ZERO) > ZERO),
        "from": result.start.isoformat(),
        "to": result.end.isoformat(),
        "assumptions": list(result.assumptions),
    }


def render(result: Rehearsal) -> str:
    """The table and the sums for a terminal."""
    heads = ("said", "symbol", "side", "claims", "by prices", "trade", "R", "PnL", "verdict")
    rows = [heads, *(_cells(row) for row in result.signals)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *_sums(result), *(f"  {sentence}" for sentence in result.assumptions)]
    return "\n".join(lines)


def _sums(result: Rehearsal) -> list[str]:
    total = summary(result)
    signals = f"{total['messages']} messages, {total['signals']} signals with candles, {total['skipped']} skipped"
    made = f"net {total['net_pnl']} USDT ({total['return_percent']} %), fees {total['fees']}"
    risk = f"average R {total['average_r']}, worst drawdown {total['max_drawdown_percent']} %"
    claims = f"{total['targets_claimed']} targets on {total['signals_with_claims']} signals"
    checked = f"confirmed {total['claims_confirmed']}, overstated {total['claims_overstated']}"
    return [
        f"{signals} ({_why_skipped(result)})",
        f"traded {total['traded']}, won {total['won']} of {total['closed']} closed, {made}, {risk}",
        f"the channel claims {claims}; prices show {total['targets_by_prices']} targets; {checked}",
    ]


def _row_json(row: Rehearsed) -> dict[str, Any]:
    signal, position = row.signal, row.position
    r_multiple = position.r_multiple if position is not None else None
    return {
        "message_id": signal.message_id,
        "symbol": signal.symbol,
        "side": signal.side.value,
        "status": signal.status.value,
        "reason": row.refusal or signal.reason,
        "entry_price": _text(position.average_price if position else signal.entry_price),
        "targets_hit": _filled_targets(position) if position else len(signal.hits),
        "targets_by_prices": len(signal.hits),
        "exit_reason": position.close_reason if position else signal.reason,
        "r_multiple": _text(round(r_multiple, 3)) if r_multiple is not None else None,
        "pnl": _text(round(position.net_pnl, 4)) if position else None,
        "return_percent": _text(signal.return_percent),
        "claims": [_claim_json(claim) for claim in row.claims],
        "verdict": verdict(row),
    }


def _claim_json(claim: Claim) -> dict[str, Any]:
    return {"at": claim.at.isoformat(), "what": claim.what, "level": claim.level, "text": claim.text}


def _cells(row: Rehearsed) -> tuple[str, ...]:
    signal, position = row.signal, row.position
    if position is None:
        trade = f"not traded: {row.refusal[:40]}" if row.refusal else "not filled"
    else:
        trade = f"{_filled_targets(position)}/{len(position.targets)} {position.close_reason or 'open'}"
    r_multiple = position.r_multiple if position else None
    return (
        f"{signal.said_at:%m-%d %H:%M}",
        signal.symbol,
        signal.side.value,
        _claims_text(row),
        f"{len(signal.hits)}/{len(signal.targets)} {signal.reason or signal.status.value}",
        trade,
        f"{r_multiple:+.2f}" if r_multiple is not None else "",
        f"{position.net_pnl:+.2f}" if position else "",
        verdict(row),
    )


def _claims_text(row: Rehearsed) -> str:
    words = []
    if level := claimed_level(row):
        words.append(f"T{level}")
    words += [what for what in ("stop_hit", "close", "cancel") if any(claim.what == what for claim in row.claims)]
    return "+".join(words) or "-"


def _filled_targets(position: Position) -> int:
    return sum(1 for target in position.targets if target.hit_at is not None)


def _why_skipped(result: Rehearsal) -> str:
    counts: dict[str, int] = {}
    for each in result.skipped:
        kind = "no candles" if each.reason.startswith("no candles") else each.reason.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return (
        ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda each: -each[1])[:4]) or "none"
    )


def _drawdown(result: Rehearsal) -> Decimal:
    """Largest fall of the wallet from a height, in percent of it, from close to close."""
    peak, worst = result.balance, ZERO
    for _, value in result.equity:
        peak = max(peak, value)
        worst = max(worst, (peak - value) / peak * 100)
    return round(worst, 2)


def _text(number: Decimal | None) -> str | None:
    return plain(number) if number is not None else None
