"""A state machine that operates one deployment: operations, checks, hand-written programs and seeded bugs."""
