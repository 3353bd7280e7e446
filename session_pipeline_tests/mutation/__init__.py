"""Mutation tests: small changes to the SQL of the models and to the Python of the core, each of which a test must fail.

`python -m session_pipeline_tests.mutation` runs them; it is a nightly program, not a part of the test suite.
"""
