"""Candle files: what their names and times mean, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modules.candles import BadCandles, load_file, parse_file_name, save_file, timeframe_ms, timeframe_name
from modules.candles.files import FileName
from tests.fakes.candle_rest import walk

HOUR_MS = 3_600_000
FIRST_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
BARS = "1,3,0.5,2,10"


def csv(folder: Path, times: list[str], header: str = "timestamp,open,high,low,close,volume", name: str = "") -> Path:
    file = folder / (name or "BTCUSDT-1h.csv")
    file.write_text("\n".join([header, *(f"{time},{BARS}" for time in times)]) + "\n")
    return file


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("BTCUSDT-1h.parquet", FileName("BTCUSDT", None, "1h")),
        ("BTCUSD-BITFINEX-1m.parquet", FileName("BTCUSD", "bitfinex", "1m")),
        ("BTCUSDT-BYBIT-5m.parquet", FileName("BTCUSDT", "bybit", "5m")),
        ("BTCUSDT-1m-2024-08.parquet", FileName("BTCUSDT", None, "1m")),
        ("btcusdt-15m.csv.gz", FileName("BTCUSDT", None, "15m")),
        ("1000PEPEUSDT-4h.csv", FileName("1000PEPEUSDT", None, "4h")),
        ("BTCUSDT-1hour.csv", None),
        ("BTCUSDT.csv", None),
        ("BTCUSDT-0h.csv", None),
        ("-1h.csv", None),
    ],
)
def test_names_say_symbol_venue_and_timeframe(name: str, said: FileName | None) -> None:
    assert parse_file_name(Path(name)) == said


@pytest.mark.parametrize(
    ("name", "length"), [("1m", 60_000), ("15m", 900_000), ("4h", 14_400_000), ("1d", 86_400_000), ("1w", 604_800_000)]
)
def test_timeframes_have_one_name(name: str, length: int) -> None:
    assert timeframe_ms(name) == length
    assert timeframe_name(length) == name
    assert timeframe_name(7 * 60_000) == "7m"
    for wrong in (0, -60_000, 1_500):
        with pytest.raises(BadCandles):
            timeframe_name(wrong)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_is_saved_is_loaded(tmp_path: Path, suffix: str) -> None:
    candles = walk(200, missing=0.1)
    save_file(candles, tmp_path / f"BTCUSDT-15m{suffix}")
    assert load_file(tmp_path / f"BTCUSDT-15m{suffix}").equals(candles)
    with pytest.raises(BadCandles, match="only"):
        save_file(candles, tmp_path / "BTCUSDT-15m.json")


@pytest.mark.parametrize(
    "times",
    [
        ["1704067200000", "1704070800000"],
        ["1704067200", "1704070800"],
        ["1704067200.0", "1704070800.0"],
        ["1704067200000000", "1704070800000000"],
        ["1704067200000000000", "1704070800000000000"],
        ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"],
        ["2024-01-01 00:00:00+00:00", "2024-01-01 01:00:00+00:00"],
        ["2024-01-01T02:00:00+02:00", "2024-01-01T03:00:00+02:00"],
        ["2024-01-01 00:00:00 UTC", "2024-01-01 01:00:00 UTC"],
    ],
)
def test_times_that_can_mean_one_thing_only_are_read(tmp_path: Path, times: list[str]) -> None:
    candles = load_file(csv(tmp_path, times))
    assert candles.timestamp.tolist() == [FIRST_MS, FIRST_MS + HOUR_MS]
    assert (candles.symbol, candles.timeframe_ms) == ("BTCUSDT", HOUR_MS)
    assert candles[0].high == 3.0


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2024-01-01 00:00:00", "2024-01-01 01:00:00"], "row 0 has no time zone"),
        (["2024-01-01T00:00:00Z", "2024-01-01T01:00:00"], "row 1 has no time zone"),
        (["01/02/2024", "02/02/2024"], "row 0 is not a time"),
        (["7200", "10800"], "can't tell the unit"),
        (["1704067200", "1704070800000"], "can't tell the unit"),
        (["1704067200000", "soon"], "timestamp"),
        (["1704067200000", ""], "row 1 is empty"),
        (["1704067200.0001", "1704070800.0"], "not a whole millisecond"),
        (["1704067200000", "1704067200000"], "row 1 repeats"),
        (["1704070800000", "1704067200000"], "row 1 goes back"),
        (["1704067200000", "1704067260000"], "row 1 is off the grid"),
    ],
)
def test_times_that_are_not_certain_are_refused(tmp_path: Path, times: list[str], said: str) -> None:
    with pytest.raises(BadCandles, match=said) as refusal:
        load_file(csv(tmp_path, times))
    assert "BTCUSDT-1h.csv" in str(refusal.value)
    assert isinstance(refusal.value, ValueError)


def test_the_reader_can_say_what_the_times_mean(tmp_path: Path) -> None:
    naive = csv(tmp_path, ["2024-01-01 00:00:00", "2024-01-01 01:00:00"])
    assert load_file(naive, times="utc").timestamp[0] == FIRST_MS
    small = csv(tmp_path, ["7200", "10800"])
    assert load_file(small, times="s").timestamp.tolist() == [7_200_000, 10_800_000]
    with pytest.raises(BadCandles, match="none of"):
        load_file(small, times="local")


def test_a_step_of_one_timeframe_settles_small_numbers(tmp_path: Path) -> None:
    assert load_file(csv(tmp_path, ["0", "3600000", "7200000"])).timestamp.tolist() == [0, HOUR_MS, 2 * HOUR_MS]


@pytest.mark.parametrize(
    "header",
    [
        "Time,Open,High,Low,Close,Volume",
        "date,open,high,low,close,vol",
        "timestamp, open, high, low, close, volume",
        "timestamp;open;high;low;close;volume",
    ],
)
def test_common_headers_are_understood(tmp_path: Path, header: str) -> None:
    file = csv(tmp_path, ["1704067200000"], header)
    if ";" in header:
        file.write_text(file.read_text().replace(",", ";"))
    assert load_file(file)[0].close == 2.0


def test_further_columns_are_passed_over_and_the_order_is_free(tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT-1h.csv"
    file.write_text("volume,trades,low,high,close,open,note,timestamp\n10,5,0.5,3,2,1,x,1704067200000\n")
    bar = load_file(file)[0]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (1.0, 3.0, 0.5, 2.0, 10.0)


def test_compressed_files_and_byte_marks_are_read(tmp_path: Path) -> None:
    text = csv(tmp_path, ["1704067200000"]).read_text()
    packed = tmp_path / "BTCUSDT-1h.csv.gz"
    packed.write_bytes(gzip.compress(("\ufeff" + text).encode()))
    assert len(load_file(packed)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,open,high,low,close\n1704067200000,1,3,0.5,2\n", "no column named volume"),
        ("timestamp,time,open,high,low,close,volume\n1,1,1,3,0.5,2,1\n", "2 columns named timestamp"),
        ("1704067200000,1,3,0.5,2,10\n", "no column named timestamp"),
        ("timestamp,open,high,low,close,volume\n1704067200000,1,3,0.5,two,10\n", "can't be read"),
        ("timestamp,open,high,low,close,volume\n1704067200000,1,3,0.5,,10\n", "close: row 0 is not a finite number"),
        ("timestamp,open,high,low,close,volume\n1704067200000,1,3,4,2,10\n", "row 0"),
        ("", "can't be read"),
    ],
)
def test_files_that_are_no_candles_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "BTCUSDT-1h.csv"
    file.write_text(text)
    with pytest.raises(BadCandles, match=said):
        load_file(file)


def test_missing_files_and_odd_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCandles, match="no such file"):
        load_file(tmp_path / "BTCUSDT-1h.csv")
    with pytest.raises(BadCandles, match="no such file"):
        load_file(tmp_path / "BTCUSDT-1h.parquet")
    with pytest.raises(BadCandles, match="neither"):
        load_file(tmp_path / "BTCUSDT-1h.json")
    (tmp_path / "BTCUSDT-1h.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(BadCandles, match="can't be read"):
        load_file(tmp_path / "BTCUSDT-1h.parquet")
    (tmp_path / "export.csv").write_text("x")
    with pytest.raises(BadCandles, match="which timeframe"):
        load_file(tmp_path / "export.csv", symbol="BTCUSDT")


def test_parquet_times_with_a_zone_are_read_and_without_one_questioned(tmp_path: Path) -> None:
    bars = {name: [1.0] for name in ("open", "high", "low", "close", "volume")}
    zoned = pa.array([FIRST_MS * 1_000], pa.timestamp("us", tz="Europe/Berlin"))
    naive = pa.array([FIRST_MS], pa.timestamp("ms"))
    days = pa.array([FIRST_MS // 86_400_000], pa.date32())
    file = tmp_path / "BTCUSDT-1d.parquet"
    pq.write_table(pa.table({"timestamp": zoned, **bars}), file)
    assert load_file(file).timestamp.tolist() == [FIRST_MS]
    for column in (naive, days):
        pq.write_table(pa.table({"timestamp": column, **bars}), file)
        with pytest.raises(BadCandles, match="no time zone"):
            load_file(file)
        assert load_file(file, times="utc").timestamp.tolist() == [FIRST_MS]
    pq.write_table(pa.table({"timestamp": pa.array([True]), **bars}), file)
    with pytest.raises(BadCandles, match="neither a number nor a time"):
        load_file(file)
    pq.write_table(pa.table({"timestamp": naive, **bars, "open": pa.array(["a"])}), file)
    with pytest.raises(BadCandles, match="open"):
        load_file(file, times="utc")
