"""Defines the step that finds the events that meet the rules of the settings, in one scan for all kinds of rules."""

from session_pipeline.tables.graph import Computation, Relation, Step
from session_pipeline.tables.matches import from_settings

STEPS: tuple[Step, ...] = (
    Step(
        name="event_matches",
        # One table for each kind of rule, so that a changed goal leaves funnels fresh.
        tables=("outcome_matches", "goal_matches", "funnel_matches"),
        # Each relation adds columns to the one before it. One for each kind, so that the plan names the changed kind.
        relations={
            "events_with_outcomes_met": Relation(from_settings.outcomes_met, reads=("events",)),
            "events_with_goals_met": Relation(from_settings.goals_met, reads=("events",)),
            "events_with_rules_met": Relation(from_settings.steps_met, reads=("events",)),
        },
        computed=(Computation("event_matches", "event_matches"),),
    ),
)
