"""The tables of how sessions end: outcomes, goals, dimensions and daily counts."""
