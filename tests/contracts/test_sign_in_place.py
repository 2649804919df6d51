"""Where a sign-in comes from: the audit log keeps the address, and a country only where a trusted proxy tells one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.accounts_house import ANN, PASSWORD, House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("hops", "told", "kept"),
    [
        (1, "NZ", "NZ"),
        (0, "NZ", None),
        (1, "nz", None),
        (1, "NZL", None),
        (1, "N1", None),
        (1, "", None),
        (1, "ÄÖ", None),
    ],
)
def test_a_country_is_believed_from_a_trusted_proxy_only(house: House, hops: int, told: str, kept: str | None) -> None:
    house.begin_anew()
    house.register()
    house.app.config["TRUST_PROXY"] = hops
    headers = {"CF-IPCountry": told, "X-Forwarded-For": "203.0.113.7"}
    answer = house.client.post("/api/auth/login", json={"email": ANN, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.text
    (row,) = house.audited("session.opened")
    assert row["after"].get("country") == kept
    assert row["origin"] == ("203.0.113.7" if hops else "127.0.0.1")
