"""The tables that say how sessions end: outcomes, goals, dimensions and the daily counts."""
