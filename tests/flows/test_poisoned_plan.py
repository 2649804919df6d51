"""A trade that can't be planned stops nobody else's, is refused after some tries, and operators are told."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from modules.domain.errors import Refused
from modules.domain.money import cents
from modules.domain.plans import Plan
from modules.trading import planning
from modules.trading.planning import PlanningInput
from tests.flows.world import ENTRY, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.account("a1")
    made.account("a2")
    yield made
    made.close()


def test_one_account_that_can_not_be_planned_for_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planning.plan

    def poisoned(given: PlanningInput) -> Plan | Refused:
        if given.account.id == "a1":
            raise ArithmeticError("no such number")
        return plan(given)

    monkeypatch.setattr(planning, "plan", poisoned)
    world.price("BTCUSDT", "60000")
    world.say(ENTRY)
    for _ in range(4):
        world.settle()
    assert [each["account_id"] for each in world.store["plans"].all()] == ["a2"]
    assert world.store["planning_queue"].all() == []
    (refusal,) = world.store["refusals"].all()
    assert (refusal["account_id"], refusal["rule"]) == ("a1", "not_plannable")
    (alarm,) = [each for each in world.events("Alarm") if each["area"] == "planner"]
    assert "could not be planned" in alarm["sentence"]


def test_an_amount_of_any_size_can_be_shown() -> None:
    assert str(cents(Decimal("123456789012345678901234567890.129"))) == "123456789012345678901234567890.13"
