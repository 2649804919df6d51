"""Strategies: documents of conditions, and what they decide on closed candles."""
