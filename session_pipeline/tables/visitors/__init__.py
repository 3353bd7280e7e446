"""The tables of visitors: their days, life cycle and history, and how many return."""
