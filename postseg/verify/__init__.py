"""Draw shapes back onto labels, and name what disagrees."""
