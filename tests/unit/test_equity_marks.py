"""Marks of equity: one each five minutes and account, one an hour after a month, none where the exchange is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from modules.domain.errors import Unavailable
from modules.domain.people import Account, Balance
from modules.records import to_document
from modules.trading.equity_marks import EquityMarks
from tests.flows.world import World


class Till:
    """An exchange that knows only balances."""

    def __init__(self) -> None:
        self.equity = Decimal(10_000)
        self.silent: set[str] = set()

    async def balance(self, account: Account) -> Balance:
        if account.id in self.silent:
            raise Unavailable("not now")
        return Balance(Decimal(10_000), self.equity, self.equity, Decimal(0))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_one_mark_in_five_minutes(world: World) -> None:
    world.account("a1")
    till = Till()
    marks = EquityMarks(world.store, {"paper": till})  # type: ignore[dict-item]
    assert [asyncio.run(marks.turn(world.clock.advance(100))) for _ in range(7)] == [1, 0, 1, 0, 0, 1, 0]
    till.equity = Decimal("9000.123456789")
    asyncio.run(EquityMarks(world.store, {"paper": till}).turn(world.clock.now()))  # type: ignore[dict-item]
    kept = world.store["equity_history"].all()
    assert [each["at"] % 300_000 for each in kept] == [0, 0, 0]
    assert [each["equity"] for each in kept] == ["10000", "10000", "9000.12345679"]  # a restart marks its slot anew


def test_a_silent_exchange_leaves_a_gap_for_its_account_only(world: World) -> None:
    world.account("a1")
    world.account("a2")
    off = replace(world.account("a3"), enabled=False)
    world.store["accounts"].upsert(to_document(off))
    till = Till()
    till.silent = {"a1"}
    assert asyncio.run(EquityMarks(world.store, {"paper": till}).turn(world.clock.now())) == 1  # type: ignore[dict-item]
    assert [each["account_id"] for each in world.store["equity_history"].all()] == ["a2"]


def test_after_a_month_an_hour_has_one(world: World) -> None:
    world.account("a1")
    marks = EquityMarks(world.store, {"paper": Till()})  # type: ignore[dict-item]
    for _ in range(24):
        asyncio.run(marks.turn(world.clock.advance(300)))
    world.clock.advance(31 * 86_400)
    for _ in range(12):
        asyncio.run(marks.turn(world.clock.advance(300)))
    old = sorted(each["at"] for each in world.store["equity_history"].all())[:2]
    assert [each % 3_600_000 for each in old] == [0, 0]
    assert len(world.store["equity_history"].all()) == 2 + 12
