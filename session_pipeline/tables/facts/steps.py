"""Defines the step that builds session_facts."""

from session_pipeline.tables.graph import Step

STEPS: tuple[Step, ...] = (Step(name="session_facts", tables=("session_facts",)),)
