"""One bar of structure, and the loop over many: the same compiled step serves history and live bars."""

from __future__ import annotations

from modules.analysis.candles import Floats, Integers
from modules.analysis.compiled import borrowed, kernel
from modules.analysis.structure.bars import next_atr, read_displacement, read_flow, read_gap, read_strat, remember
from modules.analysis.structure.breaks import blank, read_breaks, read_range
from modules.analysis.structure.layout import OBJECTS_PER_BAR, Memory, Now, Record, Records
from modules.analysis.structure.standing import advance_standing
from modules.analysis.structure.swings import read_sweeps, read_swings

Prices = tuple[Floats, Floats, Floats, Floats, Floats]


@kernel(inline=True)
def _contiguous(memory: Memory, stamp: int, timeframe: int) -> int:
    """Bars since the last hole in the history, this one included."""
    state = memory.core["state"]
    follows = state["bars"] > 0 and stamp - state["last_stamp"] == timeframe
    if follows or (state["bars"] > 0 and memory.core["choices"]["across_gaps"] == 1):
        state["run"] += 1
    else:
        state["run"] = 1
    state["last_stamp"] = stamp
    return int(state["run"])


@kernel(inline=True)
def step(memory: Memory, now: Now, row: Record) -> None:
    """Read one bar: first what it does to what stands, then what it adds, then where it leaves the price."""
    blank(row)
    row["atr"] = now.atr
    remember(memory, now)
    advance_standing(memory, now)
    read_sweeps(memory, now, row)
    read_flow(memory, now, row)
    read_displacement(memory, now, row)
    read_gap(memory, now, row)
    read_strat(memory, now, row)
    read_swings(memory, now, row)
    read_breaks(memory, now, row)
    read_range(memory, now, row)
    memory.core["state"]["bars"] += 1


@kernel
def run(
    table: Memory,
    timestamp: Integers,
    prices: Prices,
    timeframe: int,
    start: int,
    rows: Records,
) -> int:
    """Read bars from `start` on until the end or until the table of objects may not hold another bar's.

    `prices` are open, high, low, close, volume; `rows[i]` receives bar i. Returns the first bar not read.
    """
    opens, highs, lows, closes, volumes = prices
    memory = Memory(table.core[0], borrowed(table.ring), borrowed(table.objects))
    state = memory.core["state"]
    for place in range(start, len(timestamp)):
        if state["objects"] + OBJECTS_PER_BAR > len(memory.objects):
            return place
        length = _contiguous(memory, timestamp[place], timeframe)
        before = state["atr"]
        atr = next_atr(memory, highs[place], lows[place])
        now = Now(
            state["bars"],
            opens[place],
            highs[place],
            lows[place],
            closes[place],
            volumes[place],
            length,
            atr,
            before,
        )
        step(memory, now, rows[place])
    return len(timestamp)
