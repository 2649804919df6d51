"""Who may trade on after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from database import Store
from modules.domain.errors import NotAllowed
from modules.domain.people import Principal, Role
from modules.records import open_records
from modules.trading import safety
from modules.trading.safety import Scope, Stage
from modules.trading.safety_records import SWITCHED_OFF, change, state_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN = Principal("ann", Role.SUBSCRIBER, "access_token")
OPERATOR = Principal("operator", Role.OPERATOR, "access_token")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_records(f"sqlite:///{tmp_path / 'records.db'}", tmp_path) as opened:
        yield opened


def stop(store: Store, by: str, who: Principal, scope: Scope = Scope.USER, name: str = "ann") -> None:
    change(store, scope, name, lambda state: safety.kill(state, by, NOW), NOW, who=who)


def go_on(store: Store, who: Principal, scope: Scope = Scope.USER, name: str = "ann") -> Stage:
    step = lambda state: safety.resume(state, who.user_id, NOW)  # noqa: E731
    return change(store, scope, name, step, NOW, who=who).stage


def test_a_user_trades_on_after_a_stop_of_their_own(store: Store) -> None:
    stop(store, "ann", ANN)
    assert go_on(store, ANN) is Stage.ACTIVE


@pytest.mark.parametrize("by", ["operator", "cli"])
def test_whom_an_operator_stopped_an_operator_must_free(store: Store, by: str) -> None:
    stop(store, by, OPERATOR)
    with pytest.raises(NotAllowed):
        go_on(store, ANN)
    assert state_of(store, Scope.USER, "ann").stage is Stage.REDUCING
    assert go_on(store, OPERATOR) is Stage.ACTIVE


def test_an_operators_stop_is_not_taken_over_by_stopping_again(store: Store) -> None:
    stop(store, "operator", OPERATOR)
    stop(store, "ann", ANN)
    with pytest.raises(NotAllowed):
        go_on(store, ANN)


def test_whoever_was_switched_off_and_on_again_says_when_to_go_on(store: Store) -> None:
    change(store, Scope.USER, "ann", lambda s: safety.kill(s, "operator", NOW, reason=SWITCHED_OFF), NOW, who=OPERATOR)
    assert go_on(store, ANN) is Stage.ACTIVE


def test_the_breakers_pause_of_an_account_is_its_owners_to_end(store: Store) -> None:
    pause = lambda state: safety.pause(state, "circuit breaker", NOW, duration=timedelta(hours=1))  # noqa: E731
    change(store, Scope.ACCOUNT, "paper-ann", pause, NOW)
    assert go_on(store, ANN, Scope.ACCOUNT, "paper-ann") is Stage.ACTIVE
