"""Finds the tables and days that are stale, and builds them.

wanted.py says which days are built at all. fingerprints.py computes fingerprints, and planner.py the plan, which is
defined in plan.py. explain.py words what changed in a table's settings and models, and known.py remembers the state in
which the plan was empty. stale_days.py finds the days of a step that are built, and stretches.py cuts them into
stretches. inputs.py finds the partitions that a step reads and read_rows.py their rows; compaction.py keeps the rows of
ten small days in one file. runner.py runs the models of a step, and builder.py commits the result. ahead.py says which
steps second_thread.py computes before their turn. causes.py finds what caused a build, logs.py records what each build
changed. expiry.py finds what expires.

The steps are defined in tables/; run/ decides when to build.
"""
