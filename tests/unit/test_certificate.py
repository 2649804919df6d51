"""The certificate finds what it looks for: functions that repaint are counted, causal ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from modules.analysis.candles import Candles
from modules.analysis.detectors import DETECTORS
from modules.analysis.indicators import INDICATORS, NotEnoughData
from tests.load import certify as certificate
from tests.load.certify import Case, Series, certify, different, ends_of, render, replay, walk
from tests.load.certify_peer import peer_cases

CANDLES = walk(1, 240)
ENDS = [100, 101, 150, 239]


def centred_mean(candles: Candles) -> np.ndarray:
    """Reads one bar ahead, as a centred average does."""
    close = candles.close
    return np.array([close[max(0, i - 1) : i + 2].mean() for i in range(len(close))])


def test_a_function_that_reads_one_bar_ahead_is_found_at_every_end() -> None:
    count = replay(Case("x", "centred", run=centred_mean), CANDLES, ENDS)
    assert (count.prefixes, count.checked, count.rewritten) == (4, sum(ENDS), 4)


def test_a_function_normalised_by_the_whole_history_is_rewritten_everywhere() -> None:
    count = replay(Case("x", "scaled", run=lambda c: c.close / c.close.mean()), CANDLES, ENDS)
    assert count.rewritten == 239


def test_a_causal_function_is_not_found_and_a_short_history_is_no_offence() -> None:
    def patient(candles: Candles) -> np.ndarray:
        if len(candles) < 120:
            raise NotEnoughData("patient", 120, len(candles))
        return np.maximum.accumulate(candles.high)

    count = replay(Case("x", "patient", run=patient), CANDLES, ENDS)
    assert (count.prefixes, count.rewritten) == (2, 0)


def test_rows_that_come_or_go_are_rewritten() -> None:
    count = replay(Case("x", "short", run=lambda c: c.close[1:]), CANDLES, ENDS)
    assert count.rewritten == 239


@pytest.mark.parametrize(("told", "rewritten"), [(lambda c, i: c.close[i], 0), (lambda c, i: c.close[-1], 4)])
def test_what_is_said_of_the_last_bar_is_asked_as_of_a_longer_history(told, rewritten: int) -> None:
    count = replay(Case("x", "last", told=told), CANDLES, ENDS)
    assert (count.checked, count.rewritten) == (4, rewritten)


def test_nan_is_the_same_as_nan_and_nothing_else() -> None:
    one, other = np.array([np.nan, np.nan, 1.0, 2.0]), np.array([np.nan, 0.0, 1.0, 2.5])
    assert different(one, other).tolist() == [False, True, False, True]


def test_every_indicator_and_structure_is_among_the_cases() -> None:
    names = {(case.group, case.name) for case in certificate.cases()}
    assert {("indicator", name) for name in INDICATORS} <= names
    assert {("structure", "bars"), ("structure", "objects")} <= names
    assert {("detector", each.name) for each in DETECTORS} | {("score", "dynamic")} <= names
    assert len(names) == len(certificate.cases())


def test_all_cases_are_causal_on_a_short_wild_walk() -> None:
    counts = certify(certificate.cases(), [Series("wild", walk(9, 320, wild=True))])
    assert [f"{each.group} {each.name}" for each in counts if each.rewritten] == []


def test_the_peer_is_found_to_rewrite() -> None:
    cases = [case for case in peer_cases() if case.name in ("swing_highs_lows", "retracements")]
    if not cases:
        pytest.skip("smartmoneyconcepts is not installed")
    counts = certify(cases, [Series("walk", walk(4, 300))])
    assert all(each.rewritten > 0 for each in counts)


def test_the_histories_are_three_symbols_on_three_timeframes_and_random_ones() -> None:
    found = certificate.series()
    assert len(found) == 12
    assert all(len(each.candles) == certificate.BARS for each in found)
    assert len({each.name for each in found}) == 12
    assert ends_of(found[0].candles)[-1] == certificate.BARS - 1


def test_the_text_counts_and_is_the_same_for_the_same() -> None:
    histories = [Series("walk", CANDLES)]
    counts = certify([Case("x", "centred", run=centred_mean)], histories)
    text = render(counts, [], histories)
    assert f"{counts[0].rewritten} rewritten" in text
    assert "smartmoneyconcepts" not in text
    assert text == render(counts, [], histories)


def test_a_rewritten_bar_fails_the_run_and_leaves_the_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    path = tmp_path / "certificate.md"
    monkeypatch.setattr(certificate, "CERTIFICATE", path)
    monkeypatch.setattr(certificate, "series", lambda: [Series("walk", CANDLES)])
    monkeypatch.setattr("tests.load.certify_peer.peer_cases", list)
    monkeypatch.setattr(certificate, "cases", lambda: [Case("x", "centred", run=centred_mean)])
    assert certificate.main() == 1
    assert not path.exists()
    monkeypatch.setattr(certificate, "cases", lambda: [Case("x", "high", run=lambda c: c.high)])
    assert certificate.main() == 0
    assert "0 rewritten" in path.read_text()
