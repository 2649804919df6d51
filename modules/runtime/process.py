"""How a process of ours lives: logs, settings, heartbeat, one loop of turns, and an orderly end.

A signal only sets a flag; the loop sees it between two turns. A turn that raises is logged and tried again after a pause
that grows, so that one bad moment (a locked store, a full disk) doesn't end the process; a start that can't work exits
78, which the supervisor does not retry.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from modules.domain.errors import Misconfigured
from modules.domain.market import ms_from_utc
from modules.domain.ports import Clock
from modules.runtime.heartbeat import Heartbeat
from modules.runtime.logs import log
from modules.runtime.settings import EXIT_MISCONFIGURED

_FAILING = 3
_LONGEST_PAUSE = 5.0


class Worker(Protocol):
    """What a process does. `turn` is one bounded piece of work; it returns whether there may be more at once.

    `wake` is set by whatever brings work (the doorbell, a quote); `status` is (state, detail) for the heartbeat.
    """

    name: str
    wake: asyncio.Event

    async def start(self) -> None: ...

    async def turn(self, now: datetime) -> bool: ...

    async def stop(self) -> None: ...

    def status(self) -> tuple[str, str]: ...


async def live(
    worker: Worker,
    clock: Clock,
    heartbeat: Heartbeat,
    *,
    stopping: asyncio.Event,
    idle_seconds: float = 0.25,
    gather_seconds: float = 0.0,
) -> None:
    """Turns of `worker` until `stopping` is set, then its `stop`. Sleeps at most `idle_seconds` when idle.

    A worker that nobody waits for lets news gather for `gather_seconds` before it looks: the processor is then free for
    those that trade.
    """
    logger = log(worker.name)
    await worker.start()
    _keep_what_was_loaded()
    failures = 0
    try:
        while not stopping.is_set():
            worker.wake.clear()
            try:
                more = await worker.turn(clock.now())
                failures = 0
            except Misconfigured:
                raise
            except Exception as error:
                failures += 1
                logger.error("turn failed", error=repr(error), in_a_row=failures, exc_info=error)
                if failures >= _FAILING:
                    heartbeat.fail(f"{failures} turns failed in a row: {type(error).__name__}")
                await _sleep_unless(stopping, min(0.1 * 2**failures, _LONGEST_PAUSE))
                continue
            state, detail = worker.status()
            heartbeat.beat(ms_from_utc(clock.now()), state=state, detail=detail)
            if not more:
                await _first_of(stopping, worker.wake, idle_seconds)
                if gather_seconds and worker.wake.is_set():
                    await _sleep_unless(stopping, gather_seconds)
            else:
                await asyncio.sleep(0)
    finally:
        heartbeat.beat(ms_from_utc(clock.now()), state="stopping")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(worker.stop(), 5)


def _keep_what_was_loaded() -> None:
    """Takes it out of garbage collection: looking through it would stop an executor for a tenth of a second."""
    gc.collect()
    gc.freeze()


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs `main(stopping)` as this process's life; SIGTERM and SIGINT set `stopping`. Exits 78 when misconfigured."""
    try:
        asyncio.run(_with_signals(main))
    except Misconfigured as wrong:
        for problem in wrong.problems:
            sys.stderr.write(f"wrong setting: {problem}\n")
        sys.exit(EXIT_MISCONFIGURED)


async def _with_signals(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await main(stopping)


async def _first_of(stopping: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    if wake.is_set() or stopping.is_set():
        return
    waits = [asyncio.create_task(stopping.wait()), asyncio.create_task(wake.wait())]
    _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)


async def _sleep_unless(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
