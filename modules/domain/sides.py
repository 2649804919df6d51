"""Directions: of a position (long, short) and of an order (buy, sell), which are not the same thing."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Which way a signal or position points."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> Side:
        return Side.SHORT if self is Side.LONG else Side.LONG

    @property
    def opening(self) -> Action:
        """The order action that enters this side."""
        return Action.BUY if self is Side.LONG else Action.SELL

    @property
    def closing(self) -> Action:
        """The order action that leaves this side."""
        return Action.SELL if self is Side.LONG else Action.BUY


class Action(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Action.BUY else -1
