"""The page and the picture of a backtest: complete, self-contained, and harmless whatever a name says."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from modules.backtesting import portfolio
from modules.backtesting.assumptions import Assumptions
from modules.backtesting.documents import result_document
from modules.backtesting.engine import run
from modules.backtesting.robustness.monte_carlo import Simulation, simulate
from modules.backtesting.robustness.search import heat_map, luck, search
from modules.backtesting.robustness.space import grid, read_space
from modules.backtesting.robustness.walk_forward import Walk, walk_forward
from modules.backtesting.statistics import MEANINGS
from modules.notices.backtests.canvas import Frame, round_ticks, short_number, spread_out, wide
from modules.notices.backtests.drawings import MOST_CANDLES, chosen, merged
from modules.notices.backtests.page import page, report
from modules.notices.backtests.picture import picture
from modules.strategies.decisions import Decisions
from tests.load.backtest_peers import RULES, cross, generated
from tests.unit.test_backtest_search import SUBJECT

HOUR = 3_600_000
EVIL = "<script>alert(1)</script>\"'&$x$"
VOID = {"meta", "input"}


class Reader(HTMLParser):
    """Tags, their nesting and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def result():
    candles = generated(3_000, HOUR, seed=4, symbol=EVIL)
    return run(candles, cross(candles), RULES, Assumptions())


def test_the_page_shows_everything_and_asks_for_nothing(result):
    html = report(result, {"name": EVIL})
    read = Reader(html)
    words = " ".join(read.words)
    for title in (
        "Before you believe it", "Equity and drawdown", "Trades on candles", "Monthly returns", "Assumptions",
        "Distribution of trade returns", "Where it comes from", "All figures", "order of events", result.data_hash,
        *(meaning for meaning in MEANINGS.values()),
    ):  # fmt: skip
        assert title in words, title
    assert EVIL in words and not [tag for tag, _ in read.tags if tag in ("script", "img", "iframe", "link", "object")]
    assert not [
        name for _, attributes in read.tags for name in attributes if name.startswith("on") or name in ("src", "href")
    ]
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html
    assert len(
        [1 for tag, attributes in read.tags if tag == "g" and attributes.get("class") in ("won", "lost")]
    ) == len(result.trades)
    assert not re.search(r"\b(nan|inf)\b", html.lower())


def test_tests_of_luck_are_shown_with_the_page(result):
    candles = generated(1_600, HOUR, seed=4)
    sets = grid(read_space({"fast": [5, 10], "slow": [30, 50]}))
    document = result_document(result, "plain", tables=True)
    found = search(SUBJECT, candles, sets)
    document["monte_carlo"] = simulate(result, Simulation(runs=50)).document()
    document["walk_forward"] = walk_forward(SUBJECT, candles, sets, Walk(800, 400)).document()
    document["search"] = {
        **found.document(),
        "heat_map": heat_map(found, "fast", "slow"),
        "luck": luck(SUBJECT, candles, found),
    }
    words = " ".join(Reader(page(document, result.markets)).words)
    for told in ("50 runs", "Efficiency", "4 sets tried", "slow by fast", "deflated Sharpe", "backtest overfitting"):
        assert told in words, told


def test_a_run_of_nothing_and_a_portfolio_have_their_page_too():
    candles = generated(40, HOUR)
    nothing = Decisions(np.zeros(40, np.int8), np.zeros(40, bool), np.zeros(40, bool))
    assert "All figures" in report(run(candles, nothing, RULES), "idle")
    empty = run(
        candles[:0],
        Decisions(*(column[:0] for column in (nothing.entry, nothing.exit_long, nothing.exit_short))),
        RULES,
    )
    assert "no candles" in report(empty, "empty")
    markets = [portfolio.Market(c, cross(c)) for c in (generated(900, HOUR, seed=n, symbol=f"S{n}") for n in (1, 2))]
    both = " ".join(Reader(report(portfolio.run(markets, RULES), "both")).words)
    assert "by symbol" in both and "S1" in both and "S2" in both


def test_the_picture_is_a_png_of_its_size(result):
    from PIL import Image

    image = Image.open(io.BytesIO(picture(result, {"name": EVIL})))
    assert (image.format, image.size) == ("PNG", (1_000, 700))
    assert len(image.convert("RGB").getcolors(1 << 20) or []) > 50
    with pytest.raises(ValueError, match="two bars"):
        picture(
            run(generated(1, HOUR), Decisions(np.zeros(1, np.int8), np.zeros(1, bool), np.zeros(1, bool)), RULES), "x"
        )


def test_many_candles_become_few_and_keep_their_extremes():
    candles = generated(10_007, HOUR)
    rows, size = merged(candles)
    assert size == 32 and len(rows) <= MOST_CANDLES
    assert rows[:, 2].max() == candles.high.max() and rows[:, 3].min() == candles.low.min()
    assert rows[0, 1] == candles.open[0] and rows[-1, 4] == candles.close[-1]
    assert [t["n"] for t in chosen([{"n": n} for n in range(1_000)], 5)] == [0, 249, 499, 749, 999]


def test_ticks_are_round_and_scales_keep_their_order():
    assert round_ticks(0.0, 10.0) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert round_ticks(-0.031, 0.052, 4) == pytest.approx([-0.025, 0.0, 0.025, 0.05])
    assert round_ticks(5.0, 5.0) == [5.0]
    assert [short_number(v) for v in (0.000123, 12_500.0, 3.2e6, 7.0, 1.5e13)] == [
        "0.000123",
        "12.5k",
        "3.2M",
        "7",
        "15T",
    ]
    assert spread_out([]) == pytest.approx((-0.05, 1.05)) and spread_out([3.0, 3.0])[0] < 3.0
    assert wide(1.0, 100.0) and not wide(0.0, 100.0) and not wide(50.0, 100.0)
    by_factors = Frame(0, 0, 100, 90, 0, 1, 10.0, 10_000.0, by_factors=True)
    assert [by_factors.y(v) for v in (10_000.0, 1_000.0, 100.0, 10.0, 0.0)] == pytest.approx([0, 30, 60, 90, 90])
    assert [tick for tick, _ in by_factors.ticks()] == pytest.approx([10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4])
    assert by_factors.x(0.25) == 25.0
