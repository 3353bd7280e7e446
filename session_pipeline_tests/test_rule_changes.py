"""Tests which setting is named as the reason that a file is read again."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.mapping import rule_changes
from session_pipeline.ingest.mapping.rule_changes import CHANGED_SETTINGS, recorded, what_changed
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import parse_settings
from session_pipeline_tests.deployment import Deployment, to_toml
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
        ({"plain_users": ("guest",)}, "identity changed"),
        (
            {"site": "b", "format": "csv", "constants": {"currency": "EUR"}, "delimiter": ";", "header": ("a",)},
            "[sources.web] site, [sources.web] format, [sources.web] constants and 2 more changed",
        ),
        (
            {"format": "csv", "delimiter": ";", "header": ("a",)},
            "[sources.web] format, [sources.web] delimiter, [sources.web] header changed",
        ),
        ({}, CHANGED_SETTINGS),
    ],
)
def test_changed_setting_is_named(changed: dict[str, Any], sentence: str) -> None:
    before = replace(RULES, earliest=datetime(2020, 1, 1))
    assert what_changed({"rules": recorded(before)}, replace(before, **changed)) == sentence


@pytest.mark.parametrize("user_ids", ["plain", "keyed"])
@pytest.mark.parametrize("by", ["visitor", "person"])
def test_ignored_user_ids_are_rules_only_if_persons_have_keyed_users(by: str, user_ids: str) -> None:
    """Otherwise, a change of the ids would read files again for nothing."""

    def rules_with(ignored: list[str]) -> ReadingRules:
        given = {"identity": {"by": by, "ignored_user_ids": ignored}, "privacy": {"user_ids": user_ids}}
        return rules_of(parse_settings(to_toml(given)), "web", VisitorKey(bytes(32)))

    rules, others = rules_with(["guest"]), rules_with(["guest", "0"])
    is_by_person = (by, user_ids) == ("person", "keyed")
    assert (rules.plain_users, others.plain_users) == ((("guest",), ("0", "guest")) if is_by_person else ((), ()))
    assert (rules.fingerprint("jsonl") != others.fingerprint("jsonl")) is is_by_person


def test_only_rules_that_differ_from_the_defaults_are_recorded() -> None:
    """So a rule that a later version adds is not named as changed, and the record of each file is short."""
    usual = recorded(RULES)
    assert usual.keys() == {"version", "earliest", "keep_query_parameters", "drop_properties"}
    changed = recorded(replace(RULES, columns={"visitor_id": "uid"}, log_format="common", decimal_comma=True))
    assert changed.keys() - usual.keys() == {"columns", "log_format", "decimal_comma"}
    assert len(changed["columns"]) == 8


def test_order_of_keys_is_no_change() -> None:
    columns = {"visitor_id": "uid", "event_time": "at"}
    before = recorded(replace(RULES, columns=columns))
    assert before == recorded(replace(RULES, columns=dict(reversed(columns.items()))))


def test_setting_that_is_removed_is_named() -> None:
    before = recorded(replace(RULES, columns={"visitor_id": "uid"}))
    assert what_changed({"rules": before}, RULES) == "[sources.web] columns changed"


def test_other_reasons_than_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"rules": recorded(RULES), "visitor_key": "another"}
    assert what_changed(facts, replace(RULES, visitor_key=VisitorKey(bytes(32)))) == "visitor_key changed"
    assert what_changed(facts, replace(RULES, visitor_key=None)) == "visitor_key changed"
    assert RULES.visitor_key is not None
    same_key = facts | {"visitor_key": RULES.visitor_key.fingerprint}
    assert what_changed(same_key, RULES) == CHANGED_SETTINGS
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
