"""The page and the picture of a finished test, made when they are asked for. The compiled parts are imported where they are used."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database import Store
from modules.backtest_jobs.results import KeptResult, ResultBook
from modules.domain.errors import Conflict, InvalidInput, Trouble

if TYPE_CHECKING:
    from modules.backtest_jobs.descriptions import Description
    from modules.backtest_jobs.histories import Material


class Redrawing:
    """Pages and pictures of the tests in `store`, over the candles in `data_dir`."""

    def __init__(self, store: Store, data_dir: Path) -> None:
        self._book = ResultBook(store)
        self._folder = data_dir / "candles"

    def page(self, user_id: str, result_id: str) -> str:
        """The HTML page of a test. Trades are drawn on candles while those it was made on are still stored."""
        from modules.backtest_jobs.running import data_hash
        from modules.notices.backtests.page import page

        kept, document = self._book.get(user_id, result_id), self._book.document(user_id, result_id)
        described = self._described(kept)
        try:
            material = self._material(described)
        except Trouble:  # the candles are gone; what was computed of them is kept
            return page(document)
        if data_hash(material) != document["data"]["hash"]:
            return page(document)
        return page(document, [each.counted for each in material.markets], _held(described, material))

    def picture(self, user_id: str, result_id: str) -> bytes:
        """The PNG of a test. Raises Conflict where the candles it was made on have changed since."""
        kept = self._book.get(user_id, result_id)
        drawn = self._book.picture(user_id, result_id)
        return base64.b64decode(drawn) if drawn is not None else self._drawn(kept, user_id)

    def _drawn(self, kept: KeptResult, user_id: str) -> bytes:
        from modules.backtest_jobs.descriptions import Kind
        from modules.backtest_jobs.running import carry_out, data_hash
        from modules.notices.backtests.picture import picture

        described, document = self._described(kept), self._book.document(user_id, kept.id)
        material = self._material(described)
        if data_hash(material) != document["data"]["hash"]:
            raise Conflict("The candles of this test have changed since; run it again.", code="candles_changed")
        outcome = carry_out(replace(described, kind=Kind.BACKTEST, checks=False), material)
        try:
            return picture(outcome.result, document["strategy"])
        except ValueError as problem:
            raise InvalidInput(str(problem)) from problem

    @staticmethod
    def _described(kept: KeptResult) -> Description:
        from modules.backtest_jobs.descriptions import read_description

        return read_description(kept.description)

    def _material(self, described: Description) -> Material:
        from modules.backtest_jobs.histories import from_store
        from modules.backtest_jobs.running import needs_of
        from modules.candles import CandleStore

        return from_store(needs_of(described), CandleStore(self._folder))


def _held(described: Description, material: Material) -> list[list[float]]:
    """The curve of buy and hold, thinned as an equity is."""
    from modules.backtest_jobs.running import held_curve

    return held_curve(described, material)


def trades_csv(document: Mapping[str, Any]) -> str:
    """The trades of a stored document as CSV, one row each."""
    import csv
    import io

    rows = document["trades"]
    names = list(rows[0]) if rows else ["symbol", "entry_time", "exit_time", "side", "pnl"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
