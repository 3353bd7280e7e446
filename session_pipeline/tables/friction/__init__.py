"""Friction: signals that a visitor has a hard time, by session, by action and by day."""
