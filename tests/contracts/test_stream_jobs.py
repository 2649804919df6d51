"""Jobs on the live stream: every change is told to the owner, once, and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from modules.backtest_jobs.jobs import Lane
from modules.backtest_jobs.queue import JobQueue, Order
from modules.domain.errors import NotFound
from tests.contracts.stream_house import House

WISH = {"strategy": "ma_cross", "symbols": ["BTCUSDT"], "days": 30}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


def look(house: House, seconds: float = 1.0) -> None:
    """Time passes and the stream's turn comes."""
    house.clock.advance(seconds)
    house.turn()


async def test_a_job_is_told_to_its_owner_from_its_queueing_to_its_end(house: House) -> None:
    queue = JobQueue(house.store)
    ann, bob = await house.client("ann"), await house.client("bob")
    for each in (ann, bob):
        await each.subscribe("jobs")
    look(house)
    job = queue.submit(Order("ann", "a test", WISH), house.clock.now())
    await ann.subscribe(f"jobs:{job.id}")
    await bob.subscribe(f"jobs:{job.id}")
    look(house)
    for topic in ("jobs", f"jobs:{job.id}"):
        told = await ann.hear("job")
        assert (told["topic"], told["data"]["status"], told["data"]["id"]) == (topic, "queued", job.id)
    held = queue.claim("one", Lane.SHORT, house.clock.now())
    assert held is not None
    queue.renew(held, house.clock.now(), progress=0.5, stage="testing")
    look(house)
    assert (await ann.hear("job"))["data"]["progress"] == 0.5
    await ann.hear("job")
    look(house)
    await ann.silent()
    queue.fail(held, NotFound("no data", code="no_data"), house.clock.now())
    look(house)
    told = await ann.hear("job")
    assert (told["data"]["status"], told["data"]["error"]["code"]) == ("failed", "no_data")
    await bob.silent()


async def test_changes_in_the_same_moment_are_all_told(house: House) -> None:
    queue = JobQueue(house.store)
    ann = await house.client("ann")
    await ann.subscribe("jobs")
    look(house)
    house.clock.advance(1)
    ids = {queue.submit(Order("ann", "a test", WISH), house.clock.now()).id for _ in range(3)}
    house.turn()
    late = queue.submit(Order("ann", "a test", WISH), house.clock.now())
    look(house, 0.3)
    heard = {(await ann.hear("job"))["data"]["id"] for _ in range(4)}
    assert heard == {*ids, late.id}
