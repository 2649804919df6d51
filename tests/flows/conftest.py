"""What most flows begin with; a file that needs another world has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.troubled_exchange import TroubledExchange
from tests.flows.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One account that follows every source, and a price of BTCUSDT."""
    made = World(tmp_path)
    made.account()
    made.price("BTCUSDT", "60000")
    yield made
    made.close()


@pytest.fixture
def exchange(world: World) -> TroubledExchange:
    """The world's exchange behind a bad line."""
    double = TroubledExchange(world.stage.paper)
    world.stage.desk._parts.exchanges["paper"] = double  # type: ignore[index]
    return double
