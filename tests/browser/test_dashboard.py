"""The dashboard in a real browser over a whole running house: what a trader does on it, and what must never happen there."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser, Locator, expect

from tests.browser.browsing import (
    CHROMIUM,
    PATIENCE_MS,
    PHONE,
    Visitor,
    chromium,
    low_contrast,
    nameless_controls,
    overflows,
)
from tests.processes.running import Program, until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
TEXT = "🚀 #BTC/USDT LONG <b>now</b>\nEntry: 60000\nTP1 61000\nTP2 62000\nSL 59000"
EMAIL, PASSWORD = "boss@example.com", "a long sentence for a test"
ATTACK = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
#: A page's policy lets no text be evaluated in it, so waiting is done by a promise.
_UNTIL_CONTROLLED = """async () => {
  const controlled = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) await controlled;
}"""
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One house for the whole module, with a price and one open trade."""
    with Program(tmp_path_factory.mktemp("house"), ADMIN_EMAIL=EMAIL, ADMIN_PASSWORD=PASSWORD) as program:
        program.tick("BTCUSDT", "60000")
        yield program


@pytest.fixture(scope="module")
def visitor(house: Program, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """The operator at a desk, signed in."""
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path_factory.mktemp("shots"))
    window.sign_in(house.token)
    yield window
    window.close()


@pytest.fixture(autouse=True)
def page_is_clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave an error in the console, an exception or a breach of the page's policy."""
    yield
    if "visitor" in request.fixturenames:
        window: Visitor = request.getfixturevalue("visitor")
        complaints, window.complaints = window.complaints, []
        assert not complaints


def traded(house: Program, text: str = TEXT, **fields: Any) -> str:
    """Hands in a signal and waits until it is a position; the signal's id."""
    signal = str(house.post(text, **fields)["signal_id"])
    house.tick("BTCUSDT", "60000", "59999")
    house.until_position(signal, status="open")
    return signal


def row_of(window: Visitor, signal: str) -> Locator:
    return window.page.locator(f'tr[data-position*="{signal}"]')


def look_again(window: Visitor) -> None:
    """What a page does when it comes to the front: it asks for health at once."""
    window.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_wrong_token_is_refused_and_a_right_one_opens_the_overview(
    house: Program, browser: Browser, tmp_path: Path
) -> None:
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path)
    window.page.goto("/")
    window.page.get_by_text("Use an access token").click()
    window.page.get_by_label("Access token").fill("vzk_wrong")
    window.page.get_by_role("button", name="Use this token").click()
    expect(window.page.locator("#token-form").get_by_role("alert")).not_to_be_empty()
    window.forgive("401")
    window.sign_in(house.token)
    expect(window.page.get_by_role("button", name="Stop trading")).to_be_visible()
    window.page.reload()
    expect(window.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    window.page.get_by_role("button", name="Sign out").click()
    expect(window.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert window.page.evaluate("sessionStorage.length") == 0
    assert not window.complaints
    window.close()


def test_a_signal_arrives_live_with_what_was_read_over_its_text(house: Program, visitor: Visitor) -> None:
    visitor.go("signals", "Signals")
    signal = traded(house)
    link = visitor.page.locator(f'li[data-signal="{signal}"] a')
    expect(link).to_contain_text("BTC/USDT")
    expect(link).to_contain_text("LONG")
    link.click()
    message = visitor.page.locator("blockquote.message")
    expect(message).to_contain_text("🚀 #BTC/USDT (market) LONG (side) <b>now</b>")
    marks = [(each.get_attribute("data-field"), each.inner_text()) for each in message.locator("mark").all()]
    fields = {(field, text.partition("(")[0].strip()) for field, text in marks}
    assert {
        ("symbol", "BTC/USDT"),
        ("side", "LONG"),
        ("entry", "60000"),
        ("target", "61000"),
        ("stop", "59000"),
    } <= fields
    expect(visitor.page.get_by_role("region", name="What happened")).to_contain_text("Entered")
    visitor.shot("signal")
    visitor.forgive("/api/candles/")  # a house that has just begun keeps none yet


def test_its_chart_is_drawn_and_follows_the_price(house: Program, visitor: Visitor) -> None:
    signal = traded(house, TEXT.replace("TP2 62000", "TP2 62800"))
    visitor.go("signals", "Signals")
    visitor.page.locator(f'li[data-signal="{signal}"] a').click()
    card = visitor.page.get_by_role("region", name="Chart")
    expect(card.locator("canvas").first).to_be_visible()
    house.tick("BTCUSDT", "60123.5")
    expect(card).to_contain_text("60,123.50")
    expect(card.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile("targets 61,000.00, 62,800.00, stop 59,000.00")
    )
    visitor.forgive("/api/candles/")  # a house that has just begun keeps none yet


def test_positions_move_with_the_price_and_close_after_one_question(house: Program, visitor: Visitor) -> None:
    signal = traded(house, TEXT.replace("TP2 62000", "TP2 62700"))
    visitor.go("positions", "Positions")
    house.tick("BTCUSDT", "60500")
    row = row_of(visitor, signal)
    expect(row).to_contain_text("60,500.00")
    expect(row.locator(".gain", has_text="+")).to_be_visible()
    assert overflows(visitor.page) == []
    visitor.shot("positions")
    row.get_by_role("button", name="Close BTC/USDT LONG").click()
    question = visitor.page.get_by_role("dialog")
    expect(question).to_contain_text("100 % of")
    question.get_by_role("button", name="Cancel").click()
    assert house.position(signal)["status"] == "open"  # type: ignore[index]
    row.get_by_role("button", name="Close BTC/USDT LONG").click()
    question.get_by_role("slider").press("Home")
    question.get_by_role("button", name="Close it").click()
    expect(question).to_have_count(0)
    until(lambda: part_closed(house, signal), 15, "a part is closed")
    row.get_by_role("button", name="Close BTC/USDT LONG").click()
    question.get_by_role("button", name="Close it").click()
    expect(row).to_have_count(0)
    house.until_position(signal, status="closed")
    visitor.page.get_by_role("link", name="Closed").click()
    expect(visitor.page.locator("main")).to_contain_text("BTC/USDT")


def test_money_moves_with_the_price_and_counts_from_the_beginning_of_the_day(house: Program, visitor: Visitor) -> None:
    traded(house, TEXT.replace("TP2 62000", "TP2 62600"))
    visitor.go("overview", "Overview")
    bar = visitor.page.locator(".bar-equity")
    money = visitor.page.get_by_role("region", name="Money")
    house.tick("BTCUSDT", "60400")
    expect(bar).to_contain_text("today")
    before = bar.inner_text()
    house.tick("BTCUSDT", "60450")
    expect(bar).not_to_have_text(before, use_inner_text=True)
    expect(money).to_contain_text(bar.locator("b").inner_text())
    expect(money.locator(".figure", has_text="Today")).to_contain_text("%")
    assert overflows(visitor.page) == []


def test_settings_are_called_by_names_and_kept_as_they_were(visitor: Visitor) -> None:
    visitor.go("settings/trading", "Settings")
    expect(visitor.page.get_by_label("Sources that are traded")).to_have_value("all")
    expect(visitor.page.get_by_label("Highest leverage, x")).to_have_value("25")
    assert "_" not in visitor.page.locator("main").inner_text()
    visitor.page.get_by_role("button", name="Save the settings").click()
    expect(visitor.page.get_by_text("Nothing was changed.")).to_be_visible()


def part_closed(house: Program, signal: str) -> bool:
    """Whether less is left of the signal's position than was bought."""
    position = house.position(signal)
    return position is not None and position["quantity"] != position["initial_quantity"]


def test_the_stop_is_moved_and_moved_back(house: Program, visitor: Visitor) -> None:
    signal = traded(house, TEXT.replace("TP2 62000", "TP2 62500"))
    visitor.go("positions", "Positions")
    row_of(visitor, signal).get_by_role("button", name="Stop BTC/USDT LONG").click()
    visitor.page.get_by_label("Stop price").fill("59400")
    visitor.page.get_by_role("button", name="Move the stop").click()
    house.until_position(signal, stop_loss="59400")
    visitor.page.get_by_role("button", name="Undo").click()
    house.until_position(signal, stop_loss="59000")


def test_a_trade_is_opened_by_hand_and_its_stop_follows_the_price(house: Program, visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("positions", "Positions")
    before = {each["id"] for each in house.positions("open")}
    page.get_by_role("button", name="New trade").click()
    page.get_by_label("Market").fill("btc/usdt")
    page.get_by_label("Stop price").fill("99000")
    page.get_by_role("button", name="Open the trade").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("beyond the stop of 99000")
    page.get_by_label("Stop price").fill("59000")
    page.get_by_label("Size").select_option("amount")
    page.get_by_label("How much").fill("100")
    page.get_by_role("button", name="Open the trade").click()
    house.tick("BTCUSDT", "60010")
    new = until(lambda: [each for each in house.positions("open") if each["id"] not in before], 15, "the trade is open")
    row = page.locator(f'tr[data-position="{new[0]["id"]}"]')
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Position", level=1)).to_be_visible()
    expect(page.get_by_role("region", name="Figures")).to_contain_text("by hand")
    expect(page.get_by_role("region", name="Fills")).to_contain_text("buy")
    expect(page.get_by_role("region", name="Chart").locator("canvas").first).to_be_visible()
    assert nameless_controls(page) == []
    visitor.shot("position")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_label("follow the best price").fill("1")
    page.get_by_role("button", name="Move the stop").click()
    expect(page.get_by_text("follows the best price, 1 % behind")).to_be_visible()
    house.tick("BTCUSDT", "60020", "60400")
    until(lambda: float(one(house, new[0]["id"])["stop_loss"]) > 59_500, 15, "the stop followed")
    page.get_by_role("button", name="Close…").click()
    page.get_by_role("button", name="Close it").click()
    until(lambda: one(house, new[0]["id"])["status"] == "closed", 15, "the trade is closed")
    expect(page.get_by_role("region", name="Figures")).to_contain_text("Closed")
    visitor.forgive("/api/candles/")


def one(house: Program, position_id: str) -> dict[str, Any]:
    """A position by its id."""
    return next(each for each in house.positions() if each["id"] == position_id)


def test_trading_is_stopped_and_resumed_each_after_one_question(house: Program, visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Stop trading").first.click()
    question = page.get_by_role("dialog")
    question.get_by_label("Reason").fill("lunch")
    question.get_by_role("button", name="Stop trading").click()
    banner = page.locator('[data-banner="halted"]')
    expect(banner).to_contain_text("Trading is stopped for everybody")
    expect(banner).to_contain_text("lunch")
    assert house.health()["trading"] == "halted"
    visitor.shot("stopped")
    page.locator("#kill-switch").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume trading").click()
    expect(banner).to_have_count(0)
    assert house.health()["trading"] == "paper"


def test_the_chat_answers_and_renders_no_html_of_others(house: Program, visitor: Visitor) -> None:
    visitor.go("chat", "Chat")
    visitor.page.get_by_label("Your message").fill("/balance")
    visitor.page.get_by_label("Your message").press("Enter")
    expect(visitor.page.locator("li.message-row:not(.mine)", has_text="quity").last).to_be_visible()
    visitor.page.get_by_label("Your message").fill(ATTACK)
    visitor.page.get_by_role("button", name="Send").click()
    expect(visitor.page.locator("li.mine").last).to_contain_text("<img src=x")
    expect(visitor.page.locator("li.message-row:not(.mine)", has_text="none:").last).to_be_visible()
    assert visitor.page.locator(".messages img:not(.chat-picture), .messages script").count() == 0
    house.post(f"BTCUSDT buy 60000 sl 59000 tp 61000 {ATTACK}", source=ATTACK)
    visitor.go("signals", "Signals")
    expect(visitor.page.locator(".feed")).to_contain_text("<img src=x")
    assert visitor.page.locator("main img, main script").count() == 0
    assert visitor.page.title().startswith("Signals")


def test_operators_change_a_role_and_find_it_in_the_audit_log(house: Program, visitor: Visitor) -> None:
    page, name = visitor.page, "newcomer@example.com"
    added = house.cli("user", "add", name, "--role", "subscriber")
    assert added.returncode == 0, added.stderr
    visitor.go("users", "Users")
    expect(page.locator('tr[data-user="operator"]')).to_contain_text("Owner")
    page.get_by_role("button", name=f"Role: {name}").click()
    page.get_by_role("dialog").get_by_label("Role", exact=True).select_option("analyst")
    page.get_by_role("button", name="Change the role").click()
    expect(page.locator("tr[data-user]", has_text=name)).to_contain_text("Analyst")
    visitor.go("audit", "Audit")
    newest = page.get_by_role("region", name="Log").locator("tbody tr").first
    for text in (EMAIL, "user.role", name, "analyst"):
        expect(newest).to_contain_text(text)


def test_operators_see_each_process_with_its_number(house: Program, visitor: Visitor) -> None:
    visitor.go("system", "System")
    expect(visitor.page.get_by_role("region", name="Processes")).to_contain_text("executor")
    assert set(house.pids()) <= set(visitor.page.locator("main").inner_text().split())


def candles_file(folder: Path) -> Path:
    """Sixty days of hourly candles in waves, so that every strategy finds something to do."""
    rows = ["timestamp,open,high,low,close,volume"]
    now = int(time.time() // 3600) * 3_600_000
    before = 60_000.0
    for hour in range(1440):
        close = round(60_000 + 4_000 * math.sin(hour / 30) + 600 * math.sin(hour / 3.7), 1)
        low, high = min(before, close) - 50, max(before, close) + 50
        rows.append(f"{now - (1440 - hour) * 3_600_000},{before},{high},{low},{close},100")
        before = close
    path = folder / "BTCUSDT-1h.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_strategy_is_built_by_form_tested_on_the_past_and_compared(
    house: Program, visitor: Visitor, tmp_path: Path
) -> None:
    imported = house.cli("candles", "import", str(candles_file(tmp_path)))
    assert imported.returncode == 0, imported.stderr
    page = visitor.page
    visitor.go("strategies", "Strategies")
    page.get_by_role("link", name="New strategy").click()
    page.get_by_role("button", name="Save the strategy").click()
    expect(page.get_by_role("alert").filter(has_text="not right yet")).to_be_visible()
    visitor.forgive("422")
    page.get_by_label("Name", exact=True).fill("Wave rider")
    page.get_by_label("entry 1: value").fill("45")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("entry 2: series").select_option("price")
    page.get_by_label("entry 2: comparison").select_option(">")
    page.get_by_label("entry 2: compared with").select_option("other")
    page.get_by_label("entry 2, the other: series").select_option("sma")
    page.get_by_label("entry 2, the other: period").fill("5")
    page.get_by_role("button", name="Save the strategy").click()
    row = page.locator("tr[data-strategy]", has_text="Wave rider")
    expect(row).to_contain_text("Off")
    visitor.shot("strategies")
    for strategy in ("Wave rider", "RSI mean reversion (built in)"):
        visitor.go("backtests", "Backtests")
        page.get_by_label("Strategy", exact=True).select_option(label=strategy)
        page.get_by_label("Span").select_option("30")
        page.get_by_role("button", name="Run the backtest").click()
        expect(page.get_by_role("heading", name="Backtest", level=1, exact=True)).to_be_visible(timeout=4 * PATIENCE_MS)
        expect(page.get_by_role("region", name="Figures")).to_contain_text("Profit factor")
        expect(page.get_by_role("region", name="Equity").locator("canvas").first).to_be_visible()
    trades = page.get_by_role("region", name="Trades", exact=True)
    trades.get_by_role("button", name="Show").first.click()
    expect(page.get_by_role("region", name="Trades on the candles")).to_contain_text("BTC/USDT")
    visitor.shot("backtest")
    with page.expect_download() as kept:
        page.get_by_role("button", name="Trades as CSV").click()
    assert Path(kept.value.path()).read_text(encoding="utf-8").count("\n") > 1
    visitor.go("backtests", "Backtests")
    boxes = page.get_by_role("checkbox", name="Choose")
    expect(boxes).to_have_count(2)
    for box in boxes.all():
        box.check()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.get_by_role("heading", name="Two tests", level=1)).to_be_visible()
    expect(page.get_by_role("region", name="Figures")).to_contain_text("better")
    assert nameless_controls(page) == []
    page.get_by_role("button", name="Better, or luck?").click()
    expect(answered(visitor, "Better, or luck?", "compare of")).to_contain_text("than chance would do")
    visitor.go("backtests", "Backtests")
    page.get_by_role("link", name="backtest of").first.click()
    page.get_by_role("button", name="Was it luck?").click()
    expect(answered(visitor, "Was it luck?", "monte carlo of")).to_contain_text("drawn anew 2,000 times")


def answered(window: Visitor, card: str, title: str) -> Locator:
    """The card of a test that was asked for: opened at once, or found on the list when it took a moment."""
    region = window.page.get_by_role("region", name=card)
    link = window.page.get_by_role("link", name=title).first
    expect(region.or_(link)).to_be_visible(timeout=4 * PATIENCE_MS)
    if link.is_visible():
        link.click()
    return region


def test_the_way_back_and_the_keyboard_work(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("orders", "Orders")
    visitor.go("sources", "Sources")
    page.go_back()
    expect(page.get_by_role("heading", name="Orders", level=1)).to_be_focused()
    page.reload()
    page.get_by_role("heading", name="Orders", level=1).wait_for()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.locator("#kill-switch").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#kill-switch")).to_be_focused()


PAGES = {
    "overview": "Overview", "signals": "Signals", "positions": "Positions", "orders": "Orders", "sources": "Sources", "strategies": "Strategies", "strategies/new": "New strategy", "backtests": "Backtests",
    "chat": "Chat", "settings/trading": "Settings", "settings/account": "Settings", "settings/security": "Settings",
    "settings/notices": "Settings",
    "settings/exchanges": "Settings",
    "settings/appearance": "Settings", "users": "Users", "audit": "Audit", "broadcasts": "Broadcast", "system": "System",
}  # fmt: skip


SETTINGS = ("trading", "account", "security", "notices", "exchanges", "appearance")


@pytest.mark.parametrize(("device", "theme"), [("desk", "dark"), ("phone", "light")])
def test_every_page_has_names_contrast_and_fits(
    house: Program, browser: Browser, tmp_path: Path, device: str, theme: str
) -> None:
    shape = PHONE if device == "phone" else {}
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path, color_scheme=theme, **shape)
    window.sign_in(house.token)
    for name, heading in PAGES.items():
        window.go(name, heading)
        expect(window.page.locator("main [aria-busy=true]")).to_have_count(0)
        window.shot(f"{name.replace('/', '-')}-{device}-{theme}")
        assert nameless_controls(window.page) == [], name
        assert low_contrast(window.page) == [], name
        assert overflows(window.page) == [], name
        for tab in window.page.locator("main .tabs [aria-current]").all():
            expect(tab).to_be_in_viewport(ratio=0.9)
    assert not window.complaints
    window.close()


def test_a_dead_trader_and_a_dead_api_look_different(house: Program, visitor: Visitor) -> None:
    visitor.go("overview", "Overview")
    health = {"executor": {"state": "silent", "last_work_seconds_ago": 14, "restarts": 0, "detail": ""}}

    def sick(route: Any) -> None:
        answer = {**house.health(), "status": "down", "processes": health}
        route.fulfill(status=503, json={**answer, "success": True})

    visitor.page.route("**/api/health", sick)
    look_again(visitor)
    expect(visitor.page.locator('[data-banner="trader"]')).to_contain_text("The trader is down")
    assert visitor.page.locator('[data-banner="api"]').count() == 0
    visitor.page.unroute("**/api/health")
    look_again(visitor)
    expect(visitor.page.locator('[data-banner="trader"]')).to_have_count(0)
    visitor.page.route("**/api/**", lambda route: route.abort())
    look_again(visitor)
    expect(visitor.page.locator('[data-banner="api"]')).to_contain_text("The API can't be reached")
    assert visitor.page.locator('[data-banner="trader"]').count() == 0
    visitor.shot("api-down")
    visitor.page.unroute("**/api/**")
    look_again(visitor)
    expect(visitor.page.locator('[data-banner="api"]')).to_have_count(0)
    visitor.forgive("503")
    visitor.forgive("ERR_FAILED")


def test_the_page_comes_back_by_itself_after_the_api_was_killed(house: Program, visitor: Visitor) -> None:
    visitor.go("signals", "Signals")
    old = house.kill("api")
    house.until_replaced("api", old)
    signal = str(house.post(TEXT.replace("62000", "62100"))["signal_id"])
    expect(visitor.page.locator(f'li[data-signal="{signal}"]')).to_be_visible()
    visitor.forgive("ERR_CONNECTION_REFUSED")
    visitor.forgive("ERR_CONNECTION_RESET")
    visitor.forgive("ERR_EMPTY_RESPONSE")
    visitor.forgive("WebSocket")


def test_a_password_signs_in_and_a_reload_renews_by_the_cookie(
    house: Program, browser: Browser, tmp_path: Path
) -> None:
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path)
    page = window.page
    page.goto("/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#password-form").get_by_role("alert")).not_to_be_empty()
    window.forgive("401")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert page.evaluate("document.cookie + JSON.stringify(sessionStorage)") == "{}"
    page.reload()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    window.go("settings/security", "Settings")
    expect(page.get_by_role("region", name="Signed in")).to_contain_text("This one")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not window.complaints
    window.close()


def test_a_subscriber_sees_their_own_things_only_and_signs_in_with_a_second_factor(
    house: Program, browser: Browser, tmp_path: Path
) -> None:
    added = house.cli("user", "add", "sub@example.com", "--password-stdin", stdin=PASSWORD)
    assert added.returncode == 0, added.stderr
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path)
    page = window.page

    def sign_in() -> None:
        page.get_by_label("E-mail").fill("sub@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

    page.goto("/")
    sign_in()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert page.get_by_role("link", name="Users").count() == 0
    window.go("positions", "Positions")
    expect(page.get_by_text("Nothing is open")).to_be_visible()
    for name in (
        "overview",
        "signals",
        "orders",
        "sources",
        "strategies",
        "chat",
        *(f"settings/{each}" for each in SETTINGS),
    ):
        window.go(name, PAGES.get(name, "Settings"))
        expect(page.locator("main [aria-busy=true]")).to_have_count(0)
        assert page.locator(".trouble").count() == 0, name
    window.go("chat", "Chat")
    expect(page.get_by_label("Your message")).to_have_attribute("placeholder", "/positions")
    page.get_by_role("button", name="Stop trading").click()
    expect(page.get_by_role("dialog")).to_contain_text("No new trades")
    assert page.get_by_role("radio", name="Everybody's").count() == 0
    page.get_by_role("dialog").get_by_role("button", name="Stop trading").click()
    expect(page.locator('[data-banner="halted"]')).to_contain_text("stopped for you")
    assert house.health()["trading"] == "paper"
    window.go("settings/security", "Settings")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    page.get_by_label("Code that the app shows").fill(
        pyotp.TOTP(page.get_by_role("textbox", name="Key").input_value()).now()
    )
    page.get_by_role("button", name="Verify and turn on").click()
    codes = page.locator(".codes").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in()
    page.get_by_label("Code of your authenticator").fill(codes[0])
    window.forgive("401")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    assert not window.complaints
    window.close()


def test_the_page_opens_without_a_connection_and_says_so(house: Program, browser: Browser, tmp_path: Path) -> None:
    window = Visitor(browser, f"http://127.0.0.1:{house.port}", tmp_path, service_workers="allow")
    window.sign_in(house.token)
    window.page.evaluate(_UNTIL_CONTROLLED)
    window.context.set_offline(True)
    window.page.reload()
    expect(window.page.get_by_role("heading", name="The API can't be reached")).to_be_visible()
    kept = window.page.evaluate("caches.open('pages').then((c) => c.keys()).then((all) => all.map((each) => each.url))")
    assert kept
    assert not [each for each in kept if "/api/" in each]
    window.context.set_offline(False)
    expect(window.page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    window.close()
