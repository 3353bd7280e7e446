"""The tables of funnels: events that meet a step, attempts, and the counts of each step."""
