"""Every example of docs/api.md, run: curl commands as what they ask, Python as it stands, JSON as JSON, numbers as they are."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import MAX_BODY
from api.routes.inbound_webhooks import MOST_A_MINUTE
from modules.notices import inbound_webhooks, webhook_rules
from modules.notices.preferences import Channel, Notice
from modules.runtime.settings import Settings
from tests.contracts.real_port import EMAIL, PASSWORD, RealPort

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The page's code of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every curl command, each on one line."""
    whole = "\n".join(blocks("bash")).replace("\\\n", " ")
    return [line for line in whole.splitlines() if line.strip()]


def run(command: str, **variables: str) -> httpx.Response:
    """Asks what the command asks."""
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    assert "$" not in command, command
    words = shlex.split(command)
    assert words.pop(0) == "curl"
    method, headers, data, urls = "GET", {}, None, []
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = words.pop(0).encode()
        else:
            assert not word.startswith("-"), f"an option that the test does not know: {word}"
            urls.append(word)
    (url,) = urls
    return httpx.request(method, url, headers=headers, content=data, timeout=20)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[RealPort]:
    made = RealPort(tmp_path, rate_auth_per_minute=1000)
    made.world.price("BTCUSDT", "60000")
    made.world.price("ETHUSDT", "3000")
    yield made
    made.close()


def _token(port: RealPort) -> str:
    body = {"email": EMAIL, "password": PASSWORD}
    return str(httpx.post(f"{port.address}/api/auth/login", json=body).json()["access_token"])


def test_every_curl_command_does_what_it_says(port: RealPort) -> None:
    ann = _token(port)
    hook = ""
    asked = []
    for command in commands():
        token = port.operator_token if "/api/signals/inbox" in command else ann
        answer = run(command, API=port.address, TOKEN=token, HOOK=hook)
        body = answer.json()
        assert body["success"], (command, body)
        asked.append((answer.request.method, answer.request.url.path))
        if asked[-1] == ("POST", "/api/webhooks"):
            hook = body["webhook"]["path"]
            assert body["webhook"]["url"].endswith(hook)
    assert len(asked) == len(commands()) == 11
    assert set(asked) >= {
        ("POST", "/api/positions"),
        ("POST", "/api/signals/inbox"),
        ("POST", hook),
        ("POST", "/api/hooks"),
    }
    sources = {row["source"] for row in port.world.store["signals"].all()}
    assert {"webhook:my-alerts", "my-channel"} <= sources


def _runnable(code: str, port: RealPort) -> str:
    return f"import sys\nsys.path.insert(0, {str(DOCS / 'examples')!r})\n" + code.replace(
        "http://127.0.0.1:5000", port.address
    )


def test_the_python_example_trades(port: RealPort, tmp_path: Path) -> None:
    (program,) = [block for block in blocks("python") if "open_position" in block]
    path = tmp_path / "program.py"
    path.write_text(_runnable(program, port), encoding="utf-8")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("ETHUSDT LONG 0.5")
    assert lines[2].startswith("invalid_input {'side'")


async def test_the_python_example_follows_the_stream(port: RealPort, tmp_path: Path) -> None:
    (program,) = [block for block in blocks("python") if "api.stream" in block]
    path = tmp_path / "program.py"
    path.write_text(_runnable(program, port), encoding="utf-8")
    running = await asyncio.create_subprocess_exec(sys.executable, "-u", str(path), stdout=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    try:
        async with asyncio.timeout(60):
            while not any(each._topics for each in port.stream.hub.sessions):
                await asyncio.sleep(0.02)
            token = await asyncio.to_thread(_token, port)
            body = {"symbol": "BTCUSDT", "side": "LONG", "quantity": "0.01", "stop_loss": "59000"}
            headers = {"Authorization": f"Bearer {token}"}
            await asyncio.to_thread(
                lambda: httpx.post(f"{port.address}/api/positions", json=body, headers=headers, timeout=30)
            )
            heard = ""
            while "PositionOpened" not in heard:
                heard += (await running.stdout.readline()).decode()
    finally:
        running.kill()
        await running.wait()
    assert "orders PlanMade BTCUSDT" in heard
    assert "positions PositionOpened BTCUSDT" in heard


def test_the_python_snippet_tells_right_from_wrong() -> None:
    (snippet,) = [block for block in blocks("python") if "is_right" in block]
    known: dict[str, Any] = {}
    exec(snippet, known)
    body = b'{"id":"evt_1"}'
    header = webhook_rules.signature("whsec_x", 1_700_000_000, body)
    assert known["is_right"]("whsec_x", header, body, 1_700_000_100.0)
    assert not known["is_right"]("whsec_x", header, body, 1_700_000_301.0)
    assert not known["is_right"]("whsec_x", header, body + b" ", 1_700_000_000.0)
    assert not known["is_right"]("whsec_y", header, body, 1_700_000_000.0)


def test_every_json_example_is_json() -> None:
    found = blocks("json")
    assert len(found) == 5
    for each in found:
        json.loads(each)


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    plain = " ".join(PAGE.split())
    settings = Settings.model_fields
    assert f"{settings['rate_user_per_minute'].default} requests a minute" in plain
    assert f"{settings['rate_address_per_minute'].default:,} for an address" in plain
    assert f"{settings['rate_auth_per_minute'].default} at the sign-in paths" in plain
    assert MAX_BODY == 1_000_000
    waits = "5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h and 12 h"
    units = {"s": 1, "min": 60, "h": 3600}
    assert waits in plain
    assert tuple(int(n) * units[u] for n, u in re.findall(r"(\d+) (s|min|h)", waits)) == webhook_rules.RETRY_SECONDS
    assert f"{webhook_rules.DISABLE_FAILURES} failures in a row over at least an hour" in plain
    assert webhook_rules.DISABLE_AFTER.total_seconds() == 3600
    assert inbound_webhooks.TOLERANCE_SECONDS == 300
    assert f"one takes {MOST_A_MINUTE} messages a minute" in plain
    assert settings["webhook_ports"].default == (80, 443, 8443)
    for word in (*Notice, *Channel):
        assert f"`{word.value}`" in plain


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).exists(), target
    headings = {
        re.sub(r"[^a-z ]", "", line[3:].lower()).replace(" ", "-") for line in PAGE.splitlines() if line[:3] == "## "
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert anchor in headings


def test_the_example_receiver_takes_an_event_once() -> None:
    from tests.contracts.test_example_client import load

    example = load("verify_webhook")
    body, now = b'{"id":"evt_1","type":"webhook.test","data":{}}', 1_700_000_000
    header = webhook_rules.signature("whsec_x", now, body)
    assert example.verify("whsec_x", header, body, now + 299)
    digest = hmac.new(b"whsec_x", body, hashlib.sha256).hexdigest()
    for wrong in ("", "t=,v1=", "v1=x", f"t={now},v1=", f"t=x{now},v1=0", header.upper(), f"t={now},v1={digest}", "é"):
        assert not example.verify("whsec_x", wrong, body, now), wrong
    assert not example.verify("whsec_x", header, body, now + 301)
    assert not example.verify("whsec_x", header, body, now - 301)
