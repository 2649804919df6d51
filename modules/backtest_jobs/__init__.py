"""Backtests that people ask for: what is asked, the candles it needs, the answer, and the queue of what waits.

`descriptions` reads a wish, `histories` finds its candles, `running` turns both into a document; these know neither a clock nor
a user. `queue` and `results` keep what users asked for and what came of it; `worker` carries it out.
"""
