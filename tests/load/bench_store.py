"""The store beside raw SQLite (same table, same index, same durability) and TinyDB's JSON file, in one run.

"transaction" is an update, a journal entry and a cursor that commit together; TinyDB has nothing like it. Every figure is the median of single calls, in microseconds; the three take turns so that a noisy minute meets all of them. The
bars: at most three times raw SQLite, and flat from 1,000 to 100,000 documents.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import tinydb

from database import CollectionSpec, Index, Store, open_store, where
from tests.load.table import Row, render

SIZES = (1_000, 10_000, 100_000)
OPERATIONS = ("insert", "update by key", "get by key", "get by field", "search 10", "transaction")
_CALLS = {"ours": 400, "sqlite": 400, "tinydb": 7}
_ROUNDS = 5
_TINYDB_BUDGET_SECONDS = 1.5  # for one operation: at 100,000 documents a single call takes about one second

Call = Callable[[int], object]


def document(number: int) -> dict[str, Any]:
    """About 300 bytes, like a signal; ten documents share a group."""
    return {
        "id": f"s{number}", "symbol": f"SYM{number % 97}USDT", "group": f"g{number // 10}", "reference": f"r{number}",
        "status": "open" if number % 3 else "closed", "created_ms": 1_700_000_000_000 + number, "entry": "64000.1", "stop": "63000",
        "targets": [{"price": "65000", "share": "0.5"}, {"price": "66000", "share": "0.5"}], "note": "x" * 60,
    }  # fmt: skip


def _ours(store: Store, size: int) -> dict[str, Call]:
    signals = store["signals"]
    signals.insert_multiple(document(number) for number in range(size))

    def transaction(n: int) -> None:
        with store.transaction() as tx:
            tx["signals"].update({"status": f"t{n}"}, key=f"s{n * 7 % size}")
            tx.move_cursor("reader", tx.append("Changed", {"signal": n}, n))

    return {
        "transaction": transaction,
        "insert": lambda n: signals.insert(document(size + n)),
        "update by key": lambda n: signals.update({"status": f"w{n}"}, key=f"s{n * 7 % size}"),
        "get by key": lambda n: signals.get(key=f"s{n * 7 % size}"),
        "get by field": lambda n: signals.get(where("reference") == f"r{n * 7 % size}"),
        "search 10": lambda n: signals.search(where("group") == f"g{n * 7 % (size // 10)}"),
    }


def _raw(path: Path, size: int) -> tuple[dict[str, Call], sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA cache_size=-16000",
        "CREATE TABLE doc(row INTEGER PRIMARY KEY, key NOT NULL UNIQUE, revision INTEGER NOT NULL, body TEXT NOT NULL)",
        "CREATE TABLE journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, at_ms INTEGER, body TEXT)",
        "CREATE TABLE place(name TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID",
        """CREATE UNIQUE INDEX a ON doc(json_extract(body,'$."reference"'))""",
        """CREATE INDEX b ON doc(json_extract(body,'$."group"'))""",
    ):  # fmt: skip
        connection.execute(statement)
    insert = "INSERT INTO doc(key,revision,body) VALUES(?,1,?)"

    def body(number: int) -> tuple[str, str]:
        return f"s{number}", orjson.dumps(document(number)).decode()

    def read(sql: str, value: str) -> list[Any]:
        return [orjson.loads(text) for (text,) in connection.execute(sql, (value,)).fetchall()]

    connection.execute("BEGIN")
    connection.executemany(insert, map(body, range(size)))
    connection.execute("COMMIT")
    update = """UPDATE doc SET body=json_set(body,'$."status"',?),revision=revision+1 WHERE key=?"""
    by_key = "SELECT body FROM doc WHERE key=?"
    by_field = """SELECT body FROM doc WHERE json_extract(body,'$."reference"')=?"""
    by_group = """SELECT body FROM doc WHERE json_extract(body,'$."group"')=?"""

    def transaction(n: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(update, (f"t{n}", f"s{n * 7 % size}"))
        entry = (n, orjson.dumps({"signal": n}).decode())
        seq = connection.execute("INSERT INTO journal(kind,at_ms,body) VALUES('Changed',?,?)", entry).lastrowid
        connection.execute(
            "INSERT INTO place VALUES('reader',?) ON CONFLICT(name) DO UPDATE SET seq=excluded.seq", (seq,)
        )
        connection.execute("COMMIT")

    calls: dict[str, Call] = {
        "transaction": transaction,
        "insert": lambda n: connection.execute(insert, body(size + n)),
        "update by key": lambda n: connection.execute(update, (f"w{n}", f"s{n * 7 % size}")),
        "get by key": lambda n: read(by_key, f"s{n * 7 % size}"),
        "get by field": lambda n: read(by_field, f"r{n * 7 % size}"),
        "search 10": lambda n: read(by_group, f"g{n * 7 % (size // 10)}"),
    }
    return calls, connection


def _tinydb(path: Path, size: int) -> tuple[dict[str, Call], tinydb.TinyDB]:
    # Written at once in TinyDB's own format: filling it by TinyDB would take longer than all the rest.
    path.write_bytes(orjson.dumps({"_default": {str(number + 1): document(number) for number in range(size)}}))
    peer = tinydb.TinyDB(path)
    calls: dict[str, Call] = {
        "insert": lambda n: peer.insert(document(size + n)),
        "update by key": lambda n: peer.update({"status": f"w{n}"}, tinydb.where("id") == f"s{n * 7 % size}"),
        "get by key": lambda n: peer.get(tinydb.where("id") == f"s{n * 7 % size}"),
        "get by field": lambda n: peer.get(tinydb.where("reference") == f"r{n * 7 % size}"),
        "search 10": lambda n: peer.search(tinydb.where("group") == f"g{n * 7 % (size // 10)}"),
    }
    return calls, peer


def _timings_us(call: Call, numbers: range, budget_seconds: float = 1e9) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + budget_seconds
    for number in numbers:
        before = time.perf_counter()
        call(number)
        after = time.perf_counter()
        taken.append((after - before) * 1e6)
        if after > end:
            break
    return taken


def _measure(peers: dict[str, dict[str, Call]]) -> dict[tuple[str, str], float]:
    """The median of every (peer, operation); the peers take turns, several rounds each."""
    medians: dict[tuple[str, str], float] = {}
    for operation in OPERATIONS:
        taken: dict[str, list[float]] = {peer: [] for peer in peers}
        for turn in range(_ROUNDS):
            for peer, calls in peers.items():
                if operation not in calls:
                    continue
                if peer == "tinydb":
                    if turn == 0:
                        taken[peer] = _timings_us(calls[operation], range(_CALLS[peer]), _TINYDB_BUDGET_SECONDS)
                    continue
                each = _CALLS[peer] // _ROUNDS
                taken[peer] += _timings_us(calls[operation], range(turn * each, (turn + 1) * each))
        medians.update({(peer, operation): statistics.median(values) for peer, values in taken.items() if values})
    return medians


def _measure_size(folder: Path, size: int) -> dict[tuple[str, str], float]:
    specs = [CollectionSpec("signals", indexes=(Index(("reference",), unique=True), Index(("group",))))]
    with open_store(f"sqlite:///{folder}/ours-{size}.db", specs) as store:
        raw, connection = _raw(folder / f"raw-{size}.db", size)
        slow, peer = _tinydb(folder / f"tinydb-{size}.json", size)
        try:
            return _measure({"ours": _ours(store, size), "sqlite": raw, "tinydb": slow})
        finally:
            connection.close()
            peer.close()


def run() -> list[Row]:
    """Measure all sizes and return the table's rows."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {size: _measure_size(Path(folder), size) for size in SIZES}
    rows: list[Row] = []
    for operation in OPERATIONS:
        for size in SIZES:
            ours, raw, slow = (figures[size].get((peer, operation)) for peer in ("ours", "sqlite", "tinydb"))
            assert ours is not None
            assert raw is not None
            rows.append(Row("store", f"{operation}, {size:,} documents", ours, "us"))
            rows.append(
                Row("store", f"{operation}, {size:,}: ours / raw sqlite", ours / raw, "x", "<= 3", ours / raw <= 3)
            )
            if slow is not None:
                rows.append(Row("store", f"{operation}, {size:,}: tinydb file / ours", slow / ours, "x"))
        growth = figures[SIZES[-1]]["ours", operation] / figures[SIZES[0]]["ours", operation]
        peer_growth = figures[SIZES[-1]]["sqlite", operation] / figures[SIZES[0]]["sqlite", operation]
        bar = f"<= 1.5, or raw sqlite's own {peer_growth:.2f} + 20 %"
        rows.append(
            Row("store", f"{operation}: 100,000 / 1,000", growth, "x", bar, growth <= max(1.5, 1.2 * peer_growth))
        )
    return rows


if __name__ == "__main__":
    print(render(run()))
