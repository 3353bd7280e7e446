"""The tables of funnels: events that meet a funnel step, attempts, and the counts of each funnel step."""
