"""Defines the steps that build the tables of paths."""

from session_pipeline.tables.graph import Computation, Relation, Step
from session_pipeline.tables.parameters import PATH_WINDOWS
from session_pipeline.tables.paths import from_settings
from session_pipeline.tables.spans import days_back

STEPS: tuple[Step, ...] = (
    Step(
        name="session_paths",
        tables=("action_transitions", "action_steps", "session_paths", "path_counts"),
        computed=(
            Computation("path_groups", "path_groups"),
            Computation("path_sessions", "path_sessions"),
            Computation("path_labels", "path_labels"),
            Computation("path_actions", "path_actions"),
            Computation("session_routes", "session_routes"),
        ),
    ),
    Step(
        name="typical_paths",
        tables=("typical_paths",),
        spans={"path_counts": days_back(max(PATH_WINDOWS))},
        computed=(
            Computation("counted_paths", "counted_paths"),
            Computation("folded_paths", "folded_paths"),
            Computation("shown_paths", "shown_paths"),
        ),
        lists={"window_ages": from_settings.window_ages, "path_positions": from_settings.path_positions},
    ),
    Step(
        name="session_patterns",
        tables=("session_patterns",),
        relations={"action_letters": Relation(from_settings.action_letters, reads=("session_actions",))},
        lists={"timed_patterns": from_settings.timed_patterns, "part_lengths": from_settings.part_lengths},
        computed=(
            Computation("pattern_texts", "pattern_texts"),
            Computation("no_untimed_matches", "untimed_matches"),
            Computation("next_untimed_matches", "untimed_matches", runs=from_settings.untimed_patterns),
            Computation("no_part_matches", "part_matches"),
            Computation("next_part_matches", "part_matches", runs=from_settings.timed_parts),
            Computation("matched_actions", "matched_actions"),
        ),
    ),
)
