"""Random trading days, calm and troubled: whatever happens, the books agree and every position is protected or closed.

The days are the same each time; TRADING_SCRIPTS=2000 in the environment plays that many others.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from structlog.testing import capture_logs

from tests.properties.trading_books import assert_closed, assert_consistent, assert_settled
from tests.properties.trading_scripts import Day, Script, level_beyond, scripts

EXAMPLES = int(os.environ.get("TRADING_SCRIPTS", "25"))


def play(script: Script, folder: Path) -> None:
    """The script, then calm, then a price beyond everything."""
    day = Day(folder, script)
    try:
        for step in script.steps:
            day.play(step)
            assert_consistent(day.world)
        day.calm()
        assert_consistent(day.world)
        assert_settled(day)
        run_out(day)
    finally:
        day.close()


def run_out(day: Day) -> None:
    """The price touches what protects each position, one after the other; nothing is left in the end."""
    for position in day.open_positions():
        sign = position.side.sign
        if position.id not in {each.id for each in day.open_positions()}:
            continue
        unhit = [level.price for level in position.targets if level.hit_at is None]
        if position.stop_loss is not None and (day.script.to_stop or not unhit or not day.script.resume):
            day.go(level_beyond(position.stop_loss, -sign))
            assert_closed(day, position, "its stop was passed")
        elif unhit and day.script.resume:
            day.go(level_beyond(sign * max(sign * each for each in unhit), sign))
            assert_closed(day, position, "its last target was passed")
        assert_consistent(day.world)
    day.end_entries()
    for _ in day.open_positions():
        day.play(("hand", 0, "all", 0))
    assert_consistent(day.world)
    assert_settled(day, over=True)


CALM = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="TRADING_SCRIPTS" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=False,
)


@given(scripts())
@CALM
def test_whatever_happens_the_books_agree_and_positions_are_protected(script: Script) -> None:
    with tempfile.TemporaryDirectory() as folder, capture_logs():
        play(script, Path(folder))
