"""Pictures under posts: damaged candles, a full disk, a painter that hangs or an end never hold a post up."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bots.chat import Rooms
from bots.pictures import Ending, Pictures
from bots.telegram_bot import Broadcast
from modules.analysis.candles import Candles
from modules.candles.names import BadCandles
from modules.domain.signals import Signal
from modules.notices.local_channel import messages_after
from modules.notices.painter import Painter
from modules.views import Views
from modules.wiring import make_intake
from tests.flows.telegram_house import Prices
from tests.flows.test_local_chat import ENTRY, Place


class Drawing(Painter):
    """Draws at once, or not before `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()

    def draw(self, _signal: Signal, _candles: Candles | None) -> bytes | None:
        assert self.go_on.wait(10)
        return b"PNG"

    def close(self) -> None:
        self.go_on.set()


class House:
    """A broadcast over a place where one signal was just received."""

    def __init__(self, folder: Path) -> None:
        self.candles: Callable[[str], Candles | None] = lambda _symbol: None
        self.place = Place(folder)
        core = self.place.core
        board = self.place.stage.board
        intake = make_intake(core, board)
        views = Views(core.store, core.run_dir)
        self.rooms = Rooms(
            core.store, views, core.clock, board, core.settings, intake, lambda symbol: self.candles(symbol)
        )
        self.broadcast = Broadcast(core, self.rooms, Prices())  # type: ignore[arg-type]
        self.painter = Drawing()
        self.broadcast._pictures = Pictures(self.rooms, self.painter)
        self.place.price("100")
        self.place.hear(ENTRY)
        self.signal_id = str(core.store["signals"].all()[0]["id"])

    def posts(self) -> list[str | None]:
        """The picture of every post in the VIP room."""
        return [each["picture"] for each in messages_after(self.place.store, "local:vip", 0)]

    async def turns(self, until: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not until():
                await self.broadcast.turn(self.place.core.clock.now())
                await asyncio.sleep(0.001)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.place.store.close()


async def test_a_post_has_its_picture(house: House, tmp_path: Path) -> None:
    await house.turns(house.posts)
    await house.broadcast.stop()
    path = tmp_path / "pictures" / f"{house.signal_id}.png"
    assert (house.posts(), path.read_bytes()) == ([str(path)], b"PNG")


async def test_damaged_candles_cost_the_picture_not_the_post(house: House) -> None:
    def damaged(_symbol: str) -> Candles | None:
        raise BadCandles("BTCUSDT 1m: a damaged file")

    house.candles = damaged
    with capture_logs() as said:
        await house.turns(house.posts)
        await house.broadcast.stop()
    assert house.posts() == [None]
    assert "damaged file" in said[-1]["reason"]


async def test_a_full_disk_costs_the_picture_not_the_post(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with capture_logs() as said:
        await house.turns(house.posts)
        await house.broadcast.stop()
    assert house.posts() == [None]
    assert "No space left" in said[-1]["reason"]


async def test_turns_go_on_while_a_picture_is_drawn_and_an_end_leaves_the_post_for_later(house: House) -> None:
    house.painter.go_on.clear()
    async with asyncio.timeout(2):
        for _ in range(5):
            await house.broadcast.turn(house.place.core.clock.now())
            await asyncio.sleep(0)
        assert house.posts() == []
        await house.broadcast.stop()
    assert house.posts() == []
    with pytest.raises(Ending):
        house.broadcast._pictures.keep(house.signal_id)
