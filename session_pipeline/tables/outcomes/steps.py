"""Defines the steps that build outcomes, goals, dimensions and daily counts."""

from session_pipeline.tables.graph import Log, Relation, Step
from session_pipeline.tables.outcomes import from_settings
from session_pipeline.tables.spans import THE_DAY

STEPS: tuple[Step, ...] = (
    Step(
        name="session_outcomes",
        tables=("session_outcomes",),
        relations={"outcome_sessions": Relation(from_settings.outcome_sessions, reads=("sessions",))},
        lists={"outcome_rules": from_settings.outcome_rules},
    ),
    Step(name="session_goals", tables=("session_goals",)),
    Step(
        name="session_dimensions",
        tables=("session_dimensions",),
        relations={"dimension_values": Relation(from_settings.dimension_values, reads=("events",))},
    ),
    Step(
        name="daily_summary",
        tables=("daily_summary",),
        # Late events and duplicates are counted on the day on which they happened.
        spans={"events": THE_DAY, "duplicate_events": THE_DAY},
        logs=(Log(table="_day_history", of="daily_summary", records_first_build=True),),
    ),
    Step(name="daily_outcomes", tables=("daily_outcomes",)),
    Step(name="daily_bots", tables=("daily_bots",)),
)

# Built after the tables of visitors, which these steps read.
STEPS_WITH_VISITORS: tuple[Step, ...] = (
    Step(
        name="daily_breakdowns",
        tables=("daily_breakdowns",),
        relations={
            "breakdown_values": Relation(
                from_settings.breakdown_values, ("sessions", "session_outcomes", "session_dimensions", "visitor_days")
            )
        },
    ),
)
