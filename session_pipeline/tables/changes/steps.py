"""Defines the steps that count actions and progress by day, and that find what changed."""

from session_pipeline.tables.changes import from_settings
from session_pipeline.tables.graph import Computation, Relation, Step

STEPS: tuple[Step, ...] = (
    Step(
        name="action_visits",
        tables=("action_visits", "action_progress"),
        relations={"segment_values": Relation(from_settings.segment_values, ("sessions", "session_dimensions"))},
        computed=(Computation("first_actions", "first_actions"), Computation("session_segments", "session_segments")),
    ),
)
