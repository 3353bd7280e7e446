"""Makes small changes to the SQL of the models and the Python of the core, and checks that a test fails for each.

`python -m session_pipeline_tests.mutation` runs them. It is a nightly program and not part of the test suite.
"""
