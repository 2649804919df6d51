"""The limiter on a clock of its own: exact windows, no chat waits for another."""

from __future__ import annotations

import asyncio
import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.connections.telegram_limits import Limits, Rate, SendLimiter
from modules.domain.errors import Unavailable


class ScriptedTime:
    """A clock whose sleepers wake in order when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, future))
        await future

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(5 + len(tasks)):
                await asyncio.sleep(0)
            if self._sleepers:
                self.now, _, future = heapq.heappop(self._sleepers)
                future.set_result(None)
        await asyncio.gather(*tasks)


async def _send_all(chats: list[int], limits: Limits) -> list[tuple[float, int]]:
    time = ScriptedTime()
    limiter = SendLimiter(limits, time.monotonic, time.sleep)
    sent: list[tuple[float, int]] = []

    async def one(chat: int) -> None:
        async with limiter.turn(chat):
            sent.append((time.now, chat))

    await time.run(*(asyncio.create_task(one(chat)) for chat in chats))
    return sent


def _most_within(times: list[float], seconds: float) -> int:
    return max(sum(1 for other in times if 0 <= other - start < seconds - 1e-9) for start in times)


@given(st.lists(st.sampled_from([-2, -1, 1, 2, 3]), min_size=1, max_size=40))
def test_no_window_is_ever_exceeded(chats: list[int]) -> None:
    limits = Limits(Rate(6, 1.0), Rate(4, 10.0), Rate(1, 0.5), longest_wait_seconds=10_000)
    sent = asyncio.run(_send_all(chats, limits))
    assert sorted(chat for _, chat in sent) == sorted(chats)
    assert _most_within([at for at, _ in sent], 1.0) <= 6
    for chat in set(chats):
        times = [at for at, to in sent if to == chat]
        assert _most_within(times, 0.5) <= 1
        if chat < 0:
            assert _most_within(times, 10.0) <= 4


async def test_a_full_group_does_not_delay_people() -> None:
    limits = Limits(Rate(30, 1.0), Rate(2, 60.0), Rate(1, 1.0), longest_wait_seconds=1000)
    sent = await _send_all([-1] * 5 + [1, 2, 3], limits)
    assert [at for at, chat in sent if chat > 0] == [100.0, 100.0, 100.0]
    assert [at for at, chat in sent if chat < 0] == [100.0, 101.0, 160.0, 161.0, 220.0]


async def test_a_wait_beyond_patience_is_told_with_its_length() -> None:
    time = ScriptedTime()
    limiter = SendLimiter(Limits(chat=Rate(1, 30.0), longest_wait_seconds=5), time.monotonic, time.sleep)
    async with limiter.turn(1):
        pass
    with pytest.raises(Unavailable) as refused:
        async with limiter.turn(1):
            pytest.fail("must not be let in")
    assert refused.value.retry_after_seconds == 30.0


async def test_a_queue_that_does_not_move_is_told_too() -> None:
    time = ScriptedTime()
    limiter = SendLimiter(Limits(longest_wait_seconds=0.01), time.monotonic, time.sleep)
    async with limiter.turn(1):
        with pytest.raises(Unavailable):
            async with limiter.turn(1):
                pytest.fail("must not be let in")
        async with limiter.turn(2):
            pass


async def test_idle_chats_are_forgotten_and_limited_ones_kept() -> None:
    time = ScriptedTime()
    limiter = SendLimiter(Limits(overall=Rate(10**6, 0.001), longest_wait_seconds=5), time.monotonic, time.sleep)
    limiter.pause(-7, 600)
    for chat in range(1, 3000):
        time.now += 0.01
        async with limiter.turn(chat):
            pass
    assert len(limiter._lanes) <= 1100
    with pytest.raises(Unavailable):
        async with limiter.turn(-7):
            pytest.fail("must not be let in")
