"""The notifier killed amid its work: every mail arrives, and what comes twice is known for the same."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.records import open_records
from modules.runtime.clock import SystemClock
from tests.fakes.smtp import SmtpServer
from tests.processes.running import ROOT, environment, patience

pytestmark = pytest.mark.processes
MAILS = 12


async def test_a_kill_loses_no_mail(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    store = open_records(f"sqlite:///{data_dir / 'verzek.db'}", data_dir)
    with store.transaction() as tx:
        wanted = {post(tx, f"u{number}@example.com", Letter.WELCOME, SystemClock().now()) for number in range(MAILS)}
    async with SmtpServer() as server:
        settings = environment(data_dir, SMTP_URL=f"smtp://127.0.0.1:{server.port}", MAIL_FROM="b@example.org")
        for round_ in range(2):
            process = subprocess.Popen([sys.executable, "-m", "services.notifier"], cwd=ROOT, env=settings)
            try:
                async with asyncio.timeout(20 * patience()):
                    while len(_arrived(server)) < (1 if round_ == 0 else MAILS):
                        await asyncio.sleep(0.005)
            finally:
                process.send_signal(signal.SIGKILL if round_ == 0 else signal.SIGTERM)
                await asyncio.to_thread(process.wait, 30)
        assert process.returncode == 0
    assert _arrived(server) == wanted
    assert {row["status"] for row in store["mails"].all()} == {"sent"}
    store.close()


def _arrived(server: SmtpServer) -> set[str]:
    return {str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in server.mails}
