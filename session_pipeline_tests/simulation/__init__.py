"""Two simulated months of a small shop, operated only by the schedule and the sensors."""
