"""Keeps the processes of the Procfile running: starts them, restarts what dies or hangs, stops all in good order.

Each process is its own session and dies with the supervisor. A dead one is back after a short pause that doubles with
every quick death and is forgotten after a minute up; one that had finished work, or was killed, never waits long. One
that exits 78 (a wrong setting), or dies at once ten times in a row with no work done, is left down, and that is said. A
process that stops telling of finished work is killed and replaced; how long it has been silent is measured here, so
that a clock that jumps kills nobody.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shlex
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil  # type: ignore[import-untyped]

from modules.runtime.heartbeat import Beat, read_beats
from modules.runtime.settings import EXIT_MISCONFIGURED

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
#: The same for a process that had finished work or was killed: with its start it is back within five seconds.
LONGEST_PAUSE_AFTER_WORK = 2.0
STEADY_AFTER = 60.0
INSTANT = 3.0
MOST_INSTANT_DEATHS = 10
SILENT_AFTER = 20.0
#: The very first start compiles kernels, which a slow machine does in its own time.
FIRST_BEAT_WITHIN = 120.0
TERM_SECONDS = 6.0
KILL_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1
_COLORS = (36, 33, 32, 35, 34, 91, 92, 93, 94, 95, 96)
#: Numeric libraries must not start a thread per core in every process.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(slots=True)
class Child:
    """One line of the Procfile and what became of it."""

    name: str
    command: list[str]
    color: int = 37
    state: str = "starting"
    restarts: int = 0
    pid: int | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    instant_deaths: int = 0
    beat_ms: int | None = None
    heard: float = 0.0
    process: asyncio.subprocess.Process | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def read_procfile(text: str) -> list[tuple[str, list[str]]]:
    """Name and command of every line; `#` begins a comment. Raises ValueError for anything else."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if not content:
            continue
        name, colon, command = content.partition(":")
        if not colon or not name.strip().isidentifier() or not command.strip():
            raise ValueError(f"Procfile line {number} is not `name: command`: {line!r}")
        found.append((name.strip(), shlex.split(command)))
    return found


def end_leftovers(procfile: Path, run_dir: Path) -> int:
    """Ends what a killed supervisor left in `run_dir`; returns how many. Two of a kind would fight for the same things.

    Deaf or stopped ones are killed: one may hold the store's lock. Call it before the store is opened.
    """
    left = _left_over(run_dir / "supervisor.json", dict(read_procfile(procfile.read_text(encoding="utf-8"))))
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, late = psutil.wait_procs(left, TERM_SECONDS)
    for process in late:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(late, KILL_SECONDS)
    return len(left)


def _left_over(state: Path, commands: dict[str, list[str]]) -> list[psutil.Process]:
    """The processes named in the state file of an earlier supervisor that still live; a reused number is not one."""
    try:
        written = state.stat().st_mtime
        rows: dict[str, dict[str, Any]] = json.loads(state.read_text(encoding="utf-8"))["processes"]
    except (OSError, ValueError, KeyError):
        return []
    found = []
    for name, row in rows.items():
        if row.get("pid") is None or name not in commands:
            continue
        with suppress(psutil.Error):
            process = psutil.Process(row["pid"])
            if process.create_time() <= written and process.cmdline()[1:] == commands[name][1:]:
                found.append(process)
    return found


class Supervisor:
    """`run` starts everything and returns the exit code once it was told to stop."""

    def __init__(self, procfile: Path, run_dir: Path, *, out: TextIO = sys.stdout) -> None:
        lines = read_procfile(procfile.read_text(encoding="utf-8"))
        self._children = [
            Child(name, _python(command), _COLORS[index % len(_COLORS)]) for index, (name, command) in enumerate(lines)
        ]
        self._folder = procfile.parent
        self._run_dir = run_dir
        self._out = out
        self._width = max((len(child.name) for child in self._children), default=1)
        self._stopping = asyncio.Event()
        self._colored = out.isatty()

    def stop(self) -> None:
        """Asks for the orderly end; harmless when repeated."""
        self._stopping.set()

    async def run(self) -> int:
        """Until `stop`. 0 when everything could be kept running, 1 when a process was given up."""
        keepers = [asyncio.create_task(self._keep(child), name=child.name) for child in self._children]
        watcher = asyncio.create_task(self._watch())
        await self._stopping.wait()
        given_up = [child.name for child in self._children if child.state in ("failed", "misconfigured")]
        watcher.cancel()
        await self._stop_all(keepers)
        await asyncio.gather(*keepers, watcher, return_exceptions=True)
        self._write_state()
        return 1 if given_up else 0

    # ---- one child ------------------------------------------------------------------------------------------------

    async def _keep(self, child: Child) -> None:
        while not self._stopping.is_set():
            code = await self._live(child)
            if self._stopping.is_set() or not self._may_restart(child, code):
                return
            child.restarts += 1
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), child.pause)

    async def _live(self, child: Child) -> int:
        """Starts the child, passes its lines on, and returns its exit code."""
        try:
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                cwd=self._folder,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                limit=1 << 20,
            )
        except OSError as error:
            self._say(child.name, f"can't be started: {error}", child.color)
            child.started = time.monotonic()
            return 127
        child.pid, child.started, child.state = child.process.pid, time.monotonic(), "up"
        child.beat_ms, child.heard = None, child.started
        self._write_state()
        if self._stopping.is_set():  # it was being started when the end was asked for
            _signal_group(child, signal.SIGTERM)
        await self._pass_on(child)
        return await child.process.wait()

    async def _pass_on(self, child: Child) -> None:
        assert child.process is not None
        assert child.process.stdout is not None
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # a line longer than the limit: what was read of it is lost, the rest goes on
                continue
            if not line:
                return
            self._say(child.name, line.decode("utf-8", "replace").rstrip("\n"), child.color)

    def _may_restart(self, child: Child, code: int) -> bool:
        lived = time.monotonic() - child.started
        _listen(child, read_beats(self._run_dir).get(child.name))
        child.pid = None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        if code == EXIT_MISCONFIGURED:
            child.state = "misconfigured"
            self._say(
                child.name,
                "a setting is wrong (see above); it stays down until that is repaired and all is restarted",
                31,
            )
        elif self._gave_up(child, lived):
            child.state = "failed"
            self._say(child.name, f"died at once {MOST_INSTANT_DEATHS} times in a row ({how}); given up", 31)
        else:
            own_fault = child.beat_ms is None and code != -signal.SIGKILL
            longest = LONGEST_PAUSE if own_fault else LONGEST_PAUSE_AFTER_WORK
            child.pause = FIRST_PAUSE if lived >= STEADY_AFTER else min(child.pause * 2, longest)
            if child.restarts == 0:
                child.pause = FIRST_PAUSE
            child.state = "restarting"
            self._say(child.name, f"ended ({how}) after {lived:.0f} s; back in {child.pause:.1f} s", 33)
        self._write_state()
        return child.state == "restarting"

    def _gave_up(self, child: Child, lived: float) -> bool:
        child.instant_deaths = child.instant_deaths + 1 if lived < INSTANT and child.beat_ms is None else 0
        return child.instant_deaths >= MOST_INSTANT_DEATHS

    # ---- all of them ----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Every second: tells the state, and kills what has not finished any work for too long."""
        while True:
            await asyncio.sleep(1)
            self._write_state()
            beats = read_beats(self._run_dir)
            for child in self._children:
                _end_orphans(child)
                _listen(child, beats.get(child.name))
                silent = time.monotonic() - child.heard
                if child.state == "up" and silent > (FIRST_BEAT_WITHIN if child.beat_ms is None else SILENT_AFTER):
                    self._say(child.name, f"no finished work for {silent:.0f} s: killed", 31)
                    _signal_group(child, signal.SIGKILL)

    async def _stop_all(self, keepers: list[asyncio.Task[None]]) -> None:
        """Asks every child to end, and kills those that have not after a while."""
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                child.state = "stopping"
                _signal_group(child, signal.SIGTERM)
        await asyncio.wait(keepers, timeout=TERM_SECONDS)
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                self._say(child.name, "did not stop in time: killed", 31)
                _signal_group(child, signal.SIGKILL)
        _, late = await asyncio.wait(keepers, timeout=KILL_SECONDS)
        for task in late:
            task.cancel()
        for child in self._children:
            if child.state in ("stopping", "up", "restarting"):
                child.state, child.pid = "stopped", None

    def _write_state(self) -> None:
        processes = {
            child.name: {"state": child.state, "pid": child.pid, "restarts": child.restarts} for child in self._children
        }
        path = self._run_dir / "supervisor.json"
        draft = path.with_suffix(".draft")
        with suppress(OSError):  # a full disk must not stop the supervision
            draft.write_text(json.dumps({"pid": os.getpid(), "processes": processes}), encoding="utf-8")
            draft.replace(path)

    def _say(self, name: str, line: str, color: int) -> None:
        prefix = f"{name:<{self._width}} |"
        if self._colored:
            prefix = f"\x1b[{color}m{prefix}\x1b[0m"
        with suppress(BrokenPipeError):
            print(prefix, line, file=self._out, flush=True)


def _listen(child: Child, beat: Beat | None) -> None:
    """Notes when a beat of this very process was last a new one."""
    if beat is not None and beat.pid == child.pid and beat.at_ms != child.beat_ms:
        child.beat_ms, child.heard = beat.at_ms, time.monotonic()


def _python(command: list[str]) -> list[str]:
    """`python` in a Procfile is the interpreter that runs the supervisor."""
    return [sys.executable, *command[1:]] if command[0] in ("python", "python3") else command


def _environment() -> dict[str, str]:
    return {**dict.fromkeys(_ONE_THREAD, "1"), **os.environ, "PYTHONUNBUFFERED": "1"}


def _die_with_parent() -> None:
    """In the child, before it runs: the kernel sends SIGTERM when the supervisor dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end_orphans(child: Child) -> None:
    """What a dead child had started still holds its output, and so its restart: it ends too."""
    if child.state == "up" and child.process is not None and child.process.returncode is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, number)
