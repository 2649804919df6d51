"""The JavaScript of docs/api.md in a real browser: asking, and checking a webhook's signature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.notices.webhook_rules import signature
from tests.browser.browsing import CHROMIUM, chromium
from tests.contracts.real_port import RealPort
from tests.contracts.test_docs_api import blocks

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
SECRET = "whsec_x"
NOW = 1_700_000_000


@pytest.fixture
def port(tmp_path: Path) -> Iterator[RealPort]:
    made = RealPort(tmp_path)
    yield made
    made.close()


def test_every_snippet_runs_as_it_stands(port: RealPort) -> None:
    asking, checking, subscribing = blocks("javascript")
    body = '{"id":"evt_1","type":"position.closed","data":{"symbol":"BTCUSDT","note":"ü"}}'
    right = signature(SECRET, NOW, body.encode())
    registration = """({ pushManager: { subscribe: async (options) => ({ toJSON: () => ({
      endpoint: "https://push.example/send/1", keys: { p256dh: options.applicationServerKey, auth: "MDEyMzQ1Njc4OWFiY2RlZg" },
    }) }) } })"""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{port.address}/")

        def run(code: str) -> Any:
            return page.evaluate(f"async () => {{ const API = location.origin; {code} }}")

        assert run(f"{asking}\n return positions;") == []
        wrong = asking.replace("four red boats at sea", "something else")
        refused = run(f"try {{ {wrong} }} catch (no) {{ return [no.status, no.code]; }}")
        assert refused[0] == 401
        device = run(f"{asking}\n{subscribing}\n return (await subscribe({registration}, token)).device;")
        assert device["name"] == "this browser"

        def checked(header: str, text: str, now: int = NOW) -> Any:
            return page.evaluate(
                f"async ([secret, header, body, now]) => {{ {checking}\n return isRight(secret, header, body, now); }}",
                [SECRET, header, text, now],
            )

        assert checked(right, body) is True
        assert checked(right, body + " ") is False
        assert checked(right.replace("v1=", "v1=00"), body) is False
        assert checked(right, body, NOW + 301) is False
        page.close()
