"""Waiting a moment for the executor's decision, so that whoever asked is told at once what became of it."""

from __future__ import annotations

from collections.abc import Callable

from api.rooms import Rooms
from modules.domain.market import ms_from_utc
from modules.runtime.heartbeat import read_beats
from modules.trading.orders_by_hand import Outcome

_STEPS = 30
_STEP_SECONDS = 0.05
#: An executor that was silent for longer is not waited for.
_ALIVE_MS = 5_000


class Patience:
    """Looks again at every ring of the doorbell, for a second and a half at most; at once where no executor works."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def outcomes(self, look: Callable[[], list[Outcome]]) -> list[Outcome]:
        """What `look` sees once everything is decided, else what it saw last."""
        found = look()
        if _decided(found) or not self._executor_works():
            return found
        with self._rooms.store.doorbell.listen("http") as bell:
            for _ in range(_STEPS):
                found = look()
                if _decided(found):
                    break
                bell.wait(_STEP_SECONDS)
        return found

    def _executor_works(self) -> bool:
        beat = read_beats(self._rooms.settings.data_dir / "run").get("executor")
        return beat is not None and ms_from_utc(self._rooms.clock.now()) - beat.at_ms < _ALIVE_MS


def _decided(outcomes: list[Outcome]) -> bool:
    return all(each.decided for each in outcomes)
