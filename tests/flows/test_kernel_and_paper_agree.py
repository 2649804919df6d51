"""The same ticks through the exit kernel alone, as a backtest runs it, and through the whole paper way: the same fills.

The backtest-style run is a virtual program stepped tick by tick; the paper run is intake, planner, desk, resting orders at
the paper exchange, settlement and monitors. Prices, quantities and reasons must agree to the last digit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from modules.domain.market import ms_from_utc
from modules.domain.orders import OrderRole
from modules.domain.plans import ExitRules, Plan, Trailing, TrailKind
from modules.records import from_document
from modules.trading.exit_book import ExitBook, ExitKind
from modules.trading.targets import FirstBar, price_out, program_from, quantities
from tests.fakes.board import Listed
from tests.flows.world import World

RULES = {
    "plain": ExitRules(break_even_after=None),
    "break-even after the first target": ExitRules(break_even_after=1),
    "stop behind the targets": ExitRules(break_even_after=None, follow_targets=1),
    "trailing one percent": ExitRules(break_even_after=None, trailing=Trailing(TrailKind.PERCENT, Decimal(1))),
    "trailing in steps, once two percent up": ExitRules(
        break_even_after=2, trailing=Trailing(TrailKind.PERCENT, Decimal("0.8"), Decimal("0.3"), Decimal(2))
    ),
    "break-even at one R": ExitRules(break_even_after=None, break_even_at_r=Decimal(1)),
}
LONG = "#BTC/USDT LONG\nEntry: market\nStop Loss: 59000\nTargets: 60600 - 61200 - 61800 - 63000"
SHORT = "#BTC/USDT SHORT\nEntry: market\nStop Loss: 61000\nTargets: 59400 - 58800 - 58200 - 57000"


@dataclass(frozen=True)
class Exit:
    """One exit fill, as both runs tell it."""

    price: Decimal
    quantity: Decimal
    stop: bool


def walk(seed: int, count: int = 160) -> list[str]:
    """Ticks and conflated ticks (o/h/l/c) around 60,000, with jumps that gap over levels.

    The first is a single trade: of a conflated tick right after an entry only the close counts for the best price.
    """
    draws, price, ticks = random.Random(seed), 60_000.0, ["60000.00"]
    for _ in range(count):
        step = draws.gauss(0, 90) if draws.random() > 0.03 else draws.choice((-1, 1)) * 1500
        opened, price = price, max(price + step, 1000.0)
        if draws.random() < 0.3:
            high, low = max(opened, price) + abs(draws.gauss(0, 60)), min(opened, price) - abs(draws.gauss(0, 60))
            ticks.append("/".join(f"{each:.2f}" for each in (opened, high, low, price)))
        else:
            ticks.append(f"{price:.2f}")
    return ticks


def on_paper(folder: Path, text: str, rules: ExitRules, ticks: list[str]) -> tuple[list[Exit], World]:
    """Exit fills of the whole way."""
    world = World(folder)
    world.account(exits=rules)
    world.price("BTCUSDT", "60000")
    assert world.say(text).accepted
    world.settle()
    world.price("BTCUSDT", *ticks)
    roles = {order["id"]: order["role"] for order in world.store["orders"].all()}
    fills = [each for each in world.store["fills"].all() if roles[each["client_order_id"]] != OrderRole.ENTRY.value]
    fills.sort(key=lambda each: each["at"])
    exits = [Exit(Decimal(f["price"]), Decimal(f["quantity"]), roles[f["client_order_id"]] == "stop") for f in fills]
    return exits, world


def by_kernel(world: World, ticks: list[str]) -> list[Exit]:
    """Exit fills of a virtual program from the same entry over the same ticks."""
    (document,) = world.store["plans"].all()
    plan, position = from_document(Plan, document), world.position()
    instrument = Listed().find("BTCUSDT")
    assert instrument is not None
    opened = position.__class__(
        **{
            **{
                name: getattr(position, name)
                for name in ("id", "account_id", "plan_id", "signal_id", "exchange", "symbol")
            },
            **{
                name: getattr(position, name)
                for name in ("side", "leverage", "opened_at", "average_price", "initial_stop")
            },
            "quantity": position.initial_quantity,
            "initial_quantity": position.initial_quantity,
            "stop_loss": plan.stop_loss,
        }
    )
    book = ExitBook()
    program = program_from(plan, opened, instrument, resting=False, first_bar=FirstBar.ANY_BAR)
    book.add("p", "BTCUSDT", program, instrument)
    parts = quantities(instrument, position.initial_quantity, tuple(target.share for target in plan.targets))
    left, exits = position.initial_quantity, []
    for number, tick in enumerate(ticks):
        values = [float(each) for each in tick.split("/")]
        bar = tuple(values) if len(values) == 4 else (values[0],) * 4
        for event in book.on_bar("BTCUSDT", bar, ms_from_utc(position.opened_at) + number + 1):  # type: ignore[arg-type]
            if event.kind not in (ExitKind.TARGET, ExitKind.STOP):
                continue
            assert event.price is not None
            quantity = left if event.kind is ExitKind.STOP else min(parts[event.level - 1], left)
            left -= quantity
            exits.append(Exit(price_out(float(event.price), instrument), quantity, event.kind is ExitKind.STOP))
    return exits


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_ticks_give_the_same_fills(tmp_path: Path, text: str, rules: ExitRules, seed: int) -> None:
    ticks = walk(seed)
    paper, world = on_paper(tmp_path, text, rules, ticks)
    try:
        assert paper == by_kernel(world, ticks)
    finally:
        world.close()
