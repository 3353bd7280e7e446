"""Tests that sources in the settings fit the folders under raw/, and that lines before a later start are counted."""

from datetime import date
from pathlib import Path

import pytest

from session_pipeline import checks
from session_pipeline.cli import app
from session_pipeline.run.delivered_files import lines_before_start, sources_without_folder
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import load_settings
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 8)


def line(time: str, visitor: str = "v") -> dict[str, str]:
    return {"visitor_id": visitor, "event_time": time, "event_name": "page_view"}


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "data")


def warnings(deployment: Deployment) -> list[str]:
    return sources_without_folder(deployment.folder, load_settings(deployment.folder.path))


def test_source_without_a_folder_is_named_with_the_similar_folder(deployment: Deployment) -> None:
    deployment.deliver("a", [line("2026-10-05T10:00:00Z")], "web")
    deployment.deliver("b", [line("2026-10-05T10:00:00Z")], "we b")
    deployment.set({"sources": {"wbe": {"site": "shop"}, "we b": {}, "zzz": {}}})
    assert warnings(deployment) == [
        "[sources.wbe] in settings.toml has no folder raw/wbe; did you mean [sources.web]?",
        "[sources.zzz] in settings.toml has no folder raw/zzz; deliver its files there, or rename or remove it",
    ]
    deployment.set({"sources": {"web": {"site": "shop"}}})
    assert warnings(deployment) == []


def test_source_whose_folder_is_a_link_is_named(deployment: Deployment, tmp_path: Path) -> None:
    deployment.folder.raw.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (deployment.folder.raw / "app").symlink_to(tmp_path / "elsewhere")
    deployment.set({"sources": {"app": {"site": "shop"}}})
    [sentence] = warnings(deployment)
    assert sentence.startswith("[sources.app] in settings.toml has no folder raw/app, but a link")


@pytest.mark.parametrize("command", ["check", pytest.param("run", marks=pytest.mark.long), "status"])
def test_commands_warn_about_a_source_without_a_folder(
    deployment: Deployment, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.deliver("a", [line("2026-10-05T10:00:00Z")], "web")
    deployment.set({"sources": {"wbe": {"site": "shop"}}})
    for arguments in ([command], [command, "--json"]):
        app([*arguments, "--data", str(deployment.folder.path)], standalone_mode=False)
        shown = " ".join(capsys.readouterr().out.split())
        assert "[sources.wbe] in settings.toml has no folder raw/wbe; did you mean [sources.web]?" in shown


@pytest.mark.long
def test_any_folder_can_have_settings(deployment: Deployment) -> None:
    folders = ["we b", "a.b", "a'b", 'a"b', "größe", "a\\b", "[x]*", "a\tb"]
    for number, folder in enumerate(folders):
        deployment.deliver("a", [line(f"2026-10-05T10:0{number}:00Z")], folder)
    deployment.set({"sources": {folder: {"site": f"shop-{number}"} for number, folder in enumerate(folders)}})
    assert warnings(deployment) == []
    deployment.only = ("raw_events",)
    deployment.run(UNTIL)
    found = [(event["source"], event["site"]) for event in deployment.records("raw_events")]
    assert sorted(found) == sorted((folder, f"shop-{number}") for number, folder in enumerate(folders))


@pytest.mark.parametrize(
    "timezone",
    [
        *(pytest.param(zone, marks=pytest.mark.long) for zone in ("Asia/Tokyo", "America/New_York")),
        pytest.param("UTC", marks=pytest.mark.nightly),
    ],
)
def test_lines_before_a_later_start_of_a_gone_file_are_not_pending(deployment: Deployment, timezone: str) -> None:
    deployment.only = ("daily_summary",)
    times = [f"2026-10-0{day}T{hour:02}:00:00Z" for day in (4, 5, 6) for hour in (1, 12, 23)]
    path = deployment.deliver("a", [line(time) for time in times])
    deployment.set({"timezone": timezone})
    deployment.run(UNTIL)
    path.unlink()
    deployment.set({"timezone": timezone, "start_date": date(2026, 10, 6)})
    deployment.run(UNTIL)
    events = len(deployment.table("events"))
    assert 0 < events < 9
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        verdict = checks.ledger_closes(run, [])
        assert lines_before_start(run.settings, run.store) == 9 - events
    assert verdict.holds, verdict.sentence
    assert (verdict.figures["waiting"], verdict.figures["before_start"]) == (0, 9 - events)


def test_lines_before_start_of_an_existing_file_are_quarantined(deployment: Deployment) -> None:
    deployment.only = ("daily_summary",)
    deployment.deliver("a", [line("2026-10-04T01:00:00Z"), line("2026-10-06T01:00:00Z")])
    deployment.run(UNTIL)
    deployment.set({"start_date": date(2026, 10, 6)})
    deployment.run(UNTIL)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert lines_before_start(run.settings, run.store) == 0
        assert "before_start" not in checks.ledger_closes(run, []).figures
