"""Logs: one line per fact, in one format, and no secret in any of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from modules.runtime.logs import REDACTED, log, redacted, set_up_logs

BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        (f"https://api.telegram.org/bot{BOT}/getMe", BOT),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        ("sk_live_abcdefgh123", "sk_live_abcdefgh123"),
        ("whsec_abcdefgh123", "whsec_abcdefgh123"),
        ("postgresql://user:pa55@host/db", "pa55"),
        (SecretStr("plainword"), "plainword"),
        ({"deep": [SecretStr("plainword"), "bearer abcdefghij"]}, "plainword"),
        (("a", f"bot{BOT}"), BOT),
        (ValueError(f"bot{BOT}"), BOT),
        ("vzk_" + "Ab1-_" * 8, "Ab1-_" * 8),
    ],
)
def test_secrets_are_known_by_type_and_by_shape(value: object, hidden: str) -> None:
    shown = str(redacted(value))
    assert hidden not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("value", ["BTCUSDT at 60000.5", 5, None, 1.5, "12:30:45", "user@example.com", "https://a.b/c"])
def test_what_is_no_secret_stays(value: object) -> None:
    assert redacted(value) == value


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_reaches_the_output(capsys: pytest.CaptureFixture[str], style: str) -> None:
    set_up_logs("test", "INFO", style)
    log("desk").info("sent", token=SecretStr("plainword"), address=f"/bot{BOT}", more={"key": SecretStr("plainword")})
    logging.getLogger("library").warning("calling %s", f"/bot{BOT}")
    try:
        raise RuntimeError(f"failed at /bot{BOT}")
    except RuntimeError as error:
        log("desk").error("failed", error=repr(error), exc_info=error)
    shown = capsys.readouterr().out
    assert BOT not in shown
    assert "plainword" not in shown
    assert shown.count(REDACTED) >= 4


def test_one_line_per_fact_with_process_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("executor", "INFO", "json")
    log("desk").info("order\nsubmitted", order_id="vz1", quantity=2)
    logging.getLogger("library").info("hello")
    first, second = lines(capsys)
    assert (first["event"], first["order_id"], first["quantity"]) == ("order\nsubmitted", "vz1", 2)
    assert first["process"] == second["process"] == "executor"
    assert str(first["timestamp"]).endswith("Z")
    assert second["event"] == "hello"


def test_what_is_below_the_level_or_chatter_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("test", "WARNING", "json")
    log("desk").info("quiet")
    logging.getLogger("httpx").info("GET /bot")
    log("desk").warning("loud")
    assert [each["event"] for each in lines(capsys)] == ["loud"]
