"""One errand: open an exchange, download the histories wished for one after the other, close it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from modules.connections.candle_download import (
    CandleSink,
    Downloaded,
    Progress,
    Wanted,
    download_all,
    open_exchange,
)


async def fetch(
    exchange_id: str,
    sink: CandleSink,
    wishes: Sequence[Wanted],
    *,
    address: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Downloaded]:
    """What became of each wish; `progress` hears the share done, 0 to 1. Raises InvalidInput for an unknown exchange."""
    results: list[Downloaded] = []

    def report(now: Progress) -> None:
        if progress is not None and now.total:
            progress((len(results) + now.done / now.total) / len(wishes))

    kind = wishes[0].kind if wishes else "spot"
    async with open_exchange(exchange_id, address=address, kind=kind) as exchange:
        async for result in download_all(exchange, sink, wishes, report=report):
            results.append(result)  # noqa: PERF401 - `report` counts them
    return results
