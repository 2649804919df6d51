"""Is it luck? Tests that a good backtest has to survive before anybody believes it.

All of them are deterministic by their seed, take the strategy as a `Subject`, tell how far they are, and end cleanly when
the caller's progress callback raises `Cancelled`.
"""
