"""Reference implementations in plain Python, the cases they are tried on, and what they expect of the tables."""
