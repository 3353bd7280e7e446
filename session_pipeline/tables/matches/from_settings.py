"""Provides the rules on events from the settings: outcomes, goals, funnel steps and exclusions.

Each function returns SQL that adds two columns to a relation: whether an event meets a rule of the kind, and the list
of the rules that it meets. The relations build on each other, so one scan of events evaluates all rules.
"""

from session_pipeline.settings import Settings
from session_pipeline.tables.settings_sql import Rule, event_condition, number_sql, text_sql, value_sql, with_rules_met


def outcomes_met(settings: Settings) -> str:
    """Return SQL that adds meets_outcome and outcomes_met, a list of (rule, value), to events."""
    rules = [
        Rule(
            where=event_condition(rule.where, f"outcomes[{number}].where"),
            fields={"rule": text_sql(rule.name), "value": value_sql(rule.value, f"outcomes[{number}].value")},
        )
        for number, rule in enumerate(settings.outcomes)
        if rule.where is not None
    ]
    return with_rules_met(
        "events", rules, "meets_outcome", "outcomes_met", {"rule": "varchar", "value": "decimal(18, 6)"}
    )


def goals_met(settings: Settings) -> str:
    """Return SQL that adds meets_goal and goals_met, a list of (goal, value), to the events with outcomes met."""
    rules = [
        Rule(
            where=event_condition(goal.where, f"goals[{number}].where"),
            fields={"goal": text_sql(goal.name), "value": value_sql(goal.value, f"goals[{number}].value")},
        )
        for number, goal in enumerate(settings.goals)
    ]
    return with_rules_met(
        "events_with_outcomes_met", rules, "meets_goal", "goals_met", {"goal": "varchar", "value": "decimal(18, 6)"}
    )


def steps_met(settings: Settings) -> str:
    """Return SQL that adds meets_step and steps_met, a list of (funnel, step_number), to the events with goals met.

    Funnel steps are numbered 1, 2, ... and exclusions -1, -2, ... In mode strict, an event that meets no step of the
    funnel meets step 0, because it stops attempts, unless allow_other_events is set.
    """
    rules = []
    for position, funnel in enumerate(settings.funnels):
        conditions = [
            (number, step.where, f"funnels[{position}].steps[{number - 1}].where")
            for number, step in enumerate(funnel.steps, start=1)
        ] + [
            (-number, exclusion.where, f"funnels[{position}].exclusions[{number - 1}].where")
            for number, exclusion in enumerate(funnel.exclusions, start=1)
        ]
        parsed = [(number, event_condition(where, key)) for number, where, key in conditions]
        if funnel.mode == "strict" and not funnel.allow_other_events:
            steps = " or ".join(f"coalesce({where}, false)" for number, where in parsed if number > 0)
            parsed.append((0, f"not ({steps})"))
        rules += [
            Rule(where, {"funnel": text_sql(funnel.name), "step_number": number_sql(number)})
            for number, where in parsed
        ]
    return with_rules_met(
        "events_with_goals_met", rules, "meets_step", "steps_met", {"funnel": "varchar", "step_number": "bigint"}
    )
