"""Tests the warnings about fields that should be dropped or hashed, but are read as columns."""

from collections.abc import Mapping
from typing import Any

import pytest

from session_pipeline.settings import parse_settings
from session_pipeline.settings.presets import packaged_names
from session_pipeline.settings_warnings.sources import kept_in_columns
from session_pipeline_tests.deployment import to_toml


def warnings_of(settings: Mapping[str, Any]) -> list[str]:
    return list(map(str, kept_in_columns(parse_settings(to_toml(settings)), ["web"])))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"privacy": {"drop_properties": ["Page-Title"]}},
            "privacy.drop_properties: 'Page-Title' has no effect on the column page_title, which reads this field in"
            " raw/web; to leave the column empty, write page_title = [] in sources.web.columns",
        ),
        (
            {"privacy": {"hash_properties": ["email"]}, "sources": {"web": {"columns": {"user_id": "user.email"}}}},
            "privacy.hash_properties: 'email' has no effect on the column user_id, which reads this field in raw/web;"
            " to hash it, set privacy.user_ids = 'keyed'; to leave the column empty, write user_id = [] in"
            " sources.web.columns",
        ),
        (
            {"sources": {"web": {"drop_fields": ["visitor_id"]}}},
            "sources.web.drop_fields: 'visitor_id' has no effect on the column visitor_id, which reads this field in"
            " raw/web; every event needs this column; remove the name, or map another field to the column",
        ),
    ],
)
def test_field_that_a_column_reads_is_not_dropped(settings: Mapping[str, Any], said: str) -> None:
    assert warnings_of(settings) == [said]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"privacy": {"drop_properties": ["page_title"]}, "sources": {"web": {"columns": {"page_title": []}}}},
        {"privacy": {"hash_properties": ["card"]}, "sources": {"web": {"drop_fields": ["note"]}}},
        *({"sources": {"web": {"preset": name}}} for name in packaged_names()),
    ],
)
def test_other_fields_are_dropped(settings: Mapping[str, Any]) -> None:
    assert warnings_of(settings) == []
