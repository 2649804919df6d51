"""The API against its own description: whatever fits it or nearly does is answered by a status that it names, never by a fault.

The seed is fixed and few examples are tried; `FUZZ_EXAMPLES` asks for more of each operation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.contracts.trading_house import House
from tests.flows.world import ENTRY

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
pytestmark = pytest.mark.timeout(max(120, 40 * EXAMPLES))
#: These ask another's server, or end the house that the others are tried in.
LEFT_OUT = ("/exchanges", "/backup/restore", "/backup/create")
TRADING = ("/api/positions", "/api/orders", "/api/safety", "/api/trade-settings")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("fuzz"), rate_address_per_minute=1_000_000, rate_auth_per_minute=1_000_000)
    made.account("ann")
    made.world.say(ENTRY)
    made.settle()
    made.price("BTCUSDT", "60000", "60000")
    yield made
    made.close()


@pytest.fixture(scope="module")
def description(house: House) -> Any:
    return schemathesis.openapi.from_wsgi("/api/openapi.json", house.app)


def test_the_description_is_complete(house: House) -> None:
    spec = house.client.get("/api/openapi.json").get_json()
    assert spec["openapi"].startswith("3.1")
    described = set()
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            described.add((method.upper(), path))
            assert operation["summary"], path
            assert any(code.startswith("2") for code in operation["responses"]), (method, path)
            for code, response in operation["responses"].items():
                assert response["description"], (path, code)
                assert response["content"], (path, code)
            if operation["security"]:
                assert {"401", "403"} <= operation["responses"].keys(), path
    for path in ("/api/backtest", "/api/backtest/run", "/api/backtest/search"):  # the result, or the job
        assert {"200", "202"} <= spec["paths"][path]["post"]["responses"].keys()
    for path, media in (("report", "text/html"), ("trades.csv", "text/csv"), ("chart.png", "image/png")):
        answers = spec["paths"][f"/api/backtest/{{backtest_id}}/{path}"]["get"]["responses"]
        assert list(answers["200"]["content"]) == [media]
    bodies = spec["components"]["schemas"]
    assert bodies["OpenBody"]["properties"]["symbol"]["examples"] == ["BTCUSDT"]
    assert bodies["StrategyDocument"]["examples"][0]["action"] == "BUY"
    for expected in (("POST", "/api/positions"), ("PATCH", "/api/positions/{position_id}"), ("GET", "/api/health")):
        assert expected in described


def test_the_page_over_it_needs_nothing_from_elsewhere(house: House) -> None:
    page = house.client.get("/api/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "://" not in page.text
    assert "unsafe" not in page.headers["Content-Security-Policy"].split("style-src")[0]
    for address in ("/api/docs/start.js", "/api/swagger/js/swagger-ui-bundle.js", "/api/swagger/css/swagger-ui.css"):
        assert address in page.text
        with house.client.get(address) as file:
            assert file.status_code == 200
    assert house.client.get("/api/swagger").headers["Location"] == "/api/docs"


def operations(description: Any) -> Iterator[Any]:
    for found in description.get_all_operations():
        operation = found.ok()
        if not any(part in operation.path for part in LEFT_OUT):
            yield operation


@pytest.mark.parametrize("who", ["operator", "ann"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_is_a_fault_or_has_an_unnamed_answer(
    house: House, description: Any, who: str, mode: GenerationMode
) -> None:
    tried, faults = 0, []
    house.world.store["safety"].truncate()
    for operation in operations(description):
        if who != "operator" and not operation.path.startswith(TRADING):
            continue
        try:
            try_operation(operation, who, mode)
        except AssertionError as fault:
            faults.append(str(fault).splitlines()[0])
        tried += 1
    assert not faults, "\n".join(faults)
    assert tried > 15


def try_operation(operation: Any, who: str, mode: GenerationMode) -> None:
    named = set(operation.definition.raw["responses"])

    @seed(7)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call(headers={"Authorization": f"Bearer {who}"})
        told = f"{operation.method} {operation.path}: {response.status_code} {response.text[:300]}"
        assert response.status_code < 500 or response.status_code == 503, told
        assert str(response.status_code) in named, told
        if "json" in response.headers.get("content-type", [""])[0]:
            body = json.loads(response.text)
            if response.status_code >= 400 and operation.path not in (
                "/api/health",
                "/health",
            ):  # which says how bad it is
                assert body["success"] is False, told

    try:
        ask()
    except (Unsatisfiable, schemathesis.errors.SchemathesisError) as odd:
        if mode is GenerationMode.POSITIVE:  # what takes nothing can't be asked wrongly
            raise AssertionError(f"{operation.path} can't be tried: {odd}") from odd


def test_the_house_stands_after_all_that(house: House, tmp_path: Path) -> None:
    assert house.client.get("/api/openapi.json").status_code == 200
    assert tmp_path.exists()
