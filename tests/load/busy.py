"""Something else that wants all the cores: as many spinning processes as there are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager


def _spin() -> None:
    number = 1
    while True:
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648


@contextmanager
def busy_cores() -> Iterator[None]:
    """Every core is wanted by a CPU-bound process until the end of the block."""
    context = multiprocessing.get_context("spawn")
    spinners = [context.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
        for spinner in spinners:
            spinner.join()
