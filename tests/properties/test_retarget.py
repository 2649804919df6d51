"""A ladder changed by hand: what was hit stays, the rest runs in the trade's direction and closes no more than is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from modules.domain.errors import Refused
from modules.domain.orders import WantedTarget
from modules.domain.positions import Position, TargetLevel
from modules.domain.sides import Side
from modules.trading.retarget import levels_by_hand
from tests.fakes.board import Listed

NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)
INSTRUMENT = Listed().find("BTCUSDT")
PRICES = st.integers(1, 200_000).map(lambda tenths: Decimal(tenths) / 2)
WANTED = st.lists(
    st.builds(WantedTarget, PRICES, st.integers(0, 100).map(lambda percent: Decimal(percent) / 100)), max_size=18
)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    side = draw(st.sampled_from(Side))
    hits = draw(st.integers(0, 3))
    prices = [Decimal(60_000) + side.sign * 1000 * (number + 1) for number in range(4)]
    levels = tuple(
        TargetLevel(number + 1, price, Decimal("0.25"), NOW if number < hits else None)
        for number, price in enumerate(prices)
    )
    left = Decimal(4 - hits) / 100
    return Position(
        "pos-p", "a", "p", None, "paper", "BTCUSDT", side, Decimal(5), NOW,
        quantity=left, initial_quantity=Decimal("0.04"), average_price=Decimal(60_000),
        stop_loss=draw(st.none() | st.just(Decimal(60_000) - side.sign * 1000)), targets=levels,
    )  # fmt: skip


@given(position=positions(), wanted=WANTED)
def test_a_new_ladder_is_sound_or_refused(position: Position, wanted: list[WantedTarget]) -> None:
    assert INSTRUMENT is not None
    found = levels_by_hand(position, wanted, INSTRUMENT, [])
    hit = tuple(level for level in position.targets if level.hit_at)
    if isinstance(found, Refused):
        assert found.sentence
        assert wanted
        return
    assert found[: len(hit)] == hit
    fresh = found[len(hit) :]
    sign = position.side.sign
    prices = [level.price * sign for level in found]
    assert prices == sorted(prices)
    assert len(set(prices)) == len(prices)
    left = position.quantity / position.initial_quantity
    assert sum(level.share for level in fresh) <= left + Decimal("1e-9")
    if fresh:
        assert sum(level.share for level in fresh) >= left - Decimal("1e-9")
    assert len({level.number for level in found}) == len(found)
    assert all(level.hit_at is None and level.share > 0 for level in fresh)
    if position.stop_loss is not None:
        assert all((level.price - position.stop_loss) * sign > 0 for level in fresh)


@given(position=positions(), wanted=WANTED)
def test_the_same_ladder_again_changes_nothing(position: Position, wanted: list[WantedTarget]) -> None:
    assert INSTRUMENT is not None
    once = levels_by_hand(position, wanted, INSTRUMENT, [])
    if isinstance(once, Refused):
        return
    again = levels_by_hand(replace(position, targets=once), wanted, INSTRUMENT, [])
    assert again == once
