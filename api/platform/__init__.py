"""What every request meets, whatever it asks: identity of the request, limits, strict JSON, repeats, headers."""
