"""Compiled kernels: kept on disk, fresh while every file beside them is unchanged, and the plain function within reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from modules.analysis.compiled import borrowed, folder_stamp, kernel

ROOT = Path(__file__).resolve().parents[2]
USE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from room.caller import doubled
print(json.dumps([doubled(3.0), sum(doubled.stats.cache_misses.values())]))
"""


@kernel
def total(values):
    own = borrowed(values)
    found = 0.0
    for place in range(len(own)):
        found += own[place]
    return found


def test_a_kernel_and_its_plain_source_agree():
    values = np.arange(10.0)
    held = sys.getrefcount(values)
    assert total(values) == total.py_func(values) == 45.0
    assert borrowed(values) is values
    assert sys.getrefcount(values) == held


def test_the_stamp_of_a_folder_changes_with_any_file_of_it(tmp_path):
    source = tmp_path / "one.py"
    source.write_text("A = 1\n")
    first = folder_stamp(source)
    (tmp_path / "two.py").write_text("B = 1\n")
    second = folder_stamp(source)
    (tmp_path / "note.txt").write_text("not code")
    assert folder_stamp(source) == second != first


def test_a_second_process_compiles_nothing_until_a_neighbour_changes(tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "caller.py").write_text(
        "from modules.analysis.compiled import kernel\nfrom room.factor import FACTOR\n\n\n"
        "@kernel\ndef doubled(value):\n    return FACTOR * value\n"
    )
    (room / "factor.py").write_text("FACTOR = 2\n")
    assert in_new_process(tmp_path) == [6.0, 1]
    assert in_new_process(tmp_path) == [6.0, 0]
    (room / "factor.py").write_text("FACTOR = 50\n")
    assert in_new_process(tmp_path) == [150.0, 1]


def in_new_process(folder: Path) -> list[float]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", USE, str(folder)], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)
