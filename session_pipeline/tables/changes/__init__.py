"""The tables of what changed: daily counts of actions and of progress between them, and what left its usual range."""
