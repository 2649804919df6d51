"""The queue of tests: who is next, what a silent worker leaves behind, what is refused, and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.backtest_jobs.jobs import Job, Lane, Reply
from modules.backtest_jobs.queue import LEASE, MOST_ENDED, MOST_WAITING
from modules.backtest_jobs.results import MOST_KEPT, Finished, keep_result
from modules.backtest_jobs.workshop import Running
from modules.backtesting.robustness.subject import Cancelled
from modules.domain.errors import Conflict, NotFound, Trouble
from tests.unit.backtest_house import WISH, House

SEARCH = {**WISH, "kind": "search", "search": {"space": {"entry_conditions.rsi.value": [30, 35, 40]}, "min_trades": 1}}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def claimed(house: House, lane: Lane = Lane.SHORT, holder: str = "one") -> Job:
    job = house.queue.claim(holder, lane, house.now)
    assert job is not None
    return job


def test_the_oldest_is_next_and_nobody_takes_it_twice(house: House) -> None:
    first = house.submit()
    house.passes(1)
    house.submit()
    assert claimed(house).id == first.id
    assert claimed(house, holder="two").id != first.id
    assert house.queue.claim("three", Lane.SHORT, house.now) is None


def test_somebody_with_nothing_running_comes_before_somebody_with_a_job_under_way(house: House) -> None:
    for _ in range(3):
        house.submit(user_id="ann")
        house.passes(1)
    bobs = house.submit(user_id="bob")
    claimed(house)
    assert claimed(house).id == bobs.id


def test_long_tests_have_a_lane_of_their_own(house: House) -> None:
    long, short = house.submit(SEARCH), house.submit()
    assert claimed(house, Lane.SHORT).id == short.id
    assert claimed(house, Lane.LONG).id == long.id


def test_a_silent_workers_job_is_taken_up_once_more_and_then_given_up(house: House) -> None:
    job = house.submit()
    first = claimed(house)
    house.passes(LEASE.total_seconds() - 0.1)
    assert house.queue.claim("two", Lane.SHORT, house.now) is None
    house.passes(0.2)
    second = claimed(house, holder="two")
    assert (second.id, second.tries) == (job.id, 2)
    house.queue.fail(first, Trouble("too late"), house.now)
    assert house.queue.get("ann", job.id).status == "running"
    house.passes(LEASE.total_seconds())
    assert house.queue.claim("three", Lane.SHORT, house.now) is None
    given_up = house.queue.get("ann", job.id)
    assert given_up.status == "failed"
    assert given_up.error is not None
    assert given_up.error["code"] == "worker_died"


def test_a_worker_that_lost_its_job_keeps_no_result_and_is_told(house: House) -> None:
    house.submit()
    lost = claimed(house)
    house.passes(LEASE.total_seconds())
    held = claimed(house, holder="two")
    assert house.queue.renew(lost, house.now, progress=0.9, stage="testing") is None
    house.workshop.carry_out(Running(lost))
    assert house.desk.results.results("ann", limit=10)[0] == []
    house.workshop.carry_out(Running(held))
    assert len(house.desk.results.results("ann", limit=10)[0]) == 1


def test_a_renewed_job_stays_and_says_how_far_it_is(house: House) -> None:
    job = house.submit()
    held = claimed(house)
    for step in range(1, 5):
        house.passes(LEASE.total_seconds() * 0.8)
        assert house.queue.renew(held, house.now, progress=step / 10, stage="testing") is not None
        assert house.queue.claim("two", Lane.SHORT, house.now) is None
    seen = house.queue.get("ann", job.id)
    assert (seen.progress, seen.stage, seen.tries) == (0.4, "testing", 1)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_hears_of_it(house: House) -> None:
    waiting = house.submit()
    assert house.queue.cancel("ann", waiting.id, house.now).status == "cancelled"
    with pytest.raises(Conflict):
        house.queue.cancel("ann", waiting.id, house.now)
    job = house.submit(SEARCH)
    running = Running(claimed(house, Lane.LONG))
    assert house.queue.cancel("ann", job.id, house.now).status == "running"
    held = house.queue.renew(running.job, house.now, progress=0.1, stage="testing")
    assert held is not None
    assert held.cancel_wanted
    running.stop.set()
    with pytest.raises(Cancelled):
        house.workshop.carry_out(running)
    house.queue.cancelled(running.job, house.now)
    ended = house.queue.get("ann", job.id)
    assert (ended.status, ended.stage, ended.result_id) == ("cancelled", "", None)


def test_a_worker_that_dies_over_a_cancelled_job_leaves_it_cancelled(house: House) -> None:
    job = house.submit()
    claimed(house)
    house.queue.cancel("ann", job.id, house.now)
    house.passes(LEASE.total_seconds())
    assert house.queue.claim("two", Lane.SHORT, house.now) is None
    assert house.queue.get("ann", job.id).status == "cancelled"


def test_a_worker_that_stops_in_order_gives_its_job_back_without_a_lost_try(house: House) -> None:
    job = house.submit()
    house.queue.give_back(claimed(house), house.now)
    seen = house.queue.get("ann", job.id)
    assert (seen.status, seen.tries) == ("queued", 0)
    assert claimed(house, holder="two").tries == 1


def test_nobody_sees_or_cancels_anothers_job_or_result(house: House) -> None:
    job = house.done()
    with pytest.raises(NotFound):
        house.queue.get("bob", job.id)
    with pytest.raises(NotFound):
        house.queue.cancel("bob", job.id, house.now)
    with pytest.raises(NotFound):
        house.desk.results.document("bob", str(job.result_id))
    with pytest.raises(NotFound):
        house.desk.results.delete("bob", str(job.result_id))
    with pytest.raises(NotFound):
        house.queue.jobs("bob", limit=10, cursor=job.id)
    assert house.queue.jobs("bob", limit=10) == ([], None)


def test_so_many_wait_at_a_time_for_each_user(house: House) -> None:
    for _ in range(MOST_WAITING):
        house.submit()
    with pytest.raises(Conflict, match="under way"):
        house.submit()
    house.submit(user_id="bob")


def test_old_jobs_and_results_are_forgotten(house: House) -> None:
    job = house.done()
    document = house.document(job)
    with house.store.transaction() as tx:
        for number in range(MOST_KEPT + 3):
            copy = Job(f"job-{number:04}", "ann", "backtest", "t", dict(WISH), house.now, house.now, status="done")
            keep_result(tx, copy, Finished(document, {}), house.clock.advance(1))
    kept, _ = house.desk.results.results("ann", limit=500)
    assert len(kept) == MOST_KEPT
    assert kept[0].id == f"bt-{MOST_KEPT + 2:04}"
    assert house.store["backtest_documents"].count() == MOST_KEPT
    for _ in range(3):
        house.done()
    assert house.store["jobs"].count() <= MOST_ENDED


def test_an_answer_goes_to_the_chat_that_waits_for_it_once_with_its_picture(house: House) -> None:
    job = house.submit({**WISH, "picture": True})
    house.queue.ask_reply("ann", job.id, Reply("telegram:7", "41"), house.now)
    house.work()
    (row,) = house.store["deliveries"].all()
    assert (row["chat"], row["reply_to"]) == ("telegram:7", "41")
    assert "RSI both ways" in row["text"]
    assert Path(row["picture"]).read_bytes().startswith(b"\x89PNG")


def test_a_test_that_fails_is_told_in_the_chat_too(house: House) -> None:
    job = house.submit({**WISH, "symbols": ["NOPEUSDT"]})
    house.queue.ask_reply("ann", job.id, Reply("telegram:7"), house.now)
    house.work()
    (row,) = house.store["deliveries"].all()
    assert "no data for NOPEUSDT" in row["text"]


def test_an_ended_job_is_not_answered_a_second_time(house: House) -> None:
    job = house.done()
    assert house.queue.ask_reply("ann", job.id, Reply("telegram:7"), house.now).ended
    assert house.store["deliveries"].count() == 0


def test_pages_go_on_where_they_stopped(house: House) -> None:
    for _ in range(5):
        house.done()
        house.passes(1)
    seen, cursor = house.desk.results.results("ann", limit=2)
    rest, last = house.desk.results.results("ann", limit=10, cursor=cursor)
    assert len({each.id for each in (*seen, *rest)}) == 5
    assert last is None
