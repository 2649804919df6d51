"""The dashboard's modules by themselves in a browser, without a house: numbers, texts of strangers, lists, candles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.routes.pages import PAGES
from tests.browser.browsing import CHROMIUM
from tests.browser.modules import Ask, asking

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with asking() as run:
        yield run


@quickly
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False))
def test_money_has_its_sign_and_two_places(ask: Ask, value: Decimal) -> None:
    text = ask("format.js", "return m.money(a, { signed: true });", str(value))
    assert re.fullmatch(r"[+\u2212]?\d{1,3}(,\d{3})*\.\d\d", text)
    number = Decimal(text.replace(",", "").replace("\u2212", "-"))
    assert abs(number - value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)) <= Decimal("0.01")
    assert text.startswith("+") == (number > 0)
    assert text.startswith("\u2212") == (number < 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("60000", "60,000.00"),
        ("60123.456", "60,123.46"),
        ("150.265", "150.265"),
        ("1.10", "1.10"),
        ("0.00001234", "0.00001234"),
        ("0", "0.00"),
        (None, "\u2013"),
        ("", "\u2013"),
        ("abc", "\u2013"),
    ],
)
def test_a_price_keeps_the_digits_that_matter(ask: Ask, value: str | None, text: str) -> None:
    assert ask("format.js", "return m.price(a);", value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (12, "12 s ago"),
        (600, "10 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
        (-90, "in 2 min"),
    ],
)
def test_times_are_told_as_people_say_them(ask: Ask, seconds: int, text: str) -> None:
    assert ask("format.js", "return m.ago(1e12, 1e12 + a * 1000);", seconds) == text


_PIECES = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<B>",
        "<pre>",
        "</pre>",
        "</a>",
        "<script>",
        "</script>",
        "<svg/onload=1>",
        "&lt;",
        "&amp;",
        "&#x27;",
        "&bogus;",
        "<",
        ">",
        '"',
        "text",
        "🚀",
    ]
) | st.sampled_from(
    (
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">',
        '<a href="https://a.example/?q=1">',
        "<b onclick=x>",
    )
)


@quickly
@given(st.lists(_PIECES | st.text(max_size=8), max_size=25).map("".join))
def test_messages_of_strangers_never_become_anything_but_text(ask: Ask, text: str) -> None:
    tags, links, handlers = ask(
        "markup.js",
        """const all = [...m.rendered(a).querySelectorAll("*")];
        return [all.map((e) => e.localName), all.filter((e) => e.localName === "a").map((e) => e.href),
                all.flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith("on") || n === "style" || n === "src")];""",
        text,
    )
    assert set(tags) <= {"b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote", "a"}
    assert all(link.startswith(("https://", "http://")) for link in links)
    assert handlers == []


def test_telegrams_markup_is_shown(ask: Ask) -> None:
    said = "<b>BTC</b> &lt;60000&gt; <pre>a  b</pre>"
    assert ask("markup.js", "return m.rendered(a).innerHTML;", said) == "<b>BTC</b> &lt;60000&gt; <pre>a  b</pre>"


@quickly
@given(
    st.text(alphabet="ab🚀é\n<&", min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(-2, 32), st.integers(-2, 32)), max_size=6),
)
def test_marks_over_a_text_lose_and_move_no_letter(ask: Ask, text: str, places: list[tuple[int, int]]) -> None:
    spans = [{"field": "targets", "start": one, "end": other} for one, other in places]
    shown, marks = ask(
        "spans.js",
        """const box = m.marked(a.text, a.spans);
        for (const note of box.querySelectorAll(".unseen")) note.remove();
        return [box.textContent, [...box.querySelectorAll("mark")].map((mark) => mark.textContent)];""",
        {"text": text, "spans": spans},
    )
    assert shown == text
    wanted = {text[one:other] for one, other in places if 0 <= one < other <= len(text)}
    assert set(marks) <= wanted
    assert bool(marks) == bool(wanted)


@quickly
@given(st.lists(st.lists(st.integers(0, 9), unique=True, max_size=8), min_size=1, max_size=5))
def test_a_list_follows_its_items_and_keeps_their_elements(ask: Ask, turns: list[list[int]]) -> None:
    seen = ask(
        "dom.js",
        """const list = m.h("ul"); const made = [];
        const draw = m.keyed(list, (n) => n, (n) => { made.push(n); return { element: m.h("li", String(n)), update() {} }; });
        return a.map((items) => { const before = made.length; draw(items); return [[...list.children].map((e) => Number(e.textContent)), made.slice(before)]; });""",
        turns,
    )
    before: set[int] = set()
    for (shown, made), items in zip(seen, turns, strict=True):
        assert shown == items
        assert set(made) == set(items) - before
        before = set(items)


def test_the_newest_candle_grows_and_the_next_begins_in_its_time(ask: Ask) -> None:
    messages = [
        {"traded_at": 60_000, "open": "10", "high": "12", "low": "9", "price": "11"},
        {"traded_at": 119_999, "open": "11", "high": "15", "low": "10", "price": "14"},
        {"traded_at": 120_000, "open": "14", "high": "14", "low": "13", "price": "13"},
        {"traded_at": 100_000, "open": "8", "high": "8", "low": "8", "price": "8"},
    ]
    script = "let candle; return a.map((data) => (candle = m.grown(candle, data, 60)));"
    assert ask("chart.js", script, messages) == [
        {"time": 60, "open": 10, "high": 12, "low": 9, "close": 11},
        {"time": 60, "open": 10, "high": 15, "low": 9, "close": 14},
        {"time": 120, "open": 14, "high": 14, "low": 13, "close": 13},
        {"time": 120, "open": 14, "high": 14, "low": 13, "close": 13},
    ]


def test_every_module_loads_by_itself(ask: Ask) -> None:
    alone = {"main.js", "theme_first.js"}  # these begin something at once
    for path in sorted((PAGES / "js").rglob("*.js")):
        name = path.relative_to(PAGES / "js").as_posix()
        if name not in alone:
            assert ask(name, "return Object.keys(m).length;") > 0, name


def test_a_wish_keeps_its_key_until_it_was_answered(ask: Ask) -> None:
    script = """
    const keys = []; const answers = [null, null, 409, 202, 202];
    window.fetch = async (_address, options) => {
      keys.push(options.headers["Idempotency-Key"]);
      const status = answers.shift();
      if (status === null) throw new TypeError("offline");
      return new Response(JSON.stringify({ success: status < 400, error: { code: "x", message: "no" } }), { status });
    };
    const wish = new m.Wish();
    for (const percent of [50, 50, 50, 50, 25]) await wish.send("POST", "/x", { percent }).catch(() => null);
    return keys;"""
    first, again, refused, fresh, other = ask("api.js", script)
    assert first == again == refused
    assert len({first, fresh, other}) == 3


@pytest.mark.parametrize(
    ("value", "tone"), [("-0.004", ""), ("0.005", "gain"), ("-0.01", "loss"), ("0", ""), (None, "")]
)
def test_what_is_shown_as_nought_has_no_colour(ask: Ask, value: str | None, tone: str) -> None:
    assert ask("format.js", "return m.tone(a);", value) == tone


@pytest.mark.parametrize(
    ("symbol", "names"), [("BTCUSDT", ["BTC", "USDT"]), ("1000PEPEUSDC", ["1000PEPE", "USDC"]), ("X", ["X", ""])]
)
def test_a_quantity_is_named_by_its_coin_and_a_result_by_its_currency(ask: Ask, symbol: str, names: list[str]) -> None:
    assert ask("format.js", "return [m.coin(a), m.currency(a)];", symbol) == names


def test_equity_is_the_wallet_and_what_the_shown_positions_make(ask: Ask) -> None:
    script = """
      const store = await import("/assets/js/store.js");
      const position = (account, pnl) => ({ account_id: account, unrealised_pnl: pnl });
      const balance = { account_id: "mine", wallet: "990.5", unrealised: "7", currency: "USDT" };
      const seen = (positions) => { store.put({ balance, positions }); return m.presentMoney(); };
      store.put({ dayStart: { day: "2026-01-01", equity: 1000 } });
      return [seen(null), seen([position("mine", "-3.5"), position("other", "50")]), seen([position("mine", null)])]
        .map((each) => [each.equity, each.unrealised, each.change]);"""
    assert ask("live.js", script) == [[997.5, 7, -2.5], [987, -3.5, -13], [997.5, 7, -2.5]]


def test_the_stream_connects_at_once_when_the_api_answers_again(ask: Ask) -> None:
    script = """
      const [api, store] = [await import("/assets/js/api.js"), await import("/assets/js/store.js")];
      const made = [];
      window.WebSocket = class extends EventTarget {
        static CONNECTING = 0;
        constructor() { super(); this.readyState = 0; made.push(this); }
        close() {}
        fail() { this.readyState = 3; this.dispatchEvent(Object.assign(new Event("close"), { code: 1006 })); }
      };
      api.useToken("x");
      m.begin(() => {});
      made.at(-1).fail();
      const before = made.length;
      store.put({ reachable: false });
      await null;
      store.put({ reachable: true });
      await null;
      const after = made.length;
      m.end();
      return [before, after];"""
    assert ask("stream.js", script) == [1, 2]
