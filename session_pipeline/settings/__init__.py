"""Reads and validates the settings: `settings.toml` of a data folder, over the packaged defaults.

The packaged defaults are in template.toml, the file that `init` writes. There is no second list of defaults.
"""

from session_pipeline.settings.funnels import SESSION_BREAKDOWNS, ExclusionSettings, FunnelSettings, StepSettings
from session_pipeline.settings.load import key_of_source, load_settings, parse_settings, settings_template
from session_pipeline.settings.model import (
    LIFECYCLE,
    ActionSettings,
    AlertSettings,
    FoldSettings,
    GoalSettings,
    HistorySettings,
    OutcomeSettings,
    SessionSettings,
    Settings,
    SourceSettings,
)
from session_pipeline.settings.paths import PathSettings, PatternSettings

__all__ = [
    "LIFECYCLE",
    "SESSION_BREAKDOWNS",
    "ActionSettings",
    "AlertSettings",
    "ExclusionSettings",
    "FoldSettings",
    "FunnelSettings",
    "GoalSettings",
    "HistorySettings",
    "OutcomeSettings",
    "PathSettings",
    "PatternSettings",
    "SessionSettings",
    "Settings",
    "SourceSettings",
    "StepSettings",
    "key_of_source",
    "load_settings",
    "parse_settings",
    "settings_template",
]
