"""Settings: defaults that trade on paper, and every mistake told at once."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from modules.domain.errors import Misconfigured
from modules.runtime.settings import Settings, ensure_data_dir, keep_once, kept_secret, load_settings
from modules.wiring import open_core


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.removesuffix("_FILE").lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def problems(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as wrong:
        load_settings()
    return wrong.value.problems


def test_without_anything_set_it_trades_on_paper_here_only() -> None:
    made = load_settings()
    assert (made.trading, made.host, made.port) == ("paper", "127.0.0.1", 5000)
    assert made.store_url.startswith("sqlite:////")
    assert made.kill_file == Path("var/KILL")


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=7000\nHOST=0.0.0.0\nUNKNOWN_THING=1\n")
    monkeypatch.setenv("PORT", "8000")
    made = load_settings()
    assert (made.port, made.host) == (8000, "0.0.0.0")


def test_empty_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert load_settings().port == 5000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "65536"), ("PORT", "http"), ("DATABASE_URL", "mysql://x"), ("PRICES", "magic"),
        ("PRICES", "replay:"), ("SPEED", "-1"), ("SPEED", "nan"), ("SPEED", "inf"), ("STALE_AFTER_SECONDS", "0"),
        ("STALE_AFTER_SECONDS", "inf"), ("STALE_AFTER_SECONDS", "nan"), ("TRADING", "maybe"), ("EXCHANGE_URLS", "{"),
        ("EXCHANGE_URLS", "[]"), ("MAX_ORDER_VALUE", "0"), ("MAX_ORDER_VALUE", "NaN"), ("MAX_DAILY_LOSS", "Infinity"),
        ("MAX_LEVERAGE", "0.5"), ("MAX_ORDERS_PER_MINUTE", "0"), ("PAPER_SLIPPAGE_BPS", "1001"), ("PAPER_BALANCE", "-5"),
        ("LATE_AFTER_SECONDS", "0"), ("LOG_LEVEL", "LOUD"), ("LOG_FORMAT", "xml"), ("TELEGRAM_API_ID", "abc"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    (only,) = problems(monkeypatch, **{name: value})
    assert only.startswith(f"{name}: ")


def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(monkeypatch, PORT="x", PRICES="magic", LOG_LEVEL="LOUD")
    assert sorted(each.split(":")[0] for each in found) == ["LOG_LEVEL", "PORT", "PRICES"]


def test_live_trading_needs_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    (only,) = problems(monkeypatch, TRADING="live")
    assert "I_UNDERSTAND_LIVE_TRADING" in only
    monkeypatch.setenv("I_UNDERSTAND_LIVE_TRADING", "yes")
    assert load_settings().trading == "live"


@pytest.mark.parametrize(("name", "value"), [("TRADING", "live"), ("REDIS_URL", "redis://localhost:6379/0")])
def test_what_this_version_cannot_do_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("I_UNDERSTAND_LIVE_TRADING", "yes")
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as wrong:
        open_core(load_settings())
    assert wrong.value.problems[0].startswith(f"{name}: this version")


def test_the_readers_three_settings_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    (only,) = problems(monkeypatch, TELEGRAM_API_ID="5")
    assert "go together" in only


def test_a_secret_may_lie_in_a_file_and_a_missing_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" hidden \n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    made = load_settings()
    assert made.secret_key.get_secret_value() == "hidden"
    assert "hidden" not in repr(made)
    (only,) = problems(monkeypatch, MASTER_KEY_FILE=str(tmp_path / "none"))
    assert only.startswith("MASTER_KEY_FILE: ")


def test_a_wrong_secret_is_not_in_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123456:verysecret")
    assert "verysecret" not in " ".join(problems(monkeypatch, PORT="x"))


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_CHANNELS", " one, two,,")
    assert load_settings().telegram_channels == ("one", "two")


def test_amounts_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_ORDER_VALUE", "0.1")
    assert load_settings().max_order_value == Decimal("0.1")


def test_the_data_directory_is_made_or_refused(tmp_path: Path) -> None:
    ensure_data_dir(Settings(data_dir=tmp_path / "deep" / "var"))
    assert (tmp_path / "deep" / "var" / "bells").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="DATA_DIR"):
        ensure_data_dir(Settings(data_dir=tmp_path / "file"))


def test_a_kept_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    made = Settings(data_dir=tmp_path)
    first = kept_secret(made, "secret_key")
    assert len(first) > 40
    assert kept_secret(made, "secret_key") == first
    assert kept_secret(made, "master_key") != first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert keep_once(tmp_path / "secret_key", "another") == first
    assert sorted(each.name for each in tmp_path.iterdir()) == ["master_key", "secret_key"]
