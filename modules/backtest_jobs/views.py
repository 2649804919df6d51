"""Jobs and finished tests as every door shows them. Imports nothing compiled: a door starts without it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modules.backtest_jobs.jobs import Job
from modules.backtest_jobs.results import KeptResult
from modules.domain.market import iso_from_ms, ms_from_utc

Row = dict[str, Any]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso_from_ms(ms_from_utc(at))


def job_row(job: Job) -> Row:
    """A job for its owner."""
    error = job.error and {name: job.error[name] for name in ("code", "message", "fields")}
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "status": job.status,
        "stage": job.stage,
        "progress": job.progress,
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "finished_at": _iso(job.finished_at),
        "result_id": job.result_id,
        "error": error,
    }


def result_row(kept: KeptResult) -> Row:
    """A finished test in a list: the figures clients have always known, and ours."""
    return {
        "id": kept.id,
        "job_id": kept.job_id,
        "kind": kept.kind,
        "title": kept.title,
        "strategy": kept.strategy,
        "timeframe": kept.timeframe,
        "from": iso_from_ms(kept.from_ms),
        "to": iso_from_ms(kept.to_ms),
        "created_at": _iso(kept.created_at),
        "warnings": kept.warnings,
        "metrics": kept.figures,
        **headline(kept),
    }


def headline(kept: KeptResult) -> Row:
    """The keys of a simple answer: percentages as percent, losses of the drawdown as a positive number."""
    figures = kept.figures
    return {
        "symbol": kept.symbol,
        "period": period(kept),
        "total_trades": figures["trades"],
        "win_rate": _percent(figures["win_rate"]),
        "total_pnl": figures["net_profit"],
        "profit_factor": figures["profit_factor"],
        "max_drawdown_pct": _percent(figures["max_drawdown"], -1),
        "return_pct": _percent(figures["total_return"]),
    }


def period(kept: KeptResult) -> str:
    """How long the test is, as it was asked for."""
    days = kept.days or max(round((kept.to_ms - kept.from_ms) / 86_400_000), 1)
    return f"{days} day{'' if days == 1 else 's'}"


def _percent(share: float | None, sign: int = 1) -> float | None:
    return None if share is None else round(sign * share * 100, 6) + 0.0


def answer_of(kept: KeptResult, document: Mapping[str, Any]) -> Row:
    """A whole answer: the document, with the simple keys beside it."""
    return {"id": kept.id, "job_id": kept.job_id, "created_at": _iso(kept.created_at), **document, **headline(kept)}
