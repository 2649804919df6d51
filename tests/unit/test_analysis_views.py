"""One history out of many files, as of a moment; files that people hand in; structure as an answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.analysis.structure import Structure, analyse
from modules.analysis_views import candles_of_file, normalised, read_history, stored_symbols
from modules.analysis_views.files import object_lines, objects_of
from modules.analysis_views.structure import structure_answer
from modules.candles import BadCandles, CandleStore, SeriesName, resample, save_file
from modules.domain.errors import InvalidInput, NotFound
from modules.notices.analysis_charts import Shape, analysis_chart, chart_json, structure_shapes, visible
from tests.fakes.candle_rest import START_MS, walk

MINUTE, HOUR = 60_000, 3_600_000


def minutes(count: int, start_ms: int = START_MS) -> Candles:
    return walk(count, 8, timeframe_ms=MINUTE, tick=0.01, start_ms=start_ms)


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "candles")


def put(store: CandleStore, candles: Candles, timeframe: str, exchange: str = "binance") -> None:
    store.upsert(SeriesName(exchange, "BTCUSDT", timeframe), candles)


def test_hours_once_imported_go_on_with_the_minutes_kept_live(store: CandleStore) -> None:
    whole = minutes(600)
    hours = resample(whole, HOUR).candles
    put(store, hours[:6], "1h")
    put(store, whole[300:], "1m")
    found = read_history(store, "btcusdt", "1h", START_MS + 10 * HOUR)
    assert found.exchange == "binance"
    assert found.candles.equals(hours)
    assert found.closed_ms == START_MS + 10 * HOUR


def test_a_bar_counts_only_once_it_is_closed(store: CandleStore) -> None:
    put(store, minutes(600), "1m")
    late = read_history(store, "BTCUSDT", "1h", START_MS + 5 * HOUR - 1)
    assert len(late.candles) == 4
    assert len(read_history(store, "BTCUSDT", "1h", START_MS + 5 * HOUR).candles) == 5


@settings(max_examples=20, deadline=None)
@given(minute=st.integers(61, 599))
def test_what_comes_later_changes_no_history(tmp_path_factory: pytest.TempPathFactory, minute: int) -> None:
    whole, at = minutes(600), START_MS + minute * MINUTE
    before, after = (CandleStore(tmp_path_factory.mktemp("candles")) for _ in range(2))
    put(before, whole.closed_by(at), "1m")
    put(after, whole, "1m")
    then, now = (read_history(each, "BTCUSDT", "1h", at).candles for each in (before, after))
    assert then.equals(now)


def test_of_two_exchanges_the_newer_with_enough_bars_counts(store: CandleStore) -> None:
    hours = walk(300, 2, timeframe_ms=HOUR, tick=0.01)
    put(store, hours[:250], "1h", "old")
    put(store, hours[280:], "1h", "short")
    assert read_history(store, "BTCUSDT", "1h", START_MS + 300 * HOUR).exchange == "old"
    put(store, hours[20:], "1h", "short")
    assert read_history(store, "BTCUSDT", "1h", START_MS + 300 * HOUR).exchange == "short"
    assert read_history(store, "BTCUSDT", "1h", START_MS + 300 * HOUR, exchange="old").exchange == "old"


def test_only_so_many_bars_are_read(store: CandleStore) -> None:
    hours = walk(300, 2, timeframe_ms=HOUR, tick=0.01)
    put(store, hours, "1h")
    assert read_history(store, "BTCUSDT", "1h", START_MS + 300 * HOUR, bars=50).candles.equals(hours[250:])


def test_what_is_not_there_is_said(store: CandleStore) -> None:
    put(store, walk(30, 2, timeframe_ms=HOUR, tick=0.01), "1h")
    with pytest.raises(NotFound, match="ETHUSDT"):
        read_history(store, "ETHUSDT", "1h", START_MS)
    with pytest.raises(NotFound, match="15m"):
        read_history(store, "BTCUSDT", "15m", START_MS)
    with pytest.raises(NotFound, match="closed recently before"):
        read_history(store, "BTCUSDT", "1h", START_MS)
    with pytest.raises(BadCandles, match="timeframe"):
        read_history(store, "BTCUSDT", "soon", START_MS)
    with pytest.raises(BadCandles, match="symbol"):
        read_history(store, "../..", "1h", START_MS)
    assert stored_symbols(store, "4h") == ["BTCUSDT"]
    assert stored_symbols(store, "30m") == []


def test_a_file_is_cut_after_the_bar_named(tmp_path: Path) -> None:
    hours = walk(40, 2, timeframe_ms=HOUR, tick=0.01)
    path = tmp_path / "BTCUSDT-1h.csv"
    save_file(hours, path)
    assert candles_of_file(path, at_ms=START_MS + 9 * HOUR).equals(hours[:10])
    assert candles_of_file(path, at_ms=START_MS + 10 * HOUR - 1).equals(hours[:10])
    assert candles_of_file(path).equals(hours)
    with pytest.raises(BadCandles, match="no candle by that time"):
        candles_of_file(path, at_ms=START_MS - 1)


def test_a_file_whose_name_says_nothing_tells_its_timeframe_by_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    save_file(walk(40, 2, timeframe_ms=HOUR, tick=0.01, missing=0.2), path)
    found = candles_of_file(path)
    assert (found.symbol, found.timeframe_ms) == ("MINE", HOUR)
    save_file(walk(1, 2), path)
    with pytest.raises(BadCandles, match="one candle does not tell"):
        candles_of_file(path)


def test_the_objects_of_a_prefix_are_those_known_by_then() -> None:
    """As of every 40th bar: the same objects, with no fate that came later."""
    candles = walk(500, 6, timeframe_ms=HOUR, tick=0.01)
    whole = objects_of(candles)
    for end in range(100, 500, 40):
        last = int(candles.timestamp[end - 1])
        known = [row for row in whole if row["confirmed_at"] <= last]
        hidden = [
            row | {"invalidated_at": None if (row["invalidated_at"] or 0) > last else row["invalidated_at"]}
            for row in known
        ]
        assert objects_of(candles[:end]) == hidden
    assert set(whole[0]) == {"kind", "direction", "low", "high", "price", "formed_at", "confirmed_at", "invalidated_at"}
    assert len(object_lines(whole)) == len(whole)


def structured() -> tuple[Candles, Structure]:
    candles = walk(500, 6, timeframe_ms=HOUR, tick=0.01)
    return candles, analyse(candles)


def test_the_answer_tells_the_nearest_first_and_no_number_is_nan() -> None:
    candles, structure = structured()
    found = structure_answer(candles, structure)
    price = found["price"]
    for key in ("order_blocks", "fair_value_gaps"):
        distances = [max(row["low"] - price, price - row["high"], 0) for row in found[key]]
        assert distances == sorted(distances)
        assert all(row["invalidated_at"] is None for row in found[key])
    assert found["dealing_range"]["zone"] in ("premium", "discount", "equilibrium")
    early = structure_answer(candles[:1], analyse(candles[:1]))
    assert early["dealing_range"] is None
    assert early["atr"] is None
    assert early["trend"] == "none"


def test_shapes_in_a_picture_are_the_shapes_in_the_json() -> None:
    candles, structure = structured()
    shapes = structure_shapes(structure.objects())
    told = chart_json(candles, shapes)
    assert len(told["candles"]) == 160
    assert told["shapes"]
    assert len(told["shapes"]) == len(visible(shapes, candles[-160:])) <= 40
    start = told["candles"][0][0]
    for shape in told["shapes"]:
        assert any(at is None or at >= start for at, _ in shape["points"])
    picture = analysis_chart(candles, shapes, "BTCUSDT 1h")
    assert picture.startswith(b"\x89PNG")
    assert picture != analysis_chart(candles, [], "BTCUSDT 1h")


def test_far_and_past_shapes_are_left_out_and_an_empty_chart_is_refused() -> None:
    candles, _ = structured()
    price, last = float(candles.close[-1]), int(candles.timestamp[-1])
    near = Shape("level", "level", "near", 0, ((last, price), (None, price)))
    far = Shape("level", "level", "far", 0, ((last, price * 50), (None, price * 50)))
    past = Shape("path", "leg", "past", 1, ((0, price), (1, price)))
    assert visible([near, far, past], candles) == [near]
    with pytest.raises(InvalidInput):
        analysis_chart(candles[:0], [], "none")
    assert chart_json(candles[:0], [near])["shapes"] == []


@given(st.dictionaries(st.sampled_from(["smc", "sar", "news", "whales"]), st.floats(0, 1e300), min_size=1))
def test_normalised_weights_add_up_to_one_and_keep_their_ratios(given_: dict[str, float]) -> None:
    if max(given_.values()) == 0:
        with pytest.raises(InvalidInput):
            normalised(given_)
        return
    found = normalised(given_)
    assert sum(found.values()) == pytest.approx(1.0)
    largest = max(given_, key=lambda name: given_[name])
    for name, value in given_.items():
        assert found[name] == pytest.approx(found[largest] * (value / given_[largest]))
    assert np.isfinite(list(found.values())).all()
