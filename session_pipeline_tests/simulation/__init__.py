"""Two simulated months of a small shop, operated by the schedule and the sensors alone."""
