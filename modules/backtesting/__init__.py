"""Backtests: decisions of a strategy replayed over closed candles with costs, margin and the live exit rules.

`engine.run` replays one symbol, `portfolio.run` several that share their capital, `sweep.run` many parameter sets with
nothing kept but their figures. Nothing here makes prices up, and nothing reads a clock, a store or the network.
"""
