"""The live stream and HTTP of one process: against a plain loop under uvicorn, and against gunicorn with two workers.

Servers, listeners and load are processes of their own; every pair is measured in turns within one run, and figures are
medians of the rounds. CPU is the server's own over the counted seconds.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.load.table import Row

CLIENTS = 1_000
SECONDS = 4.0
ROUNDS = 3
CONNECTIONS = 16
HTTP_SECONDS = 3
_ROOT = Path(__file__).resolve().parents[2]


def run() -> list[Row]:
    """The rows of this benchmark; about a minute and a half."""
    return [*_fan_out(), *_stalled(), *_http()]


def _middle(results: list[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in results)


# ---- the fan-out ------------------------------------------------------------------------------------------------------


def _fan_out() -> list[Row]:
    ours, plain = [], []
    for _ in range(ROUNDS):
        for kind, results in (("ours", ours), ("plain", plain)):
            with _server(kind) as (port, process):
                results.append(_listened(port, process))
    cpu = statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(ours, plain, strict=True))
    p99 = statistics.median(a["p99"] / b["p99"] for a, b in zip(ours, plain, strict=True))
    expected = 0.95 * CLIENTS * 10 * SECONDS
    whole = all(each["messages"] >= expected and not each["lost"] for each in ours)
    return [
        Row("stream", "1,000 clients x 10/s: ours p50", _middle(ours, "p50"), "ms"),
        Row("stream", "1,000 clients x 10/s: ours p99", _middle(ours, "p99"), "ms"),
        Row("stream", "a plain send_text loop p50", _middle(plain, "p50"), "ms"),
        Row("stream", "a plain send_text loop p99", _middle(plain, "p99"), "ms"),
        Row("stream", "p99, ours to plain", p99, "x", "<= 1", p99 <= 1),
        Row("stream", "ours, CPU", _middle(ours, "cpu_us"), "us per message"),
        Row("stream", "plain loop, CPU", _middle(plain, "cpu_us"), "us per message"),
        Row("stream", "CPU per message, ours to plain", cpu, "x", "<= 0.8", cpu <= 0.8),
        Row("stream", "ours, memory with 1,000 clients", _middle(ours, "megabytes"), "MB"),
        Row("stream", "plain loop, memory", _middle(plain, "megabytes"), "MB"),
        Row("stream", "messages heard in the window, fewest", min(each["messages"] for each in ours), "of 40,000",
            "all but the edges", whole),
    ]  # fmt: skip


def _stalled() -> list[Row]:
    """Half as many clients, beside twenty that are told 500 kB/s: reading it, and reading nothing."""
    alone, beside, grown = [], [], []
    for _ in range(ROUNDS):
        with _server("flood") as (port, process):
            alone.append(_listened(port, process, clients=CLIENTS // 2, attentive=20))
        with _server("flood") as (port, process):
            beside.append(_listened(port, process, clients=CLIENTS // 2, stalled=20))
            grown.append(beside[-1]["megabytes"] - alone[-1]["megabytes"])
    ratio = statistics.median(a["p99"] / b["p99"] for a, b in zip(beside, alone, strict=True))
    growth = statistics.median(grown)
    return [
        Row("stream", "p99 beside 20 stalled clients, to 20 that read", ratio, "x", "<= 1.25 (noise)", ratio <= 1.25),
        Row("stream", "memory 20 stalled clients cost, to 20 that read", growth, "MB", "<= 10", growth <= 10),
    ]


@contextmanager
def _server(kind: str) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "tests.load.stream_load", kind]
    started = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert started.stdout is not None
        yield int(started.stdout.readline()), psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def _listened(
    port: int, server: psutil.Process, *, clients: int = CLIENTS, stalled: int = 0, attentive: int = 0
) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "tests.load.stream_load",
        "listen",
        str(port),
        str(clients),
        str(SECONDS),
        str(stalled),
        str(attentive),
    ]
    listeners = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert listeners.stdout is not None
        _wait_for(listeners.stdout.readline(), "counting")
        before = server.cpu_times()
        _wait_for(listeners.stdout.readline(), "counted")
        after, memory = server.cpu_times(), server.memory_info().rss
        seen: dict[str, float] = json.loads(listeners.stdout.readline())
    finally:
        listeners.kill()
        listeners.wait()
    used = after.user - before.user + after.system - before.system
    return {**seen, "cpu_us": used * 1e6 / max(1.0, seen["messages"]), "megabytes": memory / 1e6}


def _wait_for(line: str, word: str) -> None:
    if line.strip() != word:
        raise RuntimeError(f"the listeners said {line!r} instead of {word}")


# ---- HTTP -------------------------------------------------------------------------------------------------------------


def _http() -> list[Row]:
    ours, fresh, theirs = [], [], []
    for _ in range(ROUNDS):
        with _gunicorn() as port:
            theirs.append(_load(port, "/api/tiny"))
        with _server("ours") as (port, _process):
            ours.append(_load(port, "/api/tiny"))
            fresh.append(_load(port, "/api/health"))
    tool = "wrk" if shutil.which("wrk") else "own client (wrk is not installed)"
    flask = statistics.median(a["rate"] / b["rate"] for a, b in zip(ours, theirs, strict=True))
    flask_p99 = statistics.median(a["p99"] / b["p99"] for a, b in zip(ours, theirs, strict=True))
    hot = statistics.median(a["rate"] / b["rate"] for a, b in zip(fresh, theirs, strict=True))
    hot_p99 = statistics.median(a["p99"] / b["p99"] for a, b in zip(fresh, theirs, strict=True))
    return [
        Row("stream", f"gunicorn, 2 gthread workers, {tool}", _middle(theirs, "rate"), "requests/s"),
        Row("stream", "the same, p99", _middle(theirs, "p99"), "ms"),
        Row("stream", "ours, one process, through Flask", _middle(ours, "rate"), "requests/s"),
        Row("stream", "the same, p99", _middle(ours, "p99"), "ms"),
        Row("stream", "through Flask, ours to gunicorn", flask, "x requests/s", ">= 2", flask >= 2),
        Row("stream", "through Flask, p99 to gunicorn", flask_p99, "x", "<= 1", flask_p99 <= 1),
        Row("stream", "ours, a public path kept fresh", _middle(fresh, "rate"), "requests/s"),
        Row("stream", "kept fresh, ours to gunicorn", hot, "x requests/s", ">= 2", hot >= 2),
        Row("stream", "kept fresh, p99 to gunicorn", hot_p99, "x", "<= 1", hot_p99 <= 1),
    ]


@contextmanager
def _gunicorn() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "8", "-b", f"127.0.0.1:{port}",
               "--keep-alive", "30", "--log-level", "error", "tests.load.stream_load:tiny_app()"]  # fmt: skip
    started = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_open(port)
        yield port
    finally:
        started.terminate()
        started.wait()


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not open its port")


def _load(port: int, path: str) -> dict[str, float]:
    for seconds in (1, HTTP_SECONDS):  # the first warms up
        if shutil.which("wrk"):
            url = f"http://127.0.0.1:{port}{path}"
            command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
        else:
            command = [
                sys.executable,
                "-m",
                "tests.load.stream_load",
                "ask",
                str(port),
                path,
                str(CONNECTIONS),
                str(seconds),
            ]
        said = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return _wrk_figures(said) if shutil.which("wrk") else json.loads(said)


def _wrk_figures(said: str) -> dict[str, float]:
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    shares = {share: float(figure) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
              for share, figure, unit in re.findall(r"(\d\d)%\s+([\d.]+)(us|ms|s)\b", said)}  # fmt: skip
    return {"rate": float(found.group(1)), "p50": shares["50"], "p99": shares["99"]}


def main() -> None:
    """The whole benchmark, printed."""
    from tests.load.table import render

    print(render(run()))


if __name__ == "__main__":
    main()
