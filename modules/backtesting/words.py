"""The words of the backtest kernel: its records and codes.

`TERMS` is what a run is asked to assume, `ACCOUNT` the money, `HOLDING` the one position and the one waiting entry of a
symbol, `BAR` what is known of the bar being played. `TRADE` and `FILL` are what a run tells afterwards. Bars are
indices into the candles, prices and amounts are in quote currency, percentages are fractions; 0 means "none".
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from modules.trading import exit_program as codes

MAX_LEVELS: Final = codes.MAX_TARGETS
MAX_RUNGS: Final = 16

# How an entry with a price of its own waits, and how any entry is sent.
LIMIT_ENTRY: Final = 0
STOP_ENTRY: Final = 1

# Sizing.
BY_QUOTE: Final = 0
BY_EQUITY: Final = 1
BY_RISK: Final = 2
BY_ATR: Final = 3

# What a target's value means.
TARGET_FRACTION: Final = 0
TARGET_ATR: Final = 1
TARGET_R: Final = 2

# Why a trade ended: the exit kernel's own reasons (INITIAL ... BY_ORDER), then these.
BY_SIGNAL: Final = 8
BY_LIQUIDATION: Final = 9
BY_END: Final = 10

# What a fill was for.
ENTRY: Final = 0
RUNG: Final = 1
TARGET: Final = 2
STOP: Final = 3
TIME: Final = 4
SIGNAL: Final = 5
LIQUIDATION: Final = 6
END: Final = 7

# Why an entry signal led to no trade: places in ACCOUNT's `refused`.
WRONG_SIDE: Final = 0
NO_STOP: Final = 1
NO_ATR: Final = 2
TOO_SMALL: Final = 3
NO_MONEY: Final = 4
NO_PLACE: Final = 5
NOT_REACHED: Final = 6
REFUSALS: Final = ("wrong_side", "no_stop", "no_atr", "too_small", "no_money", "no_place", "not_reached")

TERMS = np.dtype(
    [
        ("capital", "f8"),
        ("taker_fee", "f8"),
        ("maker_fee", "f8"),
        ("slip_kind", "i8"),
        ("slip_size", "f8"),
        ("half_spread", "f8"),  # fraction of the price
        ("maintenance", "f8"),
        ("entry_kind", "i8"),
        ("entry_bars", "i8"),  # bars a priced entry waits; 0 = until replaced
        ("reverse", "i8"),
        ("tick_numerator", "f8"),
        ("tick_denominator", "f8"),  # 0 = no tick
        ("lot_numerator", "f8"),
        ("lot_denominator", "f8"),  # 0 = no lot
        ("min_notional", "f8"),
        ("max_positions", "i8"),
        ("size_mode", "i8"),
        ("size_value", "f8"),  # quote currency, or a fraction of the equity
        ("leverage", "f8"),
        ("stop_fraction", "f8"),
        ("stop_atr", "f8"),
        ("levels", "i8"),
        ("target_kind", "i8", (MAX_LEVELS,)),
        ("target_value", "f8", (MAX_LEVELS,)),
        ("target_share", "f8", (MAX_LEVELS,)),
        ("equal_shares", "i8"),  # targets the strategy names close equal parts
        ("trail_kind", "i8"),
        ("trail_distance", "f8"),
        ("trail_activation", "f8"),
        ("break_even_after", "i8"),
        ("time_exit_bars", "i8"),
        ("rungs", "i8"),
        ("rung_drop", "f8", (MAX_RUNGS,)),  # fraction below the rung before
        ("rung_factor", "f8", (MAX_RUNGS,)),  # of the first quantity
    ]
)

ACCOUNT = np.dtype(
    [
        ("cash", "f8"),
        ("margin", "f8"),
        ("open_profit", "f8"),  # of all held positions, at the prices last seen before this bar's entries
        ("held", "i8"),
        ("trades", "i8"),
        ("fills", "i8"),
        ("bars_held", "i8"),
        ("fees", "f8"),
        ("funding", "f8"),
        ("turnover", "f8"),
        ("refused", "i8", (len(REFUSALS),)),
    ]
)

HOLDING = np.dtype(
    [
        ("symbol", "i8"),
        ("number", "i8"),  # row of its trade
        # the waiting entry
        ("wanted", "i8"),  # +1, -1; 0 = none
        ("wanted_bar", "i8"),
        ("wanted_price", "f8"),
        ("wanted_stop", "f8"),
        ("wanted_atr", "f8"),
        ("wanted_levels", "i8"),  # -1 = targets by the rules
        ("wanted_target", "f8", (MAX_LEVELS,)),
        # the position
        ("direction", "i8"),
        ("leaving", "i8"),
        ("signal_bar", "i8"),
        ("entry_bar", "i8"),
        ("entry_time", "i8"),
        ("quantity", "f8"),
        ("bought", "f8"),  # all that was ever opened
        ("average", "f8"),
        ("first_quantity", "f8"),
        ("rung", "i8"),
        ("rung_price", "f8"),  # 0 = no further rung
        ("entries", "i8"),
        ("margin", "f8"),
        ("liquidation", "f8"),
        ("profit", "f8"),  # realised, before fees and funding
        ("opened_value", "f8"),
        ("closed_value", "f8"),
        ("fees", "f8"),
        ("funding", "f8"),
        ("mark", "f8"),
    ]
)

BAR = np.dtype(
    [
        ("index", "i8"),
        ("time", "i8"),  # open time, ms UTC
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
        ("atr", "f8"),
        ("atr_before", "f8"),
        ("funding", "f8"),  # sum of the rates due since the bar before
    ]
)

#: One round trip. `entry_price` and `exit_price` are averages over the fills; `pnl` is after fees and funding.
TRADE = np.dtype(
    [
        ("symbol", "i8"),  # index into the result's symbols
        ("side", "i8"),  # +1 long, -1 short
        ("signal_bar", "i8"),
        ("entry_bar", "i8"),
        ("exit_bar", "i8"),
        ("entry_time", "i8"),  # open time of the bar of the fill, ms UTC
        ("exit_time", "i8"),
        ("entry_price", "f8"),
        ("exit_price", "f8"),
        ("quantity", "f8"),
        ("pnl", "f8"),
        ("return", "f8"),  # pnl / value at entry
        ("fees", "f8"),
        ("funding", "f8"),  # paid; negative = received
        ("initial_stop", "f8"),  # 0 = none
        ("r_multiple", "f8"),  # NaN without a stop
        ("mae", "f8"),  # worst price against the entry, as a fraction of it (<= 0)
        ("mfe", "f8"),
        ("targets_hit", "i8"),
        ("entries", "i8"),
        ("reason", "i8"),
    ]
)

#: One fill. `trade` is the row of its trade, `action` +1 bought, -1 sold; `maker` says that it rested.
FILL = np.dtype(
    [
        ("symbol", "i8"),
        ("trade", "i8"),
        ("bar", "i8"),
        ("time", "i8"),
        ("action", "i8"),
        ("kind", "i8"),
        ("level", "i8"),
        ("price", "f8"),
        ("quantity", "f8"),
        ("fee", "f8"),
        ("maker", "i8"),
    ]
)

Records = npt.NDArray[np.void]


class Book(NamedTuple):
    """All that one bar of one symbol may change, and the terms it is played by."""

    terms: np.void
    account: np.void
    holding: np.void
    row: np.void  # the exit kernel's program of the position
    bar: np.void
    out: Records  # room for the exit kernel's events
    trades: Records
    fills: Records


class Feed(NamedTuple):
    """Columns a run reads, one value per bar; an optional column that is not there is empty.

    `lower_*` are the candles of a lower timeframe; those of bar `t` are `lower_start[t]` up to `lower_start[t + 1]`.
    """

    time: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]
    entry: npt.NDArray[np.int8]
    exit_long: npt.NDArray[np.bool_]
    exit_short: npt.NDArray[np.bool_]
    stop: npt.NDArray[np.float64]
    targets: npt.NDArray[np.float64]
    atr: npt.NDArray[np.float64]
    entry_price: npt.NDArray[np.float64]
    funding: npt.NDArray[np.float64]
    lower_start: npt.NDArray[np.int64]
    lower_open: npt.NDArray[np.float64]
    lower_high: npt.NDArray[np.float64]
    lower_low: npt.NDArray[np.float64]
    lower_close: npt.NDArray[np.float64]
