"""Tests which setting is named as the reason that a file is read again."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.mapping import rule_changes
from session_pipeline.ingest.mapping.rule_changes import CHANGED_SETTINGS, RECORDED, recorded, what_changed
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.ingesting import RULES

BERLIN = datetime(2019, 12, 31, 23)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"earliest": BERLIN}, "timezone changed"),
        ({"earliest": datetime(2021, 1, 1)}, "start_date changed"),
        ({"earliest": datetime(2021, 1, 1, 23)}, "start_date or timezone changed"),
        ({"columns": {"visitor_id": "uid"}}, "[sources.web] columns changed"),
        ({"source": "a b", "site": "other"}, '[sources."a b"] site changed'),
        ({"has_keyed_users": True, "earliest": BERLIN}, "timezone, privacy.user_ids changed"),
        (
            {"site": "b", "format": "csv", "constants": {"currency": "EUR"}, "delimiter": ";", "header": ("a",)},
            "[sources.web] site, [sources.web] format, [sources.web] constants and 2 more changed",
        ),
        ({}, CHANGED_SETTINGS),
    ],
)
def test_changed_setting_is_named(changed: dict[str, Any], sentence: str) -> None:
    before = replace(RULES, earliest=datetime(2020, 1, 1))
    assert what_changed({RECORDED: recorded(before)}, replace(before, **changed)) == sentence


def test_setting_that_is_removed_is_named() -> None:
    before = recorded(replace(RULES, columns={"visitor_id": "uid"}))
    assert what_changed({RECORDED: before}, RULES) == "[sources.web] columns changed"


def test_other_reasons_than_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {RECORDED: recorded(RULES), "visitor_key": "another"}
    assert what_changed(facts, replace(RULES, visitor_key=VisitorKey(bytes(32)))) == "visitor_key changed"
    assert what_changed({}, RULES) == CHANGED_SETTINGS, "read by a version that recorded no rules"
    monkeypatch.setattr(rule_changes, "LOGIC_VERSION", 999)
    assert what_changed(facts, RULES) == "session_pipeline was upgraded, and visitor_key changed"


def test_plan_names_the_time_zone(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    deployment.deliver(
        "a", [{"visitor_id": "v", "event_time": "2024-03-01T12:00:00Z", "event_name": "a"}], source="web"
    )
    (deployment.folder.raw / "web" / "b.jsonl.gz").write_bytes(b"nothing")
    with open_run(deployment.folder, run_id="test", until=date(2024, 3, 3)) as run:
        run.ingest()
    deployment.set({"start_date": date(2024, 1, 1), "timezone": "Europe/Berlin"})
    with open_run(deployment.folder, run_id="test", until=date(2024, 3, 3)) as run:
        assert set(run.files_to_read().values()) == {"timezone changed"}
        assert len(run.files_to_read()) == 2
        run.ingest()
        assert run.files_to_read() == {}
