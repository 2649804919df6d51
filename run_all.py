"""Starts everything: checks the settings, prepares the store, supervises the processes of the Procfile until Ctrl-C.

`make run` runs this. A second start continues where the first stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import signal
import socket
import sys
from pathlib import Path
from typing import TextIO

from modules.accounts.first_start import FirstStart, first_password, prepare
from modules.domain.errors import Misconfigured, Unavailable
from modules.runtime.settings import EXIT_MISCONFIGURED, Settings, ensure_data_dir, kept_secret, load_settings
from modules.wiring import open_core
from services.supervisor import Supervisor, end_leftovers, read_procfile

HERE = Path(__file__).resolve().parent


def main() -> int:
    """The exit code: 0 stopped in order, 1 something was given up, 78 a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--procfile", type=Path, default=HERE / "Procfile", help="which processes to run")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        _check(arguments.procfile)
        first, password, lock = _prepare(settings, arguments.procfile)
    except Misconfigured as wrong:
        for problem in wrong.problems:
            print(f"wrong setting: {problem}", file=sys.stderr)
        return EXIT_MISCONFIGURED
    except Unavailable as trouble:
        print(f"can't start now: {trouble.message}", file=sys.stderr)
        return 1
    with lock:
        _greet(settings, first, password, arguments.procfile)
        return asyncio.run(_supervise(arguments.procfile, settings))


def _check(procfile: Path) -> None:
    """Raises Misconfigured for a Procfile that can't be read."""
    try:
        read_procfile(procfile.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured([f"--procfile: {error}"]) from error


def _prepare(settings: Settings, procfile: Path) -> tuple[FirstStart, str | None, TextIO]:
    """The lock that keeps a second start on the same data directory out; then the store, the keys and the operator."""
    ensure_data_dir(settings)
    lock = _locked(settings.data_dir)
    try:
        end_leftovers(procfile, settings.data_dir / "run")
        _check_port(settings)
        core = open_core(settings)
        try:
            if problems := core.store.check(quick=True):
                raise Misconfigured([f"the store is damaged ({problems[0]}); see `cli.py check-store` and `restore`"])
            for name in ("secret_key", "master_key"):
                kept_secret(settings, name)
            first = prepare(core.store, settings, core.clock.now())
            return first, first_password(core.store, settings), lock
        finally:
            core.store.close()
    except BaseException:
        lock.close()
        raise


def _check_port(settings: Settings) -> None:
    """Raises Misconfigured where the API could not listen: it would only end and be started again, for ever."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise Misconfigured([f"PORT: {place} can't be used ({error.strerror}); set PORT or HOST"]) from error


def _locked(data_dir: Path) -> TextIO:
    lock = (data_dir / "run" / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Misconfigured([f"DATA_DIR: {data_dir} is in use by another start"]) from None
    return lock


def _greet(settings: Settings, first: FirstStart, password: str | None, procfile: Path) -> None:
    print(f"VerzekAutoTrader, {settings.trading} trading, data in {settings.data_dir}/")
    for name, command in read_procfile(procfile.read_text(encoding="utf-8")):
        print(f"  {name:<10} {' '.join(command)}")
    print(f"dashboard   http://{settings.host}:{settings.port}/     API: /api/docs")
    print(f"operator    {first.email}, bearer token in {settings.data_dir}/operator.token")
    if first.fresh:
        print(f"            {first.token}   (shown this once)")
    if password is not None:
        print(f"password    {password}   (shown this once; change it after signing in)")
    print("chat        .venv/bin/python cli.py chat     stop: Ctrl-C", flush=True)


async def _supervise(procfile: Path, settings: Settings) -> int:
    supervisor = Supervisor(procfile, settings.data_dir / "run")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    return await supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
