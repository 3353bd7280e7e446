"""Defines the step that builds the tables of friction from one scan of events."""

from session_pipeline.tables.friction import from_settings
from session_pipeline.tables.graph import Computation, Relation, Step

STEPS: tuple[Step, ...] = (
    Step(
        name="friction",
        tables=("session_friction", "action_friction", "daily_friction"),
        relations={
            "events_with_pages": Relation(from_settings.events_with_pages, reads=("events",)),
            "marked_events": Relation(from_settings.marked_events, reads=("events",)),
            "page_actions": Relation(from_settings.page_actions, reads=("events",)),
        },
        lists={"friction_signals": from_settings.friction_signals},
        computed=(
            Computation("friction_sessions", "friction_sessions"),
            Computation("friction_events", "friction_events"),
            Computation("friction_actions", "friction_actions"),
            Computation("friction_places", "friction_places"),
            Computation("friction_found", "friction_found"),
            Computation("friction_observable", "friction_observable"),
        ),
    ),
)
