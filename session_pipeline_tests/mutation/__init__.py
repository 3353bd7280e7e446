"""Makes small changes to the SQL of models and checks and to the Python of the core; a test must fail for each.

`python -m session_pipeline_tests.mutation` runs them. It is a nightly program and not part of the test suite.
"""
