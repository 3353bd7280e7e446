"""Compares the project with other tools, on generated data, and writes docs/performance.md.

`python -m session_pipeline_tests.benchmarks --help` lists the parts. generate.py writes the data, peers.py and core.py
are what is measured, measure.py measures processes, queries.py measures queries, page.py writes the page.
"""
