"""Tests the preset that is suggested for flat exports of tools, which have a column for each property."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import data_folder
from session_pipeline.trial.result import NO_SOURCE
from session_pipeline.trial.try_file import try_file

FLAT = [
    (
        "event_timestamp,event_name,user_pseudo_id,ga_session_id,page_location,revenue",
        "1795165200000000,{name},100.1763,1763629200,https://shop.example/,5.00",
        "session_start",
        {
            "preset": "ga4",
            "columns": {"client_session_id": "ga_session_id", "page_url": "page_location", "value": "revenue"},
        },
    ),
    (
        "uuid,event,properties.$current_url,properties.$lib,distinct_id,timestamp",
        "0192-{number},{name},https://shop.example/,web,u1,2026-11-20T09:00:00.123000+00:00",
        "$pageleave",
        {"preset": "posthog"},
    ),
    (
        "event,time,distinct_id,$browser,$current_url",
        "{name},1795165200,d1,Chrome,https://shop.example/",
        "$mp_page_leave",
        {
            "preset": "mixpanel",
            "columns": {"visitor_id": "distinct_id", "event_time": "time", "page_url": "$current_url"},
        },
    ),
    (
        "Event Name,Time,Distinct ID,Current URL",
        "{name},2026-11-20T09:00:00,d1,https://shop.example/",
        "$mp_page_leave",
        {
            "preset": "mixpanel",
            "columns": {
                "visitor_id": "Distinct ID",
                "event_time": "Time",
                "event_name": "Event Name",
                "page_url": "Current URL",
            },
        },
    ),
    (
        "amplitude_id,device_id,event_type,event_time",
        "7,d1,{name},2026-11-20 09:00:00.000000",
        "session_start",
        {"preset": "amplitude"},
    ),
]


@pytest.mark.parametrize(("header", "row", "name", "keys"), FLAT)
def test_preset_of_a_flat_export(header: str, row: str, name: str, keys: Mapping[str, Any], tmp_path: Path) -> None:
    rows = [row.format(name=each, number=number) for number, each in enumerate((name, "sign_up", name))]
    file = tmp_path / "export.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    found = try_file(file, folder=None, source=NO_SOURCE, has_sessions=False)
    assert (found.suggested, found.missing, found.accepted_with_suggested) == (keys, {}, 3)


def test_names_that_the_preset_does_not_know_are_suggested(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    row = "2026-11-20 09:00:00,{name},v1"
    rows = [row.format(name=name) for name in ("session_start", "addtocart")]
    file.write_text("\n".join(["event_timestamp,event_name,user_pseudo_id", *rows]))
    found = try_file(file, folder=None, source=NO_SOURCE, has_sessions=False)
    assert found.suggested == {"preset": "ga4", "event_names": {"addtocart": "add_to_cart"}}


def test_settings_that_say_how_files_are_read_stay(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[sources.web]\ncolumns = { page_url = "page_location" }\n')
    file = tmp_path / "export.csv"
    file.write_text("event_timestamp,event_name,user_pseudo_id\n2026-11-20 09:00:00,sign_up,v1\n")
    found = try_file(file, folder=data_folder.at(tmp_path), source="web", has_sessions=False)
    assert "preset" not in found.suggested
