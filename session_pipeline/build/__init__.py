"""Finds the tables and days that are stale, and builds them.

plan.py computes fingerprints and the plan. builder.py gathers a step's inputs, runs its models and commits the result.
explain.py words what changed in a table's settings and models. The steps are defined in tables/; run/ decides when to
build.
"""
