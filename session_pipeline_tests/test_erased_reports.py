"""Tests that no report shows an erased visitor: earlier ones are deleted, also one that is written meanwhile."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.erasing.erasures import Unfinished
from session_pipeline.report import figures
from session_pipeline.run import erasure
from session_pipeline.run.person import Person
from session_pipeline_tests import process_names
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import CANARY, SETTINGS, UNTIL, begin, complete, event


@pytest.mark.long
def test_reports_since_the_first_erased_day_are_deleted(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 7, 1)])
    deployment.run(UNTIL, publishes=False)
    deployment.folder.reports.mkdir()
    for day in ("2026-10-05", "2026-10-06", "2026-11-03", "2026-11-04"):
        (deployment.folder.reports / f"{day}.html").write_text("a report")
    begin(deployment, Person(CANARY, None, None))
    assert [path.name for path in complete(deployment)] == ["2026-10-06.html", "2026-11-03.html", "2026-11-04.html"]


@pytest.mark.long
def test_report_written_during_an_erasure_shows_nothing_of_it(
    with_canary: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = with_canary.copied_to(tmp_path / "data")
    day = date(2026, 10, 6)  # the canary and others were there
    before = report.write_day(deployment.folder, day).read_bytes()
    begin(deployment, Person(CANARY, None, None))
    while_read(monkeypatch, lambda: complete(deployment))
    written = report.write_day(deployment.folder, day).read_bytes()
    assert written != before
    assert report.write_day(deployment.folder, day).read_bytes() == written


@pytest.mark.long
def test_report_of_a_day_erased_meanwhile_is_removed(
    with_canary: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = with_canary.copied_to(tmp_path / "data")
    canary_alone = date(2026, 10, 5)
    begin(deployment, Person(CANARY, None, None))
    while_read(monkeypatch, lambda: complete(deployment))
    with pytest.raises(WrongUseError, match="there is no report of 2026-10-05"):
        report.write_day(deployment.folder, canary_alone)
    assert not report.day_file(deployment.folder, canary_alone).exists()


@pytest.mark.long
def test_files_of_a_container_that_was_killed_are_removed(with_canary: Deployment, tmp_path: Path) -> None:
    """Only the lock of the store shows that nobody writes them: process ids of another container say nothing here."""
    folder = with_canary.copied_to(tmp_path / "data").folder
    writer = process_names.in_another_container().replace("/", "-")
    pages = [folder.reports / name for name in ("latest.html", "2026-10-05.html")]
    left = [path.with_name(f".{path.name}.{writer}") for path in (folder.erasures, folder.visitor_key, *pages)]
    for path in left:
        path.write_text(CANARY)
    begin(Deployment.at(folder.path), Person(CANARY, None, None))
    complete(Deployment.at(folder.path))
    assert [path.name for path in left if path.exists()] == []


def while_read(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Let something happen once, after the next report has read its figures and before it is written."""
    read = figures.read

    def read_then_act(*arguments: Any) -> figures.Figures:
        found = read(*arguments)
        monkeypatch.setattr(figures, "read", read)
        action()
        return found

    monkeypatch.setattr(figures, "read", read_then_act)


def test_pages_that_are_no_reports_are_named_and_stay(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.reports.mkdir()
    for name in ("index.html", "about.html", "2026-10-05.html", "latest.html"):
        (folder.reports / name).write_text("nobody" if name == "about.html" else f"about {CANARY}")
    found = erasure.pages_with_ids(folder, Unfinished(ids=(CANARY,)))
    assert [path.name for path in found] == ["index.html"]
