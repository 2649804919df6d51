"""The parts a phrase can play in a message."""

from __future__ import annotations

ENTRY, TARGET, STOP, PRICE = "entry", "target", "stop", "price"
LONG, SHORT, MARKET, LIMIT = "long", "short", "market", "limit"
LONG_LIMIT, SHORT_LIMIT = "long_limit", "short_limit"
LEVERAGE, SYMBOL, NOTE, LEVEL = "leverage", "symbol", "note", "level"
PROFIT, LOSS, FILLER, TERM = "profit", "loss", "filler", "term"
HIT, CLOSE, CANCEL, PART, BREAKEVEN, MOVE, TRAIL = "hit", "close", "cancel", "part", "breakeven", "move", "trail"
ALL, NOT, FILLED, OPPOSITE, STOPPED, ALL_HIT = "all", "not", "filled", "opposite", "stopped", "all_hit"
MODAL, TALK, ADVERT, FILL_REPORT, PAST, EARLIER = "modal", "talk", "advert", "fill_report", "past", "earlier"
PROMO, BINARY, CONDITION, RESULT, SIGNAL, TYPE, EXIT, FRAMED = (
    "promo",
    "binary",
    "condition",
    "result",
    "signal",
    "type",
    "exit",
    "framed",
)
MAYBE_ENTRY, MAYBE_TARGET, MAYBE_STOP = "maybe_entry", "maybe_target", "maybe_stop"
DENIED, HABIT = "denied", "habit"
