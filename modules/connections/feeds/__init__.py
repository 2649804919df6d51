"""Price feeds: where quotes come from. Every module here gives the same thing, a `PriceSource`."""
