"""Runs that are killed or lose power, and the checks afterwards."""
