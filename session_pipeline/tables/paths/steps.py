"""Defines the steps that build the tables of paths."""

from session_pipeline.tables.graph import Step

STEPS: tuple[Step, ...] = ()
