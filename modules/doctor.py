"""Looks at an installation the way somebody would who is asked why it does not work; each finding says what to do."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modules.domain.errors import Misconfigured
from modules.runtime.heartbeat import read_beats
from modules.runtime.settings import Settings, ensure_data_dir, load_settings
from modules.trading.safety_state import read_kill_file
from modules.wiring import open_core

_LEAST_DISK = 500 * 1024 * 1024
_ALIVE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    area: str
    ok: bool
    sentence: str

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {"area": self.area, "ok": self.ok, "sentence": self.sentence}


def examine() -> list[Finding]:
    """Every check that can be made; what depends on a broken one is left out."""
    python = sys.version_info >= (3, 11)
    findings = [
        Finding("python", python, f"Python {sys.version.split()[0]}" + ("" if python else "; 3.11 or newer is needed"))
    ]
    try:
        settings = load_settings()
        ensure_data_dir(settings)
    except Misconfigured as wrong:
        return [*findings, *(Finding("settings", False, problem) for problem in wrong.problems)]
    findings.append(Finding("settings", True, f"all valid; {settings.trading} trading, prices {settings.prices}"))
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _disk,
        _store,
        _port,
        _clock,
        _processes,
        _kill_file,
        _keys,
        _telegram,
    )
    return findings + [check(settings) for check in checks]


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data_dir).free
    enough = free >= _LEAST_DISK
    advice = "" if enough else "; make room, the store needs it to stay sound"
    return Finding("disk", enough, f"{free // 1024 // 1024:,} MB free in {settings.data_dir}{advice}")


def _store(settings: Settings) -> Finding:
    try:
        core = open_core(settings)
    except Misconfigured as wrong:
        return Finding("store", False, f"{wrong}; restore a backup with `cli.py restore FILE`")
    try:
        problems, version = core.store.check(), core.store.schema_version
    finally:
        core.store.close()
    return Finding("store", not problems, "; ".join(problems) or f"sound, version {version}")


def _port(settings: Settings) -> Finding:
    running = "api" in _alive(settings)
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            taken = f"{settings.host}:{settings.port} is in use"
            if running:
                return Finding("port", True, f"{taken}, by our own API")
            return Finding("port", False, f"{taken} by another program ({error.strerror}); set PORT to a free one")
    return Finding("port", True, f"{settings.host}:{settings.port} is free")


def _clock(settings: Settings) -> Finding:
    """The wall clock against the newest beat and against reason: a clock that ran backwards makes everything look fresh."""
    newest = max((beat.at_ms for beat in read_beats(settings.data_dir / "run").values()), default=0)
    ahead = newest / 1000 - time.time()
    if ahead > 5:
        return Finding(
            "clock", False, f"a process has beaten {ahead:.0f} s in the future; is the clock synchronised (NTP)?"
        )
    return Finding("clock", True, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _processes(settings: Settings) -> Finding:
    alive = _alive(settings)
    if not alive:
        return Finding("processes", True, "none runs; `make run` starts them")
    return Finding("processes", True, f"running: {', '.join(sorted(alive))}")


def _kill_file(settings: Settings) -> Finding:
    content = read_kill_file(settings.kill_file)
    if content is None:
        return Finding("kill switch", True, "no kill file")
    return Finding("kill switch", False, f"{settings.kill_file} stops new trades; `cli.py resume` takes it away")


def _keys(settings: Settings) -> Finding:
    open_ones = [
        path.name
        for path in (settings.data_dir / name for name in ("secret_key", "master_key", "operator.token"))
        if path.exists() and path.stat().st_mode & 0o077
    ]
    if open_ones:
        return Finding("keys", False, f"{', '.join(open_ones)} can be read by others; chmod 600 them")
    return Finding("keys", True, "secret files are private")


def _telegram(settings: Settings) -> Finding:
    has = []
    if settings.telegram_bot_token.get_secret_value():
        has.append("bot token")
    if settings.telegram_session.get_secret_value():
        has.append("reader session")
    missing = [name for name in ("VIP_CHAT_ID", "TRIAL_CHAT_ID") if not getattr(settings, name.lower())]
    if "bot token" in has and len(missing) == 2:
        return Finding(
            "telegram", False, f"a bot token but neither {' nor '.join(missing)}: nothing is posted to groups"
        )
    return Finding("telegram", True, f"has {' and '.join(has)}" if has else "not configured: the local chat is used")


def _alive(settings: Settings) -> set[str]:
    now_ms = time.time() * 1000
    run_dir: Path = settings.data_dir / "run"
    return {
        name
        for name, beat in read_beats(run_dir).items()
        if now_ms - beat.at_ms < _ALIVE_MS and beat.state != "stopping"
    }
