"""Trading signals: what a message says, whether it is taken in, how its source has done."""
