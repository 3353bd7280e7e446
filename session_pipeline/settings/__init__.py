"""Reads and validates the settings: `settings.toml` of a data folder, over the packaged defaults.

The packaged defaults are in template.toml, the file that `init` writes. There is no second list of defaults.
"""

from session_pipeline.settings.funnels import SESSION_BREAKDOWNS, ExclusionSettings, FunnelSettings, StepSettings
from session_pipeline.settings.load import (
    key_of_source,
    load_settings,
    parse_settings,
    path_of_source,
    settings_template,
    source_section,
)
from session_pipeline.settings.model import (
    LIFECYCLE,
    ActionSettings,
    AlertSettings,
    FoldSettings,
    HistorySettings,
    SessionSettings,
    Settings,
)
from session_pipeline.settings.outcomes import GoalSettings, OutcomeSettings
from session_pipeline.settings.paths import PathSettings, PatternSettings
from session_pipeline.settings.presets import (
    NO_PRESET,
    OWN_FOLDER,
    packaged_names,
    packaged_preset,
    packaged_recognitions,
)
from session_pipeline.settings.sources import Preset, Recognition, SourceSettings

__all__ = [
    "LIFECYCLE",
    "NO_PRESET",
    "OWN_FOLDER",
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
    "Preset",
    "Recognition",
    "SessionSettings",
    "Settings",
    "SourceSettings",
    "StepSettings",
    "key_of_source",
    "load_settings",
    "packaged_names",
    "packaged_preset",
    "packaged_recognitions",
    "parse_settings",
    "path_of_source",
    "settings_template",
    "source_section",
]
