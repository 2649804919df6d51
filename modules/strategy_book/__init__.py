"""The strategies and indicators of each user: kept, versioned, switched on and off, and asked what they say now."""
