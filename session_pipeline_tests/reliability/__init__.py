"""Runs the tests that break things deliberately, and collects their figures."""
