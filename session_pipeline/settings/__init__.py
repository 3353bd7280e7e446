"""Reads and validates the settings: `settings.toml` of a data folder, over the packaged defaults.

The packaged defaults are in template.toml, the file that `init` writes. There is no second list of defaults.
model.py defines all settings, each from a section.py, and values.py the types of single values: sources.py, privacy.py,
identity.py, bots.py, outcomes.py, funnels.py, friction.py, paths.py, definitions.py and engine.py have those of one
topic. load.py reads the file, environment.py the environment variables, and presets.py the presets of sources.
action_patterns.py has the patterns of actions, which pattern_parser.py parses; pattern_times.py computes how long they
take. conditions/ checks the SQL expressions in the settings. shortening.py shortens texts for sentences about settings
and data.
"""

from session_pipeline.settings.funnels import SESSION_BREAKDOWNS, FunnelSettings
from session_pipeline.settings.load import (
    as_toml,
    key_of_source,
    load_settings,
    own_keys,
    parse_settings,
    path_of_source,
    settings_template,
    source_section,
)
from session_pipeline.settings.model import AlertSettings, HistorySettings, Settings
from session_pipeline.settings.paths import PatternSettings
from session_pipeline.settings.presets import (
    OWN_FOLDER,
    packaged_names,
    packaged_preset,
    packaged_recognitions,
)
from session_pipeline.settings.sources import Preset, Recognition, SourceSettings

__all__ = [
    "OWN_FOLDER",
    "SESSION_BREAKDOWNS",
    "AlertSettings",
    "FunnelSettings",
    "HistorySettings",
    "PatternSettings",
    "Preset",
    "Recognition",
    "Settings",
    "SourceSettings",
    "as_toml",
    "key_of_source",
    "load_settings",
    "own_keys",
    "packaged_names",
    "packaged_preset",
    "packaged_recognitions",
    "parse_settings",
    "path_of_source",
    "settings_template",
    "source_section",
]
