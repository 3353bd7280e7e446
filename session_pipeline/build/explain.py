"""Words what changed in the settings and models of a table, with the names of settings.toml.

Models read some settings under other names and in other units; this module maps them back. Constants of the models,
which only another version of the package can change, are called constants. planner.py decides what is stale.
"""

from collections.abc import Mapping, Set

from session_pipeline.tables.parameters import CONSTANTS

LONGEST_SHOWN = 31  # a longer value is a hash

# Models compare durations in microseconds. These settings are not in seconds: their names, and their units.
_UNITS: Mapping[str, tuple[str, int]] = {"setting max_microseconds": ("setting max_hours", 3_600_000_000)}

# The setting that each part of a recipe is made from. One setting often has several parts.
_MADE_FROM: Mapping[str, str] = {
    "setting raw_events": "setting identity.by",
    "setting by_person": "setting identity.by",
    "setting least_client_session_minutes": "setting client_sessions",
    "setting linking_events": "setting identity.previous_id",
    "list identity_merges": "setting identity",
    "list ignored_user_ids": "setting identity",
    "setting folded_paths": "setting actions.fold",
    "setting paged_events": "setting actions.query_parameters",
    "list ignored_events": "setting ignored_events",
    "list passive_events": "setting passive_events",
    "setting events_with_outcomes_met": "setting outcomes",
    "setting events_with_goals_met": "setting goals",
    "setting events_with_rules_met": "setting funnels",
    "setting outcome_sessions": "setting outcomes",
    "list outcome_rules": "setting outcomes",
    "setting dimension_values": "setting dimensions",
    "setting breakdown_values": "setting breakdowns or dimensions",
    "setting column_values": "setting changes",
    "list own_dimensions": "setting changes or dimensions",
    "list compared_dimensions": "setting changes, breakdowns or dimensions",
    "setting session_breakdowns": "setting funnels",
    "list funnels": "setting funnels",
    "list funnel_step_rules": "setting funnels",
    "list exclusion_rules": "setting funnels",
    "list stopping_steps": "setting funnels",
    "list funnel_step_names": "setting funnels",
    "setting marked_events": "setting friction",
    "setting page_actions": "setting actions.fold",
    "setting events_with_pages": "setting actions.query_parameters",
    "list friction_signals": "setting friction.signals",
    "list retention_periods": "setting visitors",
    "list path_positions": "setting max_path_actions",
    "setting action_letters": "setting patterns",
    "list timed_patterns": "setting patterns",
    "list part_lengths": "setting patterns",
    "setting border_microseconds": "setting at_border",
    "setting ruled_agents": "setting bots",
    "list session_definitions": "setting definitions, sessions or outcomes",
    "list uncounted_events": "setting definitions, sessions or outcomes",
    "list conversion_rules": "setting definitions, sessions or outcomes",
    "setting marking_events": "setting definitions, sessions or outcomes",
    "computations": "setting funnels",
}


def what_changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the differences between two recipes as one text."""
    return ", ".join(changes(before, after))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the differences between two recipes as texts, each once, in the order of the parts' names."""
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for with_computations in ("list timed_patterns", "list session_definitions"):
        if with_computations in after:  # the computations of these steps change only with this list
            names = [name if name != "computations" else with_computations for name in names]
    found = list(dict.fromkeys(_change(name, before.get(name), after.get(name)) for name in names))
    # A setting with its values says more than the parts that are made from it.
    found = [change for change in found if not any(other.startswith(f"{change} from ") for other in found)]
    # One of two settings says more than one of three.
    return [
        change for change in found if not any(set() < _settings_of(other) < _settings_of(change) for other in found)
    ]


def _settings_of(change: str) -> Set[str]:
    """Return the names of the settings of which at least one changed; empty for other changes."""
    if not (change.startswith("setting ") and change.endswith(" changed")):
        return frozenset()
    return frozenset(change.removeprefix("setting ").removesuffix(" changed").replace(" or ", ", ").split(", "))


def _change(name: str, before: str | None, after: str | None) -> str:
    is_shown = name.startswith("setting ") and name not in _MADE_FROM
    if not is_shown or not before or not after or max(len(before), len(after)) > LONGEST_SHOWN:
        return f"{_shown(name)} changed"
    if name.endswith("_microseconds"):
        name, unit = _UNITS.get(name, (name.replace("_microseconds", "_seconds"), 1_000_000))
        before, after = str(int(before) // unit), str(int(after) // unit)
    return f"{_shown(name)} changed from {before} to {after}"


def _shown(name: str) -> str:
    """Return a part of a recipe in the words of a reason. A constant of the package is no setting."""
    constant = name.removeprefix("setting ")
    return f"constant {constant}" if constant in CONSTANTS else _MADE_FROM.get(name, name)
