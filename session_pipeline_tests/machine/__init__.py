"""A state machine over one deployment: its operations, its checks, hand-written programs, and seeded bugs."""
