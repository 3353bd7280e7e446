"""Tests settings that change for more days than one run rebuilds: which days are outdated, and when they are built."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.checks import CHECKS
from session_pipeline.cli import app, problems
from session_pipeline.defs import tags
from session_pipeline.publish.publication import Published
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.built_week import clean, event
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, Orchestrated, checks_of, orchestrated, shop_lines

UNTIL = date(2026, 10, 20)
FEW: Mapping[str, Any] = {"max_rebuild_days": 2}
NEWER: Mapping[str, Any] = {**FEW, "sessions": {"inactivity_minutes": 10}}


def owls(day: int) -> list[dict[str, Any]]:
    """Return visitors with sessions over midnight and with gaps that start a new session in the newer settings."""
    return [
        event(f"owl {number}", f"2026-10-{on:02}T{time}:00Z", day * 10 + position)
        for number in range(2)
        for position, (on, time) in enumerate(
            ((day, "10:00"), (day, "10:20"), (day, f"23:5{number}"), (day + 1, "00:05"), (day + 1, "00:20"))
        )
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("built"), FEW)
    for day in range(5, 9):
        deployment.deliver(f"day-{day}", owls(day))
    deployment.run(UNTIL)
    return deployment


@pytest.fixture
def deployment(built: Deployment, tmp_path: Path) -> Deployment:
    """Six days built with older settings, and newer settings. The test may change them."""
    shutil.copytree(built.folder.path, tmp_path / "data")
    return Deployment(tmp_path / "data", NEWER)


def outdated(deployment: Deployment) -> list[int]:
    return sorted(day.day for day in deployment.plan(UNTIL).outdated_days)


def warning_checks(deployment: Deployment) -> set[str]:
    """Return the names of the checks that fail over all days."""
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        days = run.planner.frame.wanted
        return {check.name for check in CHECKS if not check.run(run, days).holds}


@pytest.mark.long
def test_outdated_days_do_not_block_new_days_or_late_data(deployment: Deployment, tmp_path: Path) -> None:
    deployment.deliver("day-9", owls(9))
    built = deployment.run(UNTIL, upgrade=False)
    assert isinstance(deployment.published, Published)
    assert {day.day for _, day in built if day} >= {9, 10}
    assert outdated(deployment) == [5, 6, 7, 8]
    assert warning_checks(deployment) == {"built_by_current_rules"}
    assert deployment.run(UNTIL, upgrade=False) == []
    assert "already" in str(deployment.published)

    deployment.deliver("late", [event("late", "2026-10-06T12:00:00Z", 1)])
    built = deployment.run(UNTIL, upgrade=False)
    assert isinstance(deployment.published, Published)
    assert ("sessionize", date(2026, 10, 6)) in built, "late data for an outdated day is built at once"
    assert "late" in set(deployment.table("sessions")["visitor_id"])
    assert 6 not in outdated(deployment)
    assert 5 in outdated(deployment), "what nothing new came for still waits"
    assert warning_checks(deployment) == {"built_by_current_rules"}

    assert deployment.run(UNTIL, upgrade=True, publishes=False)
    assert outdated(deployment) == []
    assert deployment.hashes() == clean(deployment, tmp_path / "clean")


@pytest.mark.nightly
def test_last_outdated_day_gets_its_sessions_events_of_a_new_day(deployment: Deployment) -> None:
    """That a session continues on a new day counts as data, even if settings changed in the meantime."""
    deployment.deliver("day-9", owls(9))
    deployment.deliver("day-10", owls(10))
    deployment.run(UNTIL, upgrade=False)
    assert warning_checks(deployment) == {"built_by_current_rules"}


@pytest.mark.nightly
def test_late_data_rebuilds_only_outdated_days_that_read_it(deployment: Deployment) -> None:
    deployment.set({**FEW, "sessions": {"engaged_seconds": 20}})  # changes nothing that is carried over midnight
    deployment.deliver("late", [event("late", "2026-10-06T12:00:00Z", 1)])
    built = deployment.run(UNTIL, upgrade=False)
    assert {day.day for step, day in built if day and step == "sessionize"} == {6}
    # Sessions of the 5th read the events of the 6th.
    assert outdated(deployment) == [7, 8, 9, 10]


@pytest.mark.nightly
def test_damaged_file_of_an_outdated_day_is_rebuilt(deployment: Deployment) -> None:
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.store.mark_damaged(run.store.of_table("sessions")[0])
    built = deployment.run(UNTIL, upgrade=False)
    assert ("sessions", date(2026, 10, 5)) in built
    assert outdated(deployment) == [6, 7, 8, 9, 10]


@pytest.mark.long
def test_time_zone_change_is_not_outdated(deployment: Deployment, tmp_path: Path) -> None:
    """Both time zones read the same UTC dates and divide them at different times."""
    deployment.set({**FEW, "timezone": "Asia/Kolkata"})
    deployment.run(UNTIL, publishes=False)
    deployment.set({**FEW, "timezone": "Asia/Kathmandu", "sessions": {"inactivity_minutes": 10}})
    deployment.run(UNTIL, upgrade=False, publishes=False)
    assert outdated(deployment) == []
    assert warning_checks(deployment) == set()
    assert deployment.hashes() == clean(deployment, tmp_path / "clean")


@pytest.mark.long
def test_reasons_of_all_outdated_steps_are_named(deployment: Deployment) -> None:
    deployment.set({**NEWER, "paths": {"max_paths": 50}})
    [sentence] = problems.outdated_days(deployment.plan(UNTIL))
    assert sentence.startswith(
        "6 days of older settings, 2026-10-05 to 2026-10-10 (setting inactivity_minutes changed from 30 to 10;"
        " setting max_paths changed from 1000 to 50): more than max_rebuild_days"
    ), sentence


@pytest.mark.long
def test_outdated_days_whose_raw_events_expire_stay_as_they_are(deployment: Deployment, built: Deployment) -> None:
    deployment.set({**NEWER, "privacy": {"keep_days": {"raw": 10}}})
    [sentence] = problems.outdated_days(deployment.plan(UNTIL))
    assert sentence.endswith(
        "so they wait for `session-pipeline run --upgrade`; days whose raw events expire before then"
        " (privacy.keep_days) stay as they are"
    )
    deployment.run(UNTIL, upgrade=False)
    assert outdated(deployment) == []
    deployment.run(UNTIL, upgrade=True)
    kept = {key: value for key, value in built.hashes().items() if not key.startswith("raw_events")}
    assert deployment.hashes() == kept


@pytest.mark.long
def test_settings_changed_back_leave_no_outdated_days(deployment: Deployment, built: Deployment) -> None:
    deployment.run(UNTIL, upgrade=False)
    deployment.set(FEW)
    assert deployment.run(UNTIL, upgrade=False) == []
    assert outdated(deployment) == []
    assert deployment.hashes() == built.hashes()


@pytest.mark.long
def test_outdated_days_are_counted_in_the_warehouse_and_in_the_report(deployment: Deployment) -> None:
    sentence = "6 days still with the definitions of older settings or models"
    deployment.run(UNTIL, upgrade=False)
    assert deployment.query("select timezone, outdated_day_count from warehouse_info") == [("UTC", 6)]
    assert sentence in report.write(deployment.folder).path.read_text()
    deployment.run(UNTIL, upgrade=True)
    assert deployment.query("select outdated_day_count from warehouse_info") == [(0,)]
    assert sentence not in report.write(deployment.folder).path.read_text()


@pytest.fixture(scope="module")
def built_shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Three days of a shop, for tests to copy."""
    made = Deployment(tmp_path_factory.mktemp("shop") / "data", SMALL)
    for day in range(6, 9):
        made.deliver(str(day), shop_lines(date(2024, 5, day)))
    made.run()
    return made


class TestInDagster:
    DAY, LAST = date(2024, 5, 6), date(2024, 5, 9)

    @pytest.fixture
    def orchestration(self, built_shop: Deployment, tmp_path: Path) -> Iterator[Orchestrated]:
        settings = {**SMALL, "max_rebuild_days": 1, "sessions": {"inactivity_minutes": 10}}
        with orchestrated(tmp_path / "data", settings, copy_of=built_shop) as made:
            yield made

    @pytest.mark.long
    def test_build_skips_outdated_days_and_reports_them(self, orchestration: Orchestrated) -> None:
        orchestration.deliver("late", shop_lines(date(2024, 5, 7), visitors=7)[-2:])
        assert orchestration.ingest().success
        result = orchestration.execute("build", orchestration.run_tags(self.DAY, self.LAST))
        assert result.success
        because = orchestration.seen("events", self.DAY)["built_because"]
        assert because.startswith(
            "waits for `run --upgrade`: setting inactivity_minutes changed from 30 to 10, not rebuilt; built at"
        )
        assert "raw_events changed" in orchestration.seen("events", date(2024, 5, 7))["built_because"]
        assert checks_of(result)["built_by_current_rules"] is False
        assert {name for name, holds in checks_of(result).items() if not holds} == {"built_by_current_rules"}
        assert orchestration.seen("warehouse")["replaced_partitions"] > 0, "it was published"

    @pytest.mark.long
    def test_upgrade_builds_outdated_days(self, orchestration: Orchestrated) -> None:
        upgrade = {**orchestration.run_tags(self.DAY, self.LAST), tags.UPGRADE: "true"}
        result = orchestration.execute("build", upgrade)
        assert result.success
        assert checks_of(result)["built_by_current_rules"] is True
        assert orchestration.planned().is_empty
        assert not orchestration.planned().outdated

    @pytest.mark.nightly
    def test_outdated_day_can_be_built_by_hand(self, orchestration: Orchestrated) -> None:
        assert orchestration.by_hand(self.DAY, "sessions").success
        assert orchestration.seen("sessions", self.DAY)["built_because"].startswith("asked for by hand")

    @pytest.mark.long
    def test_command_line_lists_and_upgrades_outdated_days(
        self, orchestration: Orchestrated, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def said(*arguments: str) -> tuple[int, str]:
            with pytest.raises(SystemExit) as ended:
                app([*arguments, "--data", str(orchestration.folder.path)])
            captured = capsys.readouterr()
            return int(ended.value.code or 0), captured.out + captured.err

        days = [f"2024-05-0{day}" for day in range(6, 10)]
        assert said("run")[0] == 0
        assert json.loads(said("status", "--json")[1])["outdated_days"] == days
        code, problem = said("status", "--check")
        assert (code, "4 days of older settings, 2024-05-06" in problem) == (1, True)
        outdated = json.loads(said("plan", "--json")[1])["outdated"]
        assert {item["day"] for item in outdated} == set(days)
        steps = [{"name": name, "where": "event_name = 'page_view'"} for name in ("one", "two")]
        waiting_still = {**SMALL, "max_rebuild_days": 1, "sessions": {"inactivity_minutes": 10}}
        orchestration.set({**waiting_still, "funnels": [{"name": "mine", "steps": steps}]})
        code, summary = said("run")
        assert (code, "mine: no attempts yet; 4 days of older settings" in " ".join(summary.split())) == (0, True), (
            summary
        )
        code, summary = said("run", "--upgrade")
        assert (code, "mine: no attempts yet" in summary) == (0, False)
        assert json.loads(said("status", "--json")[1])["outdated_days"] == []
        assert said("status", "--check")[0] == 0
        run, *_ = orchestration.instance.get_runs(limit=1)
        assert run.tags[tags.REASON] == "upgrade"
