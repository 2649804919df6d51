"""The doubles as programs of their own, as they are used for trying things by hand."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from modules.connections.telegram_reader import ChannelReader, ReaderHooks, UserAccount
from modules.connections.telegram_updates import BotReceiver, ChatInput
from modules.domain.signals import SourceMessage
from modules.runtime.clock import SystemClock
from tests.fakes.bot_api import eventually

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.processes


@asynccontextmanager
async def program(module: str, *options: str) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """The program and the settings it prints in its first line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *options, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    try:
        yield process, dict(part.split("=", 1) for part in first.split())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_the_bot_api_serves_a_bot_and_writes_down_what_it_got(tmp_path: Path) -> None:
    state = tmp_path / "calls.json"
    async with program("tests.fakes.bot_api", "--port", "0", "--state", str(state)) as (_, settings):
        got: asyncio.Queue[ChatInput] = asyncio.Queue()
        base, token = settings["TELEGRAM_BOT_API"], settings["TELEGRAM_BOT_TOKEN"]
        receiver = BotReceiver(token, base, got.put, clock=SystemClock(), long_poll_seconds=1)
        await receiver.start()
        async with httpx.AsyncClient() as client:
            await client.post(f"{base}/control/say", json={"text": "/start"})
            assert (await asyncio.wait_for(got.get(), 5)).text == "/start"
            seen = (await client.get(f"{base}/control/state")).json()
        await receiver.stop()
        assert seen["calls"][0]["method"] == "getMe"
        assert json.loads(state.read_text("utf-8"))["calls"]


async def test_the_data_centre_serves_a_reader_and_takes_orders() -> None:
    async with program("tests.fakes.data_centre", "--port", "0", "--channel", "calls") as (process, settings):
        got: asyncio.Queue[SourceMessage] = asyncio.Queue()
        hooks = ReaderHooks(dict, lambda _state: None, got.put)
        reader = ChannelReader(UserAccount(1, "h", settings["TELEGRAM_SESSION"]), ["calls"], hooks, clock=SystemClock())
        running = asyncio.create_task(reader.run())
        await eventually(lambda: any(c.last_read_at for c in reader.status().channels.values()), 10)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"post": "BTCUSDT LONG", "channel": "calls"}\n')
        assert (await asyncio.wait_for(got.get(), 5)).text == "BTCUSDT LONG"
        assert (await process.stdout.readline()).decode().strip() == "posted 1"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
