"""Market analysis: pure functions of closed candles. It reads no store, clock or network."""
