"""What can be tuned: `settings.toml` of a data folder over the packaged defaults; refuses nonsense.

The packaged defaults are settings_template.toml itself, the file that `init` writes: there is no second list of them.
"""

from session_pipeline.settings.load import key_of_source, load_settings, parse_settings, settings_template
from session_pipeline.settings.model import (
    SESSION_BREAKDOWNS,
    ActionSettings,
    AlertSettings,
    ExclusionSettings,
    FoldSettings,
    FunnelSettings,
    GoalSettings,
    OutcomeSettings,
    SessionSettings,
    Settings,
    SourceSettings,
    StepSettings,
)

__all__ = [
    "SESSION_BREAKDOWNS",
    "ActionSettings",
    "AlertSettings",
    "ExclusionSettings",
    "FoldSettings",
    "FunnelSettings",
    "GoalSettings",
    "OutcomeSettings",
    "SessionSettings",
    "Settings",
    "SourceSettings",
    "StepSettings",
    "key_of_source",
    "load_settings",
    "parse_settings",
    "settings_template",
]
