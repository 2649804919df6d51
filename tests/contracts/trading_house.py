"""A house for trading over HTTP: the application, the executor and the monitors over one store, one clock, no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Request
from flask.testing import FlaskClient

from api.app import create_app
from api.rooms import Rooms
from modules.accounts.first_start import paper_account
from modules.analysis_views import AnalysisViews
from modules.domain.market import Quote
from modules.domain.people import Account, Principal, Role
from modules.records import to_document
from modules.runtime.settings import Settings
from modules.signals.intake import Intake
from modules.trading.orders_by_hand import Outcome
from modules.views import Views
from tests.flows.world import World

#: Who may ask in the tests, by what they write as their token.
PEOPLE = {
    "operator": Principal("operator", Role.OWNER, "operator_token"),
    "ann": Principal("ann", Role.SUBSCRIBER, "access_token"),
    "bob": Principal("bob", Role.SUBSCRIBER, "access_token"),
    "eve": Principal("eve", Role.READ_ONLY, "access_token"),
}


class BoardPrices:
    """The price client's face over the world's board."""

    connected = True
    status = None

    def __init__(self, world: World) -> None:
        self._world = world

    def latest(self, symbol: str) -> Quote | None:
        return self._world.stage.board.latest(symbol)

    def message_age(self) -> float | None:
        return 0.0

    def feed(self) -> dict[str, Any] | None:
        return {"source": "replay", "stale": False}


class Turns:
    """Instead of waiting for the executor, its turn is taken."""

    def __init__(self, world: World) -> None:
        self._world = world

    def outcomes(self, look: Callable[[], list[Outcome]]) -> list[Outcome]:
        self._world.settle()
        return look()


class House:
    """Everything, with `call(who, method, path)`; a token is the person's name."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.world = World(folder)
        self.settings = Settings(data_dir=folder, **settings)
        self.account("operator")
        self.prices = BoardPrices(self.world)
        self.rooms = Rooms(
            store=self.world.store,
            views=Views(self.world.store, folder / "run"),
            intake=Intake(self.world.store, late_after=timedelta(minutes=15)),
            clock=self.world.clock,
            prices=self.prices,  # type: ignore[arg-type]
            settings=self.settings,
            analysis=AnalysisViews(folder / "candles", self.world.store),
        )
        self.app = create_app(self.rooms)
        self.app.extensions["authenticate"] = self._who
        self.app.extensions["patience"] = Turns(self.world)
        self.client: FlaskClient = self.app.test_client()

    def account(self, user: str) -> Account:
        """A person's paper account, as at the first start."""
        made = paper_account(user, self.settings, self.world.clock.now())
        self.world.store["accounts"].upsert(to_document(made))
        return made

    def call(self, who: str | None, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """The status and the body; the shape of every answer is checked on the way."""
        headers = {**({"Authorization": f"Bearer {who}"} if who else {}), **options.pop("headers", {})}
        answer = self.client.open(path, method=method, headers=headers, **options)
        assert answer.mimetype == "application/json", answer.data[:200]
        body: dict[str, Any] = json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
        assert body["success"] is (answer.status_code < 400), body
        if not body["success"]:
            assert set(body) == {"success", "error"}
            assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "fields"}
        return answer.status_code, body

    def price(self, symbol: str = "BTCUSDT", *prices: str) -> None:
        """Quotes arrive and everything settles."""
        self.world.price(symbol, *(prices or ("60000",)))

    def settle(self) -> None:
        self.world.settle()

    def equity(self, account_id: str) -> Decimal:
        return self.world.wallet(account_id)

    def close(self) -> None:
        self.world.close()

    @staticmethod
    def _who(asked: Request) -> Principal | None:
        return PEOPLE.get(asked.headers.get("Authorization", "").removeprefix("Bearer "))
