"""Provides what the models of paths read from the settings: windows, positions, and patterns as SQL."""

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.frame import PATH_WINDOWS


def window_ages(settings: Settings) -> SmallTable:
    """Returns the days of each window, as their distance from its last day: (window_days, age_days)."""
    rows = [{"window_days": days, "age_days": age} for days in PATH_WINDOWS for age in range(days)]
    return SmallTable({"window_days": "BIGINT", "age_days": "BIGINT"}, rows)


def path_positions(settings: Settings) -> SmallTable:
    """Returns the positions of a path, including that of '(more)': (position)."""
    rows = [{"position": position} for position in range(1, settings.paths.max_path_actions + 2)]
    return SmallTable({"position": "BIGINT"}, rows)
