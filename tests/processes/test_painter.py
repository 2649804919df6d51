"""The painter's child: draws, is replaced when it dies, and never outlives its owner."""

from __future__ import annotations

import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modules.domain.signals import Signal
from modules.notices.painter import Painter
from tests.unit.test_wording import signal

PNG = b"\x89PNG\r\n"
ROOT = Path(__file__).resolve().parents[2]


def said(**fields: object) -> Signal:
    return replace(signal(), **fields)  # type: ignore[arg-type]


def children(owner: int) -> set[int]:
    found = [int(each) for each in Path(f"/proc/{owner}/task/{owner}/children").read_text().split()]
    return {each for each in found if b"modules.notices.painter" in Path(f"/proc/{each}/cmdline").read_bytes()}


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def painter() -> Iterator[Painter]:
    made = Painter()
    yield made
    made.close()


@pytest.fixture
def own() -> Callable[[], set[int]]:
    """The children that this test has made: others of the process may have theirs."""
    before = children(os.getpid())
    return lambda: children(os.getpid()) - before


def test_one_child_draws_every_picture_behind_everybody(painter: Painter, own: Callable[[], set[int]]) -> None:
    assert (painter.draw(said(), None) or b"").startswith(PNG)
    first = own()
    assert (painter.draw(said(), None) or b"").startswith(PNG)
    assert own() == first
    assert len(first) == 1
    assert os.getpriority(os.PRIO_PROCESS, first.pop()) >= 15


def test_a_killed_child_costs_one_picture_at_most(painter: Painter, own: Callable[[], set[int]]) -> None:
    assert painter.draw(said(), None) is not None
    for child in own():
        os.kill(child, signals.SIGKILL)
    painter.draw(said(), None)
    assert (painter.draw(said(), None) or b"").startswith(PNG)


def test_a_picture_that_cannot_be_drawn_is_left_out_and_the_next_is_drawn(painter: Painter) -> None:
    assert painter.draw(said(entries=(), targets=(), stop_loss=None), None) is None
    assert painter.draw(said(), None) is not None


def test_closing_ends_the_child(painter: Painter, own: Callable[[], set[int]]) -> None:
    painter.start()
    painter.start()
    painter.draw(said(), None)
    assert len(own()) == 1
    painter.close()
    assert not own()


def test_a_killed_owner_leaves_no_child_behind() -> None:
    code = (
        "import sys, time\n"
        "from modules.notices.painter import Painter\n"
        "from tests.processes.test_painter import said\n"
        "painter = Painter(); painter.draw(said(), None); print('drawn', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "drawn\n"
        (child,) = children(owner.pid)
        owner.kill()
    deadline = time.monotonic() + 10
    while not is_gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_gone(child)
