"""Runs every benchmark, or those named, and prints one table: `python -m tests.load [store parser feed ...]`."""

from __future__ import annotations

import importlib
import platform
import sys
import time
from pathlib import Path

from tests.load.table import Row, render

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """The areas there are benchmarks for."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    """Exit 1 when a promise was not met."""
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in wanted or names():
        started = time.perf_counter()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.load.bench_{name}").run()
        print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n")
    print(render(rows))
    return 1 if any(row.passed is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
