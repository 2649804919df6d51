"""The simulated market: reproducible, honest about itself, and shaped like a market."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
from decimal import Decimal
from pathlib import Path

import pytest

from modules.connections.feeds.simulated import SimulatedMarket, SimulatedPath
from modules.domain.errors import InvalidInput
from modules.domain.market import Quote
from modules.runtime.clock import SystemClock


def walk(steps: int, seed: int = 7, symbol: str = "BTCUSDT", start: str = "65000", step: float = 0.25) -> list[Quote]:
    path = SimulatedPath(seed, symbol, Decimal(start), step)
    return [path.step(at, at) for at in range(1, steps + 1)]


async def first(source: SimulatedMarket, count: int) -> list[Quote]:
    quotes = []
    async with asyncio.timeout(5):
        async for quote in source.quotes():
            quotes.append(quote)
            if len(quotes) == count:
                await source.close()
                break
    return quotes


def market(**options: object) -> SimulatedMarket:
    return SimulatedMarket(SystemClock(), speed=0, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    assert walk(500) == walk(500)
    assert walk(500)[-1].last != walk(500, seed=8)[-1].last
    assert walk(500)[-1].last != walk(500, symbol="ETHUSDT")[-1].last


async def test_a_path_does_not_depend_on_its_neighbours():
    alone, together = market(), market()
    alone.want(["BTCUSDT"])
    together.want(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
    lonely = [quote.last for quote in await first(alone, 40)]
    crowded = [quote.last for quote in await first(together, 120) if quote.symbol == "BTCUSDT"]
    assert lonely == crowded


async def test_every_quote_says_that_it_is_simulated_and_is_a_possible_market():
    source = market()
    source.want(["BTCUSDT", "DOGEUSDT"])
    for quote in await first(source, 400):
        assert quote.simulated
        assert quote.bid <= quote.last <= quote.ask
        assert quote.low <= quote.open <= quote.high
        assert quote.volume > 0
        assert (quote.ask - quote.bid) / quote.last < Decimal("0.002")


async def test_an_unlisted_symbol_is_unknown_until_it_has_a_reference_price():
    source = market()
    source.want(["NOVELUSDT", "BTCUSDT"])
    assert source.unknown == {"NOVELUSDT"}
    source.want_at("NOVELUSDT", Decimal("0.004321"))
    assert source.unknown == frozenset()
    start = next(quote for quote in await first(source, 4) if quote.symbol == "NOVELUSDT")
    assert abs(start.last / Decimal("0.004321") - 1) < Decimal("0.02")


async def test_a_reference_does_not_move_a_market_that_has_begun():
    source = market()
    source.want(["BTCUSDT"])
    source.want_at("BTCUSDT", Decimal(1))
    assert all(quote.last > 1000 for quote in await first(source, 10))


async def test_a_slip_of_the_pen_makes_no_market_of_a_known_symbol():
    source = market()
    source.want_at("ETHUSDT", Decimal(9_999_999))
    source.want(["ETHUSDT"])
    assert all(quote.last < 100_000 for quote in await first(source, 5))


def test_a_reference_price_must_be_a_price():
    with pytest.raises(InvalidInput):
        market().want_at("NOVELUSDT", Decimal(0))


async def test_dropped_symbols_are_not_delivered_and_go_on_where_they_stood():
    source = market()
    source.want(["BTCUSDT", "ETHUSDT"])
    stream = source.quotes()
    seen = [await anext(stream) for _ in range(4)]
    source.want(["ETHUSDT"])
    rest = [await anext(stream) for _ in range(6)]
    assert {quote.symbol for quote in rest} == {"ETHUSDT"}
    source.want(["BTCUSDT"])
    again = [quote async for quote in take(stream, 3)]
    reference = walk(3, seed=1, symbol="BTCUSDT")
    taken = sum(quote.symbol == "BTCUSDT" for quote in seen)
    assert again[-1].symbol == "BTCUSDT"
    assert reference[taken].last in {quote.last for quote in again}
    await source.close()


async def take(stream, count):
    for _ in range(count):
        yield await anext(stream)


def test_returns_have_fat_tails_and_a_sane_size():
    closes = [float(quote.last) for quote in walk(40_000, step=1.0)]
    returns = [math.log(b / a) for a, b in itertools.pairwise(closes)]
    deviation = statistics.pstdev(returns)
    kurtosis = statistics.fmean((value / deviation) ** 4 for value in returns)
    yearly = deviation * math.sqrt(365 * 86_400)
    assert 0.2 < yearly < 4
    assert kurtosis > 5


def test_prices_of_every_size_keep_five_digits_or_more():
    for start in ("65000", "1.5", "0.00001234"):
        quotes = walk(200, start=start)
        assert len({quote.last for quote in quotes}) > 3
        assert all(abs(quote.last / Decimal(start) - 1) < Decimal("0.2") for quote in quotes)


async def test_real_time_steps_are_paced_by_speed():
    source = SimulatedMarket(SystemClock(), speed=50, step_ms=250)
    source.want(["BTCUSDT"])
    loop = asyncio.get_running_loop()
    began = loop.time()
    quotes = await first(source, 11)
    assert loop.time() - began >= 0.045
    assert quotes[-1].time_ms - quotes[0].time_ms == 2_500


async def test_a_market_goes_on_after_a_restart_where_it_stood(tmp_path: Path) -> None:
    memory = tmp_path / "run" / "prices.json"
    memory.parent.mkdir()
    before = market(memory=memory)
    before.want_at("ARBUSDT", Decimal("0.7"))  # far from where a new market of it would begin
    stood = (await first(before, 40))[-1].last
    after = market(memory=memory)
    after.want(["ARBUSDT"])
    [quote] = await first(after, 1)
    assert abs(quote.open / stood - 1) < Decimal("0.01")
    for broken in (b"", b"[1]", b'{"ARBUSDT": "x"}', b'{"ARBUSDT": "-1"}'):
        memory.write_bytes(broken)
        fresh = market(memory=memory)
        fresh.want(["ARBUSDT"])
        assert abs((await first(fresh, 1))[0].open / Decimal("0.9") - 1) < Decimal("0.01")
