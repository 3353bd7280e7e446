"""What the project is compared with: the same work with other tools, as far as each of them can do it.

Each function reads the delivered files, drops copies of events, cuts sessions after 30 minutes without an event, writes
events, sessions, actions and outcomes, and returns the number of sessions. It imports its tool itself, so that a tool
that is not installed is missed only there. `python -m session_pipeline_tests.benchmarks.peers NAME RAW OUT` runs one.
"""
