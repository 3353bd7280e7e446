"""Runs that are killed or lose power, and what must hold afterwards."""
