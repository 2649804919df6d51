"""Recorded opinions in CSV files: daily fear & greed, headlines, hourly exchange flows.

A file says its times in UTC. A row that can't be read is refused with its number; nothing is guessed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from modules.domain.errors import InvalidInput
from modules.domain.market import ms_from_utc
from modules.opinions.records import ExchangeFlow, FearGreed, Headline, Opinion

Row = Mapping[str, str]


def load_opinions(path: Path, source: str | None = None) -> list[Opinion]:
    """All rows of a file, by its columns; `source` names it where the rows don't (else the file's own name).

    Raises InvalidInput for a file that can't be read, has none of the three sets of columns, or has a bad row.
    """
    named = source or path.stem
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            read = _reader(path, reader.fieldnames or [])
            return [_row(path, number, row, named, read) for number, row in _numbered(reader)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path.name}: can't be read: {error}") from error


def _numbered(reader: csv.DictReader[str]) -> Iterator[tuple[int, Row]]:
    for row in reader:
        yield reader.line_num, row


def _reader(path: Path, names: object) -> Callable[[Row, str], Opinion]:
    columns = set(names) if isinstance(names, list | tuple) else set()
    if {"date", "value"} <= columns:
        return _fear_greed
    if {"published_at", "title"} <= columns:
        return _headline
    if {"hour_utc", "asset", "exchange_to_wallet_usd", "wallet_to_exchange_usd"} <= columns:
        return _flow
    raise InvalidInput(
        f"{path.name}: needs the columns date, value, or published_at, title, or hour_utc, asset, "
        "exchange_to_wallet_usd, wallet_to_exchange_usd"
    )


def _row(path: Path, number: int, row: Row, source: str, read: Callable[[Row, str], Opinion]) -> Opinion:
    try:
        return read(row, source)
    except (ValueError, TypeError, InvalidInput) as error:
        raise InvalidInput(f"{path.name}: line {number}: {error}") from error


def _fear_greed(row: Row, source: str) -> FearGreed:
    return FearGreed(_utc_ms(row["date"]), int(row["value"]), source)


def _headline(row: Row, source: str) -> Headline:
    url = row.get("url") or ""
    return Headline(_utc_ms(row["published_at"]), row["title"].strip(), row.get("source") or source, url)


def _flow(row: Row, source: str) -> ExchangeFlow:
    return ExchangeFlow(
        at_ms=_utc_ms(row["hour_utc"]),
        asset=row["asset"].strip().upper(),
        to_exchange_usd=float(row["wallet_to_exchange_usd"]),
        from_exchange_usd=float(row["exchange_to_wallet_usd"]),
        source=source,
    )


def _utc_ms(text: str) -> int:
    moment = datetime.fromisoformat(text.strip())
    return ms_from_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
