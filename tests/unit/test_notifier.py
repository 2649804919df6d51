"""The notifier's worker: couriers work side by side, and one that fails or waits keeps no other from its work."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from tinydb import where

from modules.accounts import attempts, one_time
from modules.accounts.expiry import Sweeper, sweep
from modules.accounts.mail_wording import Letter
from modules.accounts.mails import post
from modules.accounts.one_time import Purpose
from modules.domain.errors import Misconfigured, Unavailable
from modules.domain.market import ms_from_utc
from modules.records import open_records
from services.notifier import Notifier
from tests.fakes.clock import ScriptedClock


class Runner:
    """A courier that does what a test tells it to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.more = 0
        self.stopped = False

    async def turn(self, _now: datetime) -> bool:
        self.turns += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.more -= 1
        return self.more >= 0

    async def stop(self) -> None:
        self.stopped = True

    def trouble(self) -> str:
        return "does not answer" if self.gate is not None else ""


async def turns(worker: Notifier, clock: ScriptedClock, count: int, seconds: float = 0.0) -> list[bool]:
    """So many turns, each after the clock moved on."""
    told = []
    for _ in range(count):
        told.append(await worker.turn(clock.now()))
        await asyncio.sleep(0)
        clock.advance(seconds)
    return told


async def test_every_courier_gets_its_turns() -> None:
    one, two = Runner("one"), Runner("two")
    worker = Notifier([one, two])
    await worker.start()
    await turns(worker, ScriptedClock(), 5)
    assert (one.turns, two.turns) == (5, 5)
    assert worker.status() == ("up", "")


async def test_one_that_waits_holds_up_no_other() -> None:
    slow, quick = Runner("slow"), Runner("quick")
    slow.gate = asyncio.Event()
    worker = Notifier([slow, quick])
    await turns(worker, ScriptedClock(), 5)
    assert (slow.turns, quick.turns) == (1, 5)
    assert worker.status() == ("up", "slow: does not answer")
    slow.gate.set()
    await turns(worker, ScriptedClock(), 3)
    assert slow.turns > 1


async def test_one_that_fails_rests_longer_and_longer_and_is_tried_again() -> None:
    bad, good = Runner("bad"), Runner("good")
    bad.error = Unavailable("no")
    worker, clock = Notifier([bad, good]), ScriptedClock()
    await turns(worker, clock, 30, seconds=1)
    assert good.turns == 30
    assert 3 <= bad.turns <= 6
    assert "bad failed" in worker.status()[1]
    bad.error = None
    clock.advance(120)
    await turns(worker, clock, 3, seconds=1)
    assert worker.status() == ("up", "")


async def test_more_work_is_said_at_once() -> None:
    busy = Runner("busy")
    busy.more = 3
    worker = Notifier([busy])
    assert (await turns(worker, ScriptedClock(), 6))[1:4] == [True, True, True]
    assert worker.wake.is_set()


async def test_a_wrong_setting_ends_the_process() -> None:
    bad = Runner("bad")
    bad.error = Misconfigured(["SMTP_URL: wrong"])
    worker = Notifier([bad])
    with pytest.raises(Misconfigured):
        await turns(worker, ScriptedClock(), 3)


async def test_the_end_waits_for_what_is_under_way() -> None:
    slow = Runner("slow")
    slow.gate = asyncio.Event()
    worker = Notifier([slow])
    await turns(worker, ScriptedClock(), 1)
    ending = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    assert not ending.done()
    slow.gate.set()
    await ending
    assert slow.stopped


async def test_what_is_over_goes_once_an_hour(tmp_path: Path) -> None:
    store, clock = open_records(f"sqlite:///{tmp_path / 's.db'}", tmp_path), ScriptedClock()
    with store.transaction() as tx:
        one_time.issue(tx, Purpose.RESET_PASSWORD, "email:x", clock.now())
        attempts.failed(tx, attempts.counters("x", "1.2.3.4"), clock.now())
        post(tx, "x@example.com", Letter.WELCOME, clock.now())
        tx["mails"].update({"status": "sent"}, where("to") == "x@example.com")
        post(tx, "waiting@example.com", Letter.WELCOME, clock.now())
        for number, revoked in ((1, None), (2, ms_from_utc(clock.now()))):
            expires = ms_from_utc(clock.now()) + 10 * 86_400_000
            tx["sessions"].insert({"id": f"s{number}", "user_id": "u", "expires_at": expires, "revoked_at": revoked})
        tx["api_keys"].insert({"id": "k1", "user_id": "u", "secret_hash": "h", "revoked_at": None})
    sweeper = Sweeper(store)
    await sweeper.turn(clock.now())
    counted = ("one_time_codes", "sign_in_attempts", "mails", "sessions", "api_keys")
    assert [store[name].count() for name in counted] == [1, 2, 2, 2, 1]
    clock.advance(3599)
    await sweeper.turn(clock.now())
    assert store["one_time_codes"].count() == 1  # over, but not looked at yet
    clock.advance(1)
    await sweeper.turn(clock.now())
    assert store["one_time_codes"].count() == 0
    clock.advance(91 * 86_400)
    assert sweep(store, clock.now()) == 4
    clock.advance(10 * 86_400)
    assert sweep(store, clock.now()) == 1
    assert [store[name].count() for name in counted] == [0, 0, 1, 0, 1]
    store.close()
