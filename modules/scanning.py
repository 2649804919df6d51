"""The scan over processes: one task a symbol, results as they come, and no failure ends the scan.

The analysis itself is `modules.analysis.scanner`; this file only spreads it over workers that stay warm between scans.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from modules.analysis.candles import Candles
from modules.analysis.detectors import Context
from modules.analysis.scanner import Failure, Opportunity, analyse_one
from modules.analysis.scoring import normalised_weights

Load = Callable[[], Mapping[str, Candles]]
Progress = Callable[[int, int], None]

AHEAD = 3
"""Tasks handed to the pool for each worker; more would hold more candles in memory, not go faster."""

_WARM_BARS = 120


@dataclass(frozen=True, slots=True)
class Job:
    """One symbol to scan. `candles` are its timeframes, or a picklable call that reads them within the worker."""

    symbol: str
    candles: Mapping[str, Candles] | Load
    context: Context | None = None
    at: int | None = None


class Scanner:
    """A pool of worker processes that stay warm; a context manager. With one worker the scan runs in this process."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers if workers is not None else os.cpu_count() or 1
        if self.workers < 1:
            raise ValueError(f"workers: must be at least 1, got {workers}")
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; tasks not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def warm(self) -> None:
        """Starts every worker and loads its compiled code, so that the first scan is as fast as the next."""
        if self.workers > 1:
            pool = self._open()
            barrier = [pool.submit(warm_up) for _ in range(self.workers * 2)]
            wait(barrier)
        else:
            warm_up()

    def scan(
        self,
        jobs: Iterable[Job],
        weights: Mapping[str, float] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Opportunity | Failure]:
        """Each symbol's result as it is ready, in no particular order; `progress(done, known)` is called after each.

        A worker that dies ends only the symbol that killed it: those in flight are tried again one at a time, and the one
        that kills again is a failure. Raises ValueError for bad weights before anything is read.
        """
        normalised_weights(weights)
        waiting = list(jobs)
        results = self._spread(waiting, weights) if self.workers > 1 else _in_turn(waiting, weights)
        for done, result in enumerate(results, start=1):
            if progress is not None:
                progress(done, len(waiting))
            yield result

    def _spread(self, jobs: list[Job], weights: Mapping[str, float] | None) -> Iterator[Opportunity | Failure]:
        held: dict[Future[Opportunity | Failure], Job] = {}
        suspects: list[Job] = []
        todo = iter(jobs)
        try:
            while True:
                while not suspects and len(held) < AHEAD * self.workers and (job := next(todo, None)) is not None:
                    try:
                        held[self._open().submit(run_job, job, weights)] = job
                    except BrokenExecutor:
                        suspects.append(job)
                if not held and not suspects:
                    return
                for future in wait(held, return_when=FIRST_COMPLETED).done:
                    job = held.pop(future)
                    if isinstance(future.exception(), BrokenExecutor):
                        suspects.append(job)
                    else:
                        yield _outcome(future, job)
                if suspects and not held:
                    yield from self._one_by_one(suspects, weights)
                    suspects = []
        finally:
            for future in held:
                future.cancel()

    def _one_by_one(self, jobs: list[Job], weights: Mapping[str, float] | None) -> Iterator[Opportunity | Failure]:
        """Symbols that were in flight when a worker died, each in a pool of its own luck."""
        self._drop_broken()
        for job in jobs:
            try:
                future = self._open().submit(run_job, job, weights)
            except BrokenExecutor:  # a worker died between two symbols
                self._drop_broken()
                future = self._open().submit(run_job, job, weights)
            if isinstance(future.exception(), BrokenExecutor):
                self._drop_broken()
                yield Failure(job.symbol, "the worker process ended while it analysed this symbol")
            else:
                yield _outcome(future, job)

    def _drop_broken(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # a fresh interpreter: a fork would copy threads' locks in whatever state they are
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=warm_up
            )
        return self._pool


def _outcome(future: Future[Opportunity | Failure], job: Job) -> Opportunity | Failure:
    error = future.exception()
    if error is not None:  # what could not be sent to a worker or back
        return Failure(job.symbol, f"{type(error).__name__}: {error}")
    return future.result()


def run_job(job: Job, weights: Mapping[str, float] | None) -> Opportunity | Failure:
    """One symbol in whatever process this is; anything that goes wrong with it is its failure."""
    try:
        candles = job.candles() if callable(job.candles) else job.candles
        return analyse_one(job.symbol, candles, job.context, weights, job.at)
    except Exception as error:  # noqa: BLE001 - a process edge: one symbol must not end the scan
        return Failure(job.symbol, f"{type(error).__name__}: {error}")


def _in_turn(jobs: Iterable[Job], weights: Mapping[str, float] | None) -> Iterator[Opportunity | Failure]:
    return (run_job(job, weights) for job in jobs)


def warm_up() -> None:
    """Loads the compiled code by analysing a short made-up walk."""
    steps = np.random.default_rng(1).normal(0, 1, _WARM_BARS)
    close = 1000 + np.cumsum(steps)
    opened = close - steps
    candles = Candles.checked(
        np.arange(_WARM_BARS) * 60_000,
        opened,
        np.maximum(opened, close) + 1,
        np.minimum(opened, close) - 1,
        close,
        np.ones(_WARM_BARS),
        timeframe_ms=60_000,
    )
    analyse_one("warm-up", {"1m": candles})
