"""The whole program as a user starts it: `run_all.py` over a data directory of its own, with prices from a file.

    with Program(tmp_path) as program:
        program.tick("BTCUSDT", "60000")
        program.post(text)

Everything waits with a deadline and says, when that passes, what it waited for and what the program last wrote.
Whatever happens, no process is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from database import Store
from modules.records import open_records

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("prices", "executor", "targets", "orders", "broadcast", "forwarder", "notifier", "trader", "backtester", "api")
_T = TypeVar("_T")
#: What must not leak in from whoever runs the tests.
_FOREIGN = ("TELEGRAM_", "STRIPE_", "MAX_", "ADMIN_", "VIP_", "TRIAL_", "COV_", "SMTP_", "MAIL_", "PUBLIC_")


class TooLate(AssertionError):
    """Something did not come to pass in time."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def patience() -> float:
    """By how much deadlines are longer than a quiet machine needs: tests share it, and a benchmark does the measuring."""
    return max(4.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def until(read: Callable[[], _T], seconds: float, what: str, *, every: float = 0.05) -> _T:
    """The first true value of `read`. Raises TooLate naming `what` after so many seconds."""
    deadline = time.monotonic() + seconds * patience()
    while True:
        if found := read():
            return found
        if time.monotonic() > deadline:
            raise TooLate(f"not within {seconds:g} s: {what}; last seen: {found!r}")
        time.sleep(every)


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The variables of a start over `data_dir`, and nothing of those of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1", **settings}


class Program:
    """One installation; `start` and `stop` may follow one another as often as a test likes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir = folder / "var"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.ticks = folder / "ticks.jsonl"
        self.ticks.touch()
        self.log = folder / "run_all.log"
        self.port = free_port()
        given = {"PORT": str(self.port), "PRICES": f"follow:{self.ticks}", **settings}
        self.environment = environment(self.data_dir, **given)
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[int] = set()
        self._numbers = iter(range(1, 10**6))

    # ---- life

    def __enter__(self) -> Program:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.clean_up()
        if error is not None:
            sys.stderr.write(f"\n---- the program's last lines ----\n{self.last_lines()}\n")

    def start(self, *, wait: bool = True) -> None:
        """Starts everything; with `wait` returns once health is ok."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "run_all.py")],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.until_healthy()

    def stop(self, number: signal.Signals = signal.SIGINT, seconds: float = 10.0) -> int:
        """Ctrl-C: the exit code. Raises TooLate when it takes longer."""
        self.pids()
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise TooLate(f"run_all still runs {seconds:g} s after {number.name}") from late

    @property
    def supervisor_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to one process by its name in the Procfile; returns the pid it had."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def kill_supervisor(self) -> None:
        """kill -9 of run_all itself."""
        self.pids()
        assert self._process is not None
        self._process.kill()
        self._process.wait(5)

    def clean_up(self) -> None:
        """Ends whatever of this program still lives, gently first."""
        with contextlib.suppress(OSError, ValueError):
            self.pids()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(5)
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def living(self) -> list[int]:
        """The processes that were ever seen as this program's and still live."""
        return sorted(pid for pid in self._seen if self._is_ours(pid))

    def _is_ours(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("DATA_DIR") == self.environment["DATA_DIR"]
            )
        except psutil.Error:
            return False

    # ---- what it says

    def supervised(self) -> dict[str, dict[str, Any]]:
        """What the supervisor wrote of its processes."""
        try:
            content = json.loads((self.data_dir / "run" / "supervisor.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        processes: dict[str, dict[str, Any]] = content["processes"]
        self._seen |= {row["pid"] for row in processes.values() if row["pid"]}
        return processes

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {name: row["pid"] for name, row in self.supervised().items() if row["pid"]}

    def last_lines(self, count: int = 40) -> str:
        """The end of the combined log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])

    def until_healthy(self, seconds: float = 30.0) -> dict[str, Any]:
        """Health once it is ok, with every process up."""

        def well() -> dict[str, Any] | None:
            if self._process is not None and self._process.poll() is not None:
                raise AssertionError(f"run_all ended with {self._process.returncode}:\n{self.last_lines()}")
            health = self.health()
            states = {name: row["state"] for name, row in health.get("processes", {}).items()}
            return health if health.get("status") == "ok" and set(states.values()) == {"up"} else None

        try:
            return until(well, seconds * patience(), "health is ok") or {}
        except TooLate as late:
            raise TooLate(f"{late}; health: {self.health()}\n{self.last_lines()}") from None

    def until_replaced(self, name: str, old_pid: int, seconds: float = 5.0) -> float:
        """Waits until the process is another one and works; how long that took."""
        begun = time.monotonic()

        def replaced() -> bool:
            pid = self.pids().get(name)
            row = self.health().get("processes", {}).get(name, {})
            return pid not in (None, old_pid) and row.get("state") == "up" and self._beats(name, pid)

        until(replaced, seconds * patience(), f"{name} is back")
        return time.monotonic() - begun

    def _beats(self, name: str, pid: int | None) -> bool:
        try:
            beat = json.loads((self.data_dir / "run" / f"{name}.beat").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(beat["pid"] == pid and beat["state"] == "up")

    # ---- doors

    @property
    def token(self) -> str:
        return (self.data_dir / "operator.token").read_text(encoding="utf-8").strip()

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer. Raises OSError while nobody listens."""
        headers = {"Content-Type": "application/json"}
        with contextlib.suppress(FileNotFoundError):
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.loads(refusal.read())

    def get(self, path: str) -> dict[str, Any]:
        """The answer to a question that must be granted."""
        status, answer = self.request("GET", path)
        assert status == 200, answer
        return answer

    def health(self) -> dict[str, Any]:
        """What health says, whatever it is; empty while nobody listens."""
        try:
            return self.request("GET", "/api/health")[1]
        except OSError:
            return {}

    def post(self, text: str, **fields: Any) -> dict[str, Any]:
        """Hands a message to the HTTP inbox, again while the API is away: the id makes that harmless."""
        body = {"source": "test", "message_id": f"m{next(self._numbers)}", "text": text, **fields}

        def handed_in() -> dict[str, Any] | None:
            try:
                status, answer = self.request("POST", "/api/signals/inbox", body)
            except OSError:
                return None
            assert status == 202, answer
            return {**answer, "message_id": body["message_id"]}

        return until(handed_in, 15, "the inbox takes the message") or {}

    def drop(self, name: str, text: str) -> None:
        """Puts a message into the watched folder."""
        (self.data_dir / "inbox" / name).write_text(text, encoding="utf-8")

    def tick(self, symbol: str, *prices: str) -> None:
        """Trades happen, one after another."""
        with self.ticks.open("a", encoding="utf-8") as file:
            for price in prices:
                row = {"time": int(time.time() * 1000), "exchange": "binance", "symbol": symbol, "price": price}
                file.write(json.dumps({**row, "quantity": "0.5"}) + "\n")

    def cli(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A terminal command over the same data directory."""
        return subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *words],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    # ---- what came of it

    def positions(self, status: str = "all") -> list[dict[str, Any]]:
        """Positions as the API shows them, newest first."""
        rows: list[dict[str, Any]] = self.get(f"/api/positions?status={status}")["positions"]
        return rows

    def position(self, signal_id: str) -> dict[str, Any] | None:
        """The signal's one position, if there is one."""
        try:
            found = [row for row in self.positions() if row["signal_id"] == signal_id]
        except OSError:
            return None
        assert len(found) <= 1, found
        return found[0] if found else None

    def until_position(self, signal_id: str, seconds: float = 10.0, **wanted: Any) -> dict[str, Any]:
        """The signal's position once it has these values."""

        def as_wanted() -> dict[str, Any] | None:
            row = self.position(signal_id)
            return row if row and all(row[name] == value for name, value in wanted.items()) else None

        try:
            return until(as_wanted, seconds, f"position of {signal_id} with {wanted}") or {}
        except TooLate as late:
            orders = self.get("/api/orders")["orders"]
            raise TooLate(f"{late}; position: {self.position(signal_id)}; orders: {orders}") from None

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """The store, beside the processes that use it."""
        store = open_records(f"sqlite:///{(self.data_dir / 'verzek.db').resolve()}", self.data_dir)
        try:
            yield store
        finally:
            store.close()

    def room(self, chat: str = "local:vip") -> list[dict[str, Any]]:
        """What the local chat shows, oldest first."""
        from modules.notices.local_channel import messages_after

        with self.store() as store:
            return [dict(message) for message in messages_after(store, chat, 0, limit=1000)]
