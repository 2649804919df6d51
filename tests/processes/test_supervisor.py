"""The supervisor over small real processes: what dies comes back, what can't is given up, nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services import supervisor as supervision
from services.supervisor import Supervisor, end_leftovers, read_procfile
from tests.processes.running import ROOT, until

pytestmark = pytest.mark.processes

WAIT = "import time\ntime.sleep(600)\n"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)\n"
)
WORKS = """
import json, os, pathlib, time
while True:
    beat = {"process": "works", "pid": os.getpid(), "state": "up", "at_ms": int(time.time() * 1000), "started_ms": 0}
    draft = pathlib.Path("run/works.draft")
    draft.write_text(json.dumps(beat))
    draft.replace("run/works.beat")
    time.sleep(0.1)
"""
HANGS = WORKS.replace("works", "hangs").replace("time.sleep(0.1)", "time.sleep(600)")


class Yard:
    """A Procfile of scripts in a folder, and what its supervisor said."""

    def __init__(self, folder: Path, **scripts: str) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        self.run_dir.mkdir(exist_ok=True)
        for name, script in scripts.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(script), encoding="utf-8")
        self.procfile = folder / "Procfile"
        self.procfile.write_text("".join(f"{name}: python {name}.py\n" for name in scripts), encoding="utf-8")
        self.out = io.StringIO()

    def lines(self, name: str) -> list[str]:
        """What was said by or about one process."""
        prefix = re.compile(rf"^{name} *\| ?(.*)$")
        return [match[1] for line in self.out.getvalue().splitlines() if (match := prefix.match(line))]

    def row(self, name: str) -> dict[str, object]:
        try:
            rows = json.loads((self.run_dir / "supervisor.json").read_text(encoding="utf-8"))["processes"]
        except FileNotFoundError:
            return {"state": "", "pid": None, "restarts": 0}
        return dict(rows[name])

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[asyncio.Task[int]]:
        """The supervisor at work; ended in good order."""
        worker = Supervisor(self.procfile, self.run_dir, out=self.out)
        running = asyncio.create_task(worker.run())
        try:
            yield running
        finally:
            worker.stop()
            await asyncio.wait_for(asyncio.shield(running), 12)


async def eventually(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(supervision, "TERM_SECONDS", 0.5)


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """Processes that must not outlive the test."""
    found: list[int] = []
    yield found
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


async def test_a_killed_process_is_started_again_and_counted(tmp_path: Path, quick: None) -> None:
    yard = Yard(tmp_path, one=WAIT, two=WAIT)
    async with yard.supervised() as running:
        await eventually(lambda: yard.row("one")["state"] == yard.row("two")["state"] == "up")
        first, other = yard.row("one")["pid"], yard.row("two")["pid"]
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: yard.row("one")["restarts"] == 1 and yard.row("one")["state"] == "up")
        assert yard.row("one")["pid"] != first
        assert yard.row("two") == {"state": "up", "pid": other, "restarts": 0}
        assert yard.lines("one") == ["ended (signal SIGKILL) after 0 s; back in 0.1 s"]
    assert running.result() == 0
    assert {yard.row(name)["state"] for name in ("one", "two")} == {"stopped"}


async def test_a_wrong_setting_is_said_and_not_tried_again(tmp_path: Path, quick: None) -> None:
    yard = Yard(tmp_path, wrong="import sys\nprint('wrong setting: PORT')\nsys.exit(78)\n", well=WAIT)
    async with yard.supervised() as running:
        await eventually(lambda: yard.row("wrong")["state"] == "misconfigured" and yard.row("well")["state"] == "up")
    assert yard.lines("wrong")[0] == "wrong setting: PORT"
    assert "stays down until that is repaired" in yard.lines("wrong")[1]
    assert yard.row("wrong")["restarts"] == 0
    assert running.result() == 1


async def test_what_dies_at_once_is_tried_with_growing_pauses_and_given_up(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "MOST_INSTANT_DEATHS", 4)
    yard = Yard(tmp_path, broken="raise SystemExit(3)\n", well=WAIT)
    async with yard.supervised() as running:
        await eventually(lambda: yard.row("broken")["state"] == "failed")
        assert yard.row("well")["state"] == "up"
    pauses = [float(match[1]) for line in yard.lines("broken") if (match := re.search(r"back in ([\d.]+) s", line))]
    assert pauses == [0.1, 0.2, 0.4]
    assert yard.lines("broken")[-1] == "died at once 4 times in a row (exit 3); given up"
    assert running.result() == 1


async def test_a_pause_never_grows_beyond_its_limit_and_is_forgotten_after_a_steady_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(supervision, "STEADY_AFTER", 0.8)
    yard = Yard(
        tmp_path,
        moody="""
        import pathlib, sys, time
        count = pathlib.Path("count")
        lives = int(count.read_text()) if count.exists() else 0
        count.write_text(str(lives + 1))
        time.sleep(1.0 if lives == 4 else 0)
        sys.exit(1)
        """,
    )
    async with yard.supervised():
        await eventually(lambda: len(yard.lines("moody")) >= 6)
    pauses = [re.search(r"back in ([\d.]+) s", line)[1] for line in yard.lines("moody")[:6]]  # type: ignore[index]
    assert pauses == ["0.1", "0.2", "0.2", "0.2", "0.1", "0.2"]


async def test_a_process_that_had_worked_or_was_killed_is_back_soon_however_often_it_dies(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_AFTER_WORK", 0.2)
    monkeypatch.setattr(supervision, "MOST_INSTANT_DEATHS", 4)
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    yard = Yard(tmp_path, works=WORKS.replace("time.sleep(0.1)", "raise SystemExit(1)"), killed=killed)

    def pauses(name: str) -> list[str]:
        return [line.rsplit("back in ", 1)[1] for line in yard.lines(name) if line.startswith("ended")]

    async with yard.supervised():
        await eventually(lambda: len(pauses("works")) >= 5 and len(pauses("killed")) == 3)
    assert pauses("works")[:5] == ["0.1 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s"]
    assert pauses("killed") == ["0.1 s", "0.2 s", "0.2 s"]


async def test_a_process_that_hangs_is_killed_and_replaced_and_none_for_a_clock_that_jumped(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "SILENT_AFTER", 1.5)
    an_hour_behind = WORKS.replace("time.time() * 1000", "(time.time() - 3600) * 1000")
    yard = Yard(tmp_path, hangs=HANGS, works=an_hour_behind)
    async with yard.supervised():
        await eventually(lambda: yard.row("hangs")["restarts"] == 1 and yard.row("hangs")["state"] == "up")
        assert yard.row("works")["restarts"] == 0
    assert re.fullmatch(r"no finished work for \d+ s: killed", yard.lines("hangs")[0])
    assert "signal SIGKILL" in yard.lines("hangs")[1]


async def test_a_program_that_is_not_there_is_said_and_given_up(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "MOST_INSTANT_DEATHS", 2)
    yard = Yard(tmp_path, well=WAIT)
    yard.procfile.write_text("well: python well.py\nabsent: ./no-such-program\n", encoding="utf-8")
    async with yard.supervised() as running:
        await eventually(lambda: yard.row("absent")["state"] == "failed")
    assert yard.lines("absent")[0].startswith("can't be started: ")
    assert running.result() == 1


async def test_lines_of_all_go_into_one_log_each_with_its_name(tmp_path: Path, quick: None) -> None:
    yard = Yard(
        tmp_path,
        talks="""
        import sys, time
        print("first")
        sys.stderr.write("to stderr\\n")
        sys.stderr.flush()
        sys.stdout.buffer.write(b"not \\xff utf-8\\n" + b"x" * (3 << 20) + b"\\n" + b"after the long one\\n")
        sys.stdout.flush()
        sys.stdout.write("without an end")
        sys.stdout.flush()
        time.sleep(600)
        """,
        longer_name="print('hello', flush=True)\nimport time\ntime.sleep(600)\n",
    )
    async with yard.supervised():
        await eventually(lambda: "after the long one" in yard.lines("talks") and yard.lines("longer_name"))
    said = yard.lines("talks")
    assert {"first", "to stderr", "not \ufffd utf-8", "without an end"} <= set(said)
    assert yard.lines("longer_name") == ["hello"]
    starts = {line.index("|") for line in yard.out.getvalue().splitlines() if "|" in line}
    assert starts == {len("longer_name") + 1}
    assert "\x1b[" not in yard.out.getvalue()  # no colours where nobody sees them


async def test_what_a_dead_process_had_started_does_not_hold_up_its_restart(tmp_path: Path, quick: None) -> None:
    yard = Yard(
        tmp_path,
        parent="""
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(f"child-{child.pid}").touch()
        time.sleep(600)
        """,
    )
    async with yard.supervised():
        await eventually(lambda: list(tmp_path.glob("child-*")))
        (made,) = tmp_path.glob("child-*")
        first = yard.row("parent")["pid"]
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: yard.row("parent")["restarts"] == 1 and yard.row("parent")["state"] == "up")
        assert not is_alive(int(made.name.removeprefix("child-")))


async def test_the_deaf_are_killed_and_the_end_is_still_in_order(tmp_path: Path, quick: None) -> None:
    yard = Yard(tmp_path, deaf=STUBBORN, well=WAIT)
    async with yard.supervised() as running:
        await eventually(lambda: "deaf" in yard.lines("deaf") and yard.row("well")["state"] == "up")
        pid = yard.row("deaf")["pid"]
    assert isinstance(pid, int)
    assert not is_alive(pid)
    assert yard.lines("deaf")[-1] == "did not stop in time: killed"
    assert running.result() == 0


async def test_an_end_asked_for_during_a_pause_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 300.0)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 300.0)
    yard = Yard(tmp_path, broken="raise SystemExit(3)\n")
    async with yard.supervised() as running:
        await eventually(lambda: yard.row("broken")["state"] == "restarting")
    assert running.result() == 0
    assert yard.row("broken")["state"] == "stopped"


DRIVER = """
import asyncio, pathlib, sys
from services.supervisor import Supervisor
here = pathlib.Path(sys.argv[1])
asyncio.run(Supervisor(here / "Procfile", here / "run").run())
"""


def _kill_a_supervisor(yard: Yard, *names: str) -> list[int]:
    """Starts a supervisor of its own, kills it, and returns what its processes' numbers were."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(yard.folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert driver.stdout is not None
        if "deaf" in names:
            assert "deaf" in driver.stdout.readline()
        until(lambda: all(yard.row(name)["pid"] for name in names), 10, "all are up")
        pids = [yard.row(name)["pid"] for name in names]
    finally:
        driver.kill()
        driver.wait()
        assert driver.stdout is not None
        driver.stdout.close()
    return [pid for pid in pids if isinstance(pid, int)]


def test_the_processes_of_a_killed_supervisor_end_by_themselves(tmp_path: Path, pids: list[int]) -> None:
    pids += _kill_a_supervisor(Yard(tmp_path, one=WAIT, two=WAIT), "one", "two")
    until(lambda: not any(is_alive(pid) for pid in pids), 5, "both have ended")


def test_what_a_killed_supervisor_left_is_ended_before_the_next_start(
    tmp_path: Path, quick: None, pids: list[int]
) -> None:
    yard = Yard(tmp_path, deaf=STUBBORN)
    pids += _kill_a_supervisor(yard, "deaf")
    assert is_alive(pids[0])
    assert end_leftovers(yard.procfile, yard.run_dir) == 1
    assert not is_alive(pids[0])
    assert end_leftovers(yard.procfile, yard.run_dir) == 0


def test_a_number_that_now_belongs_to_somebody_else_is_left_alone(tmp_path: Path, quick: None) -> None:
    yard = Yard(tmp_path, one=WAIT)
    with subprocess.Popen([sys.executable, "-c", WAIT], start_new_session=True) as stranger:
        try:
            state = {"pid": 1, "processes": {"one": {"state": "up", "pid": stranger.pid, "restarts": 0}}}
            (yard.run_dir / "supervisor.json").write_text(json.dumps(state), encoding="utf-8")
            assert end_leftovers(yard.procfile, yard.run_dir) == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_procfile_is_read_with_comments_and_quotes() -> None:
    text = "# all of it\n\nweb: python -m api.app  # the door\nother:  ./run 'two words'\n"
    assert read_procfile(text) == [("web", ["python", "-m", "api.app"]), ("other", ["./run", "two words"])]


@pytest.mark.parametrize("line", ["no colon", "a name: python x", "empty:", ": python x"])
def test_a_line_that_is_no_process_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_procfile(f"one: python one.py\n{line}\n")
