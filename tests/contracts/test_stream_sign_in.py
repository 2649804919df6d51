"""The stream and accounts: connections end with what let them in, and grow no older than their permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.stream.door import routes
from api.stream.tickets import Tickets
from modules.domain.people import Principal, Role
from tests.contracts.accounts_house import House as Accounts
from tests.contracts.stream_house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


@pytest.mark.parametrize("change", [{"role": Role.READ_ONLY}, {"scopes": frozenset({"signals.read"})}])
async def test_who_may_other_things_now_is_sent_away(house: House, change: dict[str, object]) -> None:
    zoe, ann = await house.client("zoe"), await house.client("ann")
    await zoe.subscribe("orders:all")
    before = house.authenticate

    def changed(token: str) -> Principal | None:
        who = before(token)
        return replace(who, **change) if who is not None and who.user_id == "zoe" else who  # type: ignore[arg-type]

    for session in house.stream.hub.sessions:
        session._authenticate = changed
    house.clock.advance(31)
    house.turn()
    assert await zoe.closed() == 1008
    await ann.silent()


def test_a_ticket_remembers_what_it_was_issued_for(tmp_path: Path) -> None:
    """So that a revoked key, like a session that was ended, takes its connections along."""
    accounts = Accounts(tmp_path)
    tickets = Tickets(accounts.clock)
    accounts.app.register_api(routes(tickets))
    accounts.register()
    token = accounts.signed_in()["access_token"]
    key = accounts.call("POST", "/api/keys", token, json={"name": "k"})[1]["key"]
    authenticate = accounts.desk.access.principal_of_token
    for proof, headers in ((token, {"Authorization": f"Bearer {token}"}), (key, {"X-API-Key": key})):
        issued = accounts.call("POST", "/api/ws/ticket", headers=headers)[1]["ticket"]
        admission = tickets.redeem(issued)
        assert admission is not None
        assert admission.token == proof
        assert authenticate(proof) == admission.who
    accounts.call("POST", "/api/auth/logout-all", token)
    assert authenticate(token) is None
    assert authenticate(key) is not None
    (row,) = accounts.store["api_keys"].all()
    accounts.store["api_keys"].update({"revoked_at": 1}, key=row["id"])
    assert authenticate(key) is None
    accounts.close()
