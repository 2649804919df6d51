"""The notifier as it is put together: every courier is there, and a kill between writing and noting writes nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from database import Transaction
from modules.accounts.first_start import OPERATOR, prepare
from modules.domain.events import Event, EventKind
from modules.domain.people import Principal, Role
from modules.journal import append
from modules.notices.webhook_book import Asked, WebhookBook
from modules.notices.webhook_rules import OutboundRules
from modules.notices.webhooks import WebhookWriter
from modules.runtime.settings import Settings
from modules.wiring import open_core
from services.notifier import Notifier, couriers
from tests.flows.world import World


async def test_every_courier_has_its_turn_in_a_new_house(tmp_path: Path) -> None:
    core = open_core(Settings(_env_file=None, data_dir=tmp_path))
    prepare(core.store, core.settings, core.clock.now())
    made = couriers(core)
    assert {"mail", "personal", "account news", "webhooks", "push"} <= {each.name for each in made}
    notifier = Notifier(made)
    await notifier.start()
    await notifier.turn(core.clock.now())
    async with asyncio.timeout(20):
        await asyncio.gather(*notifier._turns.values())
    await notifier.turn(core.clock.now())
    assert notifier.status() == ("up", "")
    await notifier.stop()
    assert (tmp_path / "push.key").exists()
    core.store.close()


def test_a_kill_before_the_cursor_moves_leaves_no_delivery_and_the_next_start_writes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    prepare(world.store, Settings(_env_file=None, data_dir=tmp_path), world.clock.now())
    boss = Principal(OPERATOR, Role.OWNER, "operator_token")
    book = WebhookBook(world.store, "key", OutboundRules())
    book.create(Asked(boss, world.clock.now()), "https://example.com/", ["prices.*"])
    with world.store.transaction() as tx:
        append(tx, Event(EventKind.PRICES_STALE, world.clock.now(), {"symbols": ["BTCUSDT"]}, key="1"))

    class Killed(BaseException):
        """The process is gone."""

    def gone(*_arguments: object) -> bool:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Transaction, "move_cursor", gone)
        WebhookWriter(world.store).turn(world.clock.now())
    assert world.store["hook_deliveries"].all() == []
    for _ in range(2):
        WebhookWriter(world.store).turn(world.clock.now())
    (row,) = world.store["hook_deliveries"].all()
    assert (row["type"], row["status"]) == ("prices.stale", "queued")
    world.close()
