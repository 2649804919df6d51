"""The candle store: what goes in comes out, whatever is stored twice, broken off or written at the same time."""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analysis.candles import Candles
from modules.candles import BadCandles, CandleStore, Problem, SeriesName, Upsert, parts, save_file
from modules.domain.errors import InvalidInput
from tests.fakes.candle_rest import MINUTE_MS, START_MS, walk

DAY_MS = 86_400_000
NAME = SeriesName("binance", "BTCUSDT", "15m")
SHARED = Path(__file__).resolve().parents[2] / "../shared/data/ohlcv"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its inode and time of change: equal snapshots mean that nothing was written."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.parquet")}


def with_close(candles: Candles, row: int, close: float) -> Candles:
    columns = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close", "volume")}
    columns["close"][row] = close
    columns["high"][row] = max(columns["high"][row], close)
    columns["low"][row] = min(columns["low"][row], close)
    return Candles.checked(candles.timestamp, **columns, timeframe_ms=candles.timeframe_ms, symbol=candles.symbol)


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    candles = walk(3_000, missing=0.01)
    store = CandleStore(tmp_path)
    assert store.upsert(NAME, candles) == Upsert(3_000, 0, 0)
    assert store.read(NAME).equals(candles)
    assert CandleStore(tmp_path).read(NAME).equals(candles)
    assert store.last_ms(NAME) == candles.timestamp[-1]
    assert store.first_ms(NAME) == candles.timestamp[0]


def test_storing_again_writes_nothing(tmp_path: Path) -> None:
    candles, store = walk(2_000), CandleStore(tmp_path)
    store.upsert(NAME, candles)
    before = snapshot(tmp_path)
    assert store.upsert(NAME, candles) == Upsert(0, 0, 2_000)
    assert store.upsert(NAME, candles[1_990:]) == Upsert(0, 0, 10)
    assert snapshot(tmp_path) == before


def test_a_restated_candle_replaces_the_old_one(tmp_path: Path) -> None:
    candles, store = walk(2_000), CandleStore(tmp_path)
    store.upsert(NAME, candles)
    restated = with_close(candles, 700, float(candles.high[700]) * 1.01)
    assert store.upsert(NAME, restated) == Upsert(0, 1, 1_999)
    assert store.read(NAME).equals(restated)


def test_a_new_candle_does_not_rewrite_the_past(tmp_path: Path) -> None:
    candles, store = walk(40_000), CandleStore(tmp_path)
    store.upsert(NAME, candles[:39_990])
    parts_before = snapshot(tmp_path)
    store.upsert(NAME, candles[39_990:39_991])
    store.upsert(NAME, candles[39_991:])
    changed = {path for path, mark in snapshot(tmp_path).items() if parts_before.get(path) != mark}
    assert [Path(path).name for path in changed] == ["tail.parquet"]
    assert store.read(NAME).equals(candles)


def test_parts_are_months_for_short_and_years_for_long_timeframes(tmp_path: Path) -> None:
    store = CandleStore(tmp_path, tail_rows=0)
    minutes = SeriesName("binance", "BTCUSDT", "1m")
    store.upsert(minutes, walk(30_000, timeframe_ms=MINUTE_MS))
    store.upsert(NAME, walk(6_000))
    assert [path.name for path in parts.part_files(tmp_path / "binance/BTCUSDT/1m")] == [
        "2023-11.parquet",
        "2023-12.parquet",
    ]
    assert [path.name for path in parts.part_files(tmp_path / "binance/BTCUSDT/15m")] == [
        "2023.parquet",
        "2024.parquet",
    ]


@pytest.mark.parametrize("tail_rows", [0, 10_000])
def test_spans_include_their_start_and_exclude_their_end(tmp_path: Path, tail_rows: int) -> None:
    candles, store = walk(6_000), CandleStore(tmp_path, tail_rows=tail_rows)
    store.upsert(NAME, candles)
    at = [int(stamp) for stamp in candles.timestamp]
    assert store.read(NAME, start_ms=at[10], end_ms=at[20]).equals(candles[10:20])
    assert store.read(NAME, start_ms=at[10] + 1).equals(candles[11:])
    assert store.read(NAME, end_ms=at[5_990]).equals(candles[:5_990])
    assert len(store.read(NAME, start_ms=at[-1] + 1)) == 0
    assert len(store.read(NAME, end_ms=at[0])) == 0


def test_nothing_stored_is_empty_and_leaves_no_folder(tmp_path: Path) -> None:
    store = CandleStore(tmp_path / "none")
    assert len(store.read(NAME)) == 0
    assert (store.first_ms(NAME), store.last_ms(NAME), store.summary(NAME)) == (None, None, None)
    assert (store.names(), store.gaps(NAME), store.verify(NAME)) == ([], [], [])
    assert store.upsert(NAME, walk(10)[:0]) == Upsert(0, 0, 0)
    assert not (tmp_path / "none").exists()


def test_the_list_tells_extent_and_holes(tmp_path: Path) -> None:
    candles, store = walk(100), CandleStore(tmp_path)
    store.upsert(NAME, candles[:50])
    store.upsert(NAME, candles[53:])
    other = SeriesName("bybit", "ETHUSDT", "1h")
    store.upsert(other, Candles.checked([START_MS], [1.0], [1.0], [1.0], [1.0], [0.0], timeframe_ms=3_600_000))
    (tmp_path / "binance" / "notes" / "1h").mkdir(parents=True)
    first, second = store.summaries()
    assert (first.name, first.rows, first.gaps, first.missing) == (NAME, 97, 1, 3)
    assert (first.first_ms, first.last_ms) == (candles.timestamp[0], candles.timestamp[-1])
    assert (second.name, second.rows, second.gaps) == (other, 1, 0)
    assert store.gaps(NAME) == [(int(candles.timestamp[50]), int(candles.timestamp[53]))]


@pytest.mark.parametrize(
    "name",
    [
        ("binance", "../../etc", "1h"),
        ("..", "BTCUSDT", "1h"),
        ("binance", "BTC/USDT", "1h"),
        ("binance", "A..B", "1h"),
        ("binance", "", "1h"),
        ("binance", "btcusdt", "1h"),
        ("binance", "BTCUSDT\n", "1h"),
        ("binance", "B" * 41, "1h"),
        ("BINANCE", "BTCUSDT", "1h"),
        ("binance", "BTCUSDT", "1 h"),
        ("binance", "BTCUSDT", "0m"),
        ("binance", "BTCUSDT", "1y"),
        ("binance", "BTCUSDT", "../1h"),
    ],
)
def test_odd_names_are_refused(name: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInput):
        SeriesName(*name)


def test_candles_of_another_kind_are_refused(tmp_path: Path) -> None:
    store, candles = CandleStore(tmp_path), walk(10)
    with pytest.raises(BadCandles, match="ETHUSDT"):
        store.upsert(SeriesName("binance", "ETHUSDT", "15m"), candles)
    with pytest.raises(BadCandles, match="900000 ms"):
        store.upsert(SeriesName("binance", "BTCUSDT", "1h"), candles)
    shifted = Candles.checked([START_MS + 1], [1.0], [1.0], [1.0], [1.0], [1.0], timeframe_ms=15 * MINUTE_MS)
    with pytest.raises(BadCandles, match="row 0 is off the grid"):
        store.upsert(NAME, shifted)
    unchecked = Candles(
        candles.timestamp, candles.open, candles.low, candles.high, candles.close, candles.volume, 900_000, "BTCUSDT"
    )
    with pytest.raises(BadCandles, match="high: row"):
        store.upsert(NAME, unchecked)
    assert store.names() == []


def test_bars_of_several_days_keep_the_grid_of_their_first(tmp_path: Path) -> None:
    store, name = CandleStore(tmp_path), SeriesName("binance", "BTCUSDT", "1w")
    bar = ([1.0], [1.0], [1.0], [1.0], [1.0])
    monday = 1_699_833_600_000
    store.upsert(name, Candles.checked([monday], *bar, timeframe_ms=7 * DAY_MS))
    store.upsert(name, Candles.checked([monday + 7 * DAY_MS], *bar, timeframe_ms=7 * DAY_MS))
    with pytest.raises(BadCandles, match="off the grid"):
        store.upsert(name, Candles.checked([monday + 15 * DAY_MS], *bar, timeframe_ms=7 * DAY_MS))
    assert len(store.read(name)) == 2


class Killed(Exception):
    """Stands for the end of the process."""


class Fuse:
    """Lets the store make so many steps to the disk, then breaks off, leaving a file half-written."""

    def __init__(self, steps: int, half_written: Path) -> None:
        self.left = steps
        self.half_written = half_written

    def fit(self, patched: pytest.MonkeyPatch) -> None:
        write, sync_folder = parts.write, parts.sync_folder
        patched.setattr(parts, "write", lambda path, table: self.burn() or write(path, table))
        patched.setattr(parts, "sync_folder", lambda folder: self.burn() or sync_folder(folder))

    def burn(self) -> None:
        if self.left == 0:
            self.half_written.write_bytes(b"half")
            raise Killed
        self.left -= 1


def test_a_writer_killed_at_any_point_loses_nothing_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move of a full tail into three parts is broken off at each of its steps in turn."""
    candles = walk(60_000, timeframe_ms=MINUTE_MS)
    name = SeriesName("binance", "BTCUSDT", "1m")
    acknowledged, rest = candles[20_000:20_500], candles[500:]
    ends = set()
    for step in range(8):
        store = CandleStore(tmp_path / str(step), tail_rows=1_000)
        store.upsert(name, acknowledged)
        folder = tmp_path / str(step) / "binance/BTCUSDT/1m"
        with monkeypatch.context() as patched:
            Fuse(step, folder / ".2023-11.parquet.1.partial").fit(patched)
            try:
                store.upsert(name, rest)
                ends.add("done")
            except Killed:
                ends.add("killed")
        kept = store.read(name)
        where = np.searchsorted(kept.timestamp, acknowledged.timestamp)
        np.testing.assert_array_equal(kept.close[where], acknowledged.close)
        assert {one.problem for one in store.verify(name)} <= {Problem.GAP}
        store.upsert(name, candles)
        assert store.read(name).equals(candles)
        assert not list(folder.glob("*.partial"))
    assert ends == {"done", "killed"}


def test_threads_writing_one_history_wait_for_each_other(tmp_path: Path) -> None:
    candles, store = walk(600), CandleStore(tmp_path, tail_rows=40)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda first: store.upsert(NAME, candles[first : first + 30]), range(0, 600, 15)))
    assert sum(one.inserted for one in results) == 600
    assert store.read(NAME).equals(candles)


def _store_every(root: str, first: int, step: int) -> None:
    candles, store = walk(240), CandleStore(root, tail_rows=16)
    for row in range(first, 240, step):
        store.upsert(NAME, candles[row : row + 1])


@pytest.mark.processes
def test_processes_writing_one_history_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_store_every, args=(str(tmp_path), first, 3)) for first in range(3)]
    for writer in writers:
        writer.start()
    store = CandleStore(tmp_path, tail_rows=16)
    seen = 0
    while any(writer.is_alive() for writer in writers):
        rows = len(store.read(NAME))  # a reader always meets whole files, and never fewer rows than before
        assert rows >= seen
        seen = rows
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert store.read(NAME).equals(walk(240))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_sequence_of_upserts_gives_the_last_value_of_each_bar(data: st.DataObject) -> None:
    versions = [walk(60, seed) for seed in range(3)]
    expected: dict[int, tuple[float, ...]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = CandleStore(folder, tail_rows=data.draw(st.integers(0, 20)))
        for _ in range(data.draw(st.integers(1, 8))):
            first = data.draw(st.integers(0, 59))
            chosen = data.draw(st.sampled_from(versions))[first : first + data.draw(st.integers(1, 25))]
            told = store.upsert(NAME, chosen)
            new = same = 0
            for bar in (chosen[row] for row in range(len(chosen))):
                values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
                new += bar.timestamp not in expected
                same += expected.get(bar.timestamp) == values
                expected[bar.timestamp] = values
            assert told == Upsert(new, len(chosen) - new - same, same)
        kept = store.read(NAME)
        bars = [kept[row] for row in range(len(kept))]
    assert {bar.timestamp: (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars} == expected


def test_a_damaged_file_is_said_and_the_rest_still_verified(tmp_path: Path) -> None:
    store = CandleStore(tmp_path, tail_rows=0)
    store.upsert(NAME, walk(6_000))
    damaged = tmp_path / "binance/BTCUSDT/15m/2023.parquet"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(bytes(content))
    with pytest.raises(BadCandles, match=r"2023\.parquet"):
        store.read(NAME)
    found = store.verify(NAME)
    assert [one.problem for one in found] == [Problem.UNREADABLE]
    damaged.write_bytes(b"not parquet at all")
    with pytest.raises(BadCandles, match=r"2023\.parquet"):
        store.first_ms(NAME)


def test_a_foreign_file_in_a_history_is_said(tmp_path: Path) -> None:
    store = CandleStore(tmp_path, tail_rows=0)
    store.upsert(NAME, walk(10))
    save_file(walk(10), tmp_path / "binance/BTCUSDT/15m/copy.parquet")
    with pytest.raises(BadCandles, match=r"copy\.parquet"):
        store.read(NAME)


def test_rows_spoiled_behind_the_store_are_found(tmp_path: Path) -> None:
    store = CandleStore(tmp_path, tail_rows=0)
    store.upsert(NAME, walk(100))
    part = tmp_path / "binance/BTCUSDT/15m/2023.parquet"
    table = pq.read_table(part)
    pq.write_table(table.take([0, 1, 1, *range(2, 100)]), part)
    assert [(one.problem, one.row) for one in store.verify(NAME)] == [(Problem.DUPLICATE, 2)]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_are_imported_under_the_name_they_have(tmp_path: Path, suffix: str) -> None:
    candles, store = walk(50), CandleStore(tmp_path / "store")
    file = tmp_path / f"BTCUSDT-BINANCE-15m{suffix}"
    save_file(candles, file)
    assert store.import_file(file) == (NAME, Upsert(50, 0, 0))
    assert store.import_file(file, "binance") == (NAME, Upsert(0, 0, 50))
    assert store.read(NAME).equals(candles)
    plain = tmp_path / f"BTCUSDT-15m{suffix}"
    save_file(candles, plain)
    with pytest.raises(BadCandles, match="which exchange"):
        store.import_file(plain)
    odd = tmp_path / f"export{suffix}"
    save_file(candles, odd)
    with pytest.raises(BadCandles, match="which timeframe"):
        store.import_file(odd, "kraken", symbol="BTCUSDT")
    name, _ = store.import_file(odd, "kraken", symbol="BTCUSDT", timeframe="15m")
    assert name == SeriesName("kraken", "BTCUSDT", "15m")


@pytest.mark.shared
def test_recorded_candles_have_the_holes_they_are_known_for(tmp_path: Path) -> None:
    file = SHARED / "BTCUSDT-1h.parquet"
    if not file.exists():
        pytest.skip("the recorded candles are not beside the project")
    store = CandleStore(tmp_path)
    name, stored = store.import_file(file, "binance")
    summary = store.summary(name)
    assert summary is not None
    assert (stored.inserted, summary.rows, summary.gaps, summary.missing) == (72_862, 72_862, 27, 122)
    found = store.verify(name)
    assert sum(one.problem is Problem.ZERO_VOLUME for one in found) == 3
    assert not any(one.problem.is_error for one in found)
