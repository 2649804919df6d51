"""Backtests for the eye: one self-contained page, and one picture for a chat."""
