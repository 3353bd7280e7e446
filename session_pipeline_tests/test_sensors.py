"""Tests the sensors with a real Dagster instance: when they launch which runs.

test_waiting_sensors.py tests when they wait for runs, or after them.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus

from session_pipeline import report
from session_pipeline.checks import CHECKS
from session_pipeline.defs import code_location, sensors, tags, waiting
from session_pipeline.defs.assets import INGESTED
from session_pipeline.defs.jobs import REPORT, UNDATED
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Key
from session_pipeline_tests.dying_runs import partitions
from session_pipeline_tests.orchestration import (
    SMALL,
    Orchestrated,
    checks_of,
    orchestrated,
    shop_lines,
    steps_run,
)
from session_pipeline_tests.simulation.simulated_clock import simulated
from session_pipeline_tests.ticks import DAY, FAR_DAY, RUNS_OF_RANGES, range_of, remember, tick, two_days


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    with two_days(tmp_path_factory.mktemp("delivered") / "data") as deployment:
        yield deployment


@pytest.fixture
def deployment(delivered: Orchestrated, tmp_path: Path) -> Iterator[Orchestrated]:
    """Two days a month apart, ingested but not built."""
    with orchestrated(tmp_path / "data", copy_of=delivered) as copy:
        yield copy


@pytest.fixture(scope="module")
def built_once(delivered: Orchestrated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    with orchestrated(tmp_path_factory.mktemp("built") / "data", copy_of=delivered) as copy:
        copy.run()
        report.write(copy.folder)
        yield copy


@pytest.fixture
def built(built_once: Orchestrated, tmp_path: Path) -> Iterator[Orchestrated]:
    """The same, built and published without Dagster."""
    with orchestrated(tmp_path / "data", copy_of=built_once) as copy:
        yield copy


# landing and stale_days


@pytest.mark.parametrize("name", ["landing", "stale_days"])
def test_sensors_skip_while_the_settings_are_invalid(deployment: Orchestrated, name: str) -> None:
    definitions = deployment.definitions()
    deployment.folder.settings.write_text('daily_at = "25:00"\n')
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        skipped = definitions.resolve_sensor_def(name).evaluate_tick(context)
    assert skipped.run_requests == []
    assert f"{deployment.folder.settings} has an invalid setting" in str(skipped.skip_message)


# landing


@pytest.mark.long
def test_new_file_launches_ingest_once_it_is_settled(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployment.ingest().success  # copies are new files with known content
    assert tick(deployment, "landing").skip_message == "no new file under raw/"
    deployment.deliver("new", shop_lines(DAY, visitors=7))
    assert tick(deployment, "landing").skip_message == "files are still being delivered"
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    [request] = tick(deployment, "landing").run_requests or []
    assert request.tags[tags.REASON] == "landing"


@pytest.mark.long
def test_removed_file_that_was_not_accepted_launches_ingest(deployment: Orchestrated) -> None:
    refused = deployment.folder.raw / "test" / "refused.jsonl.gz"
    refused.write_bytes(b"no gzip")
    assert deployment.ingest().success
    refused.unlink()
    assert len(tick(deployment, "landing").run_requests or []) == 1
    assert deployment.ingest().success
    assert tick(deployment, "landing").skip_message == "no new file under raw/"


def test_changed_source_settings_launch_ingest(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    deployment.set({**SMALL, "sources": {"test": {"site": "shop"}}})
    assert len(tick(deployment, "landing").run_requests or []) == 1


def test_failed_ingest_is_not_retried_every_minute(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    deployment.deliver("new", shop_lines(DAY, visitors=7))
    [request] = tick(deployment, "landing").run_requests or []
    remember(deployment, "ingest", dg.DagsterRunStatus.FAILURE, **request.tags)
    failed_once = "the ingest of the same files failed; the next attempt is after "
    assert str(tick(deployment, "landing").skip_message).startswith(failed_once)
    remember(deployment, "ingest", dg.DagsterRunStatus.FAILURE, **request.tags)
    assert str(tick(deployment, "landing").skip_message).startswith(
        "the ingest of the same files failed 2 times in a row"
    )
    deployment.deliver("newer", shop_lines(FAR_DAY, visitors=7))
    assert len(tick(deployment, "landing").run_requests or []) == 1, "with another file it is worth a try"


# stale_days


@pytest.mark.long
def test_first_day_has_nothing_to_build_yet(tmp_path: Path) -> None:
    today = date(2024, 5, 7)
    with (
        simulated(datetime(2024, 5, 7, 12, tzinfo=UTC)),
        orchestrated(tmp_path / "data", {**SMALL, "start_date": today}) as deployment,
    ):
        deployment.deliver(str(today), shop_lines(today))
        assert deployment.ingest().success
        for request in tick(deployment, "stale_days").run_requests or []:
            assert deployment.execute("build", request.tags, request.asset_selection).success
        assert tick(deployment, "stale_days").skip_message == "all days are up to date"


def test_each_range_of_stale_days_is_a_run(deployment: Orchestrated) -> None:
    requests = tick(deployment, "stale_days").run_requests or []
    assert [range_of(request) for request in requests] == RUNS_OF_RANGES
    plan = deployment.planned()
    for request in requests:
        assert request.tags[tags.UNTIL] == str(plan.frame.until)
        assert request.tags[tags.PLANNED] == tags.plan_id(plan)
        assert request.tags[tags.REASON] == "late"


def test_build_reason_is_schedule_for_the_newest_day_or_late(deployment: Orchestrated) -> None:
    deployment.deliver("yesterday", shop_lines(deployment.planned().frame.until))
    assert deployment.ingest().success
    requests = tick(deployment, "stale_days").run_requests or []
    assert [request.tags[tags.REASON] for request in requests] == ["late", "late", "schedule"]


@pytest.mark.long
def test_rebuild_of_damaged_files_has_the_reason_damaged(built: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    assert built.ingest().success  # the copies are known
    with open_run(built.folder, run_id="test") as run:
        run.store.mark_damaged(run.store.partitions[Key("sessions", DAY)])
    # The far day reads the visitors of the damaged one.
    requests = tick(built, "stale_days").run_requests or []
    assert [range_of(request) for request in requests] == RUNS_OF_RANGES
    assert [request.tags[tags.REASON] for request in requests] == [tags.DAMAGED, tags.LATE]
    with open_run(built.folder, run_id="test") as run:
        run.store.mark_damaged(next(item for item in run.store.of_table("raw_events")))
    [request] = tick(built, "landing").run_requests or []
    assert request.tags[tags.REASON] == tags.DAMAGED


@pytest.mark.long
@pytest.mark.parametrize("asked", [{}, {tags.UPGRADE: "true"}], ids=["usual", "after an upgrade"])
def test_run_that_only_publishes_what_was_built_by_hand_has_the_reason_publish(
    asked: dict[str, str], built: Orchestrated
) -> None:
    assert built.execute("ingest", asked).success
    assert built.by_hand(DAY, "sessions").success
    assert built.planned().items == ()
    [request] = tick(built, "stale_days").run_requests or []
    assert (range_of(request), request.tags[tags.REASON]) == ((str(DAY), str(DAY)), "publish")


@pytest.mark.parametrize("changed", [{"sessions": {"inactivity_minutes": 10}}, {"identity": {"by": "person"}}])
def test_rebuild_for_changed_settings_has_the_reason_upgraded(built: Orchestrated, changed: dict[str, Any]) -> None:
    built.set({**SMALL, **changed})
    requests = tick(built, "stale_days").run_requests or []
    assert {request.tags[tags.REASON] for request in requests} == {tags.UPGRADED}


RULES_AND_SITE = {**SMALL, "sessions": {"inactivity_minutes": 10}, "sources": {"test": {"site": "shop"}}}
READ_FIRST = "delivered files were read with other settings, or by another version; they are read again first"


def test_files_are_read_again_before_one_build(built: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    built.set(RULES_AND_SITE)
    assert tick(built, "stale_days").skip_message == READ_FIRST
    [request] = tick(built, "landing").run_requests or []
    assert built.execute("ingest", request.tags).success
    requests = tick(built, "stale_days").run_requests or []
    assert [range_of(request) for request in requests] == RUNS_OF_RANGES


def test_build_waits_for_no_ingest_that_is_not_coming(built: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    built.set(RULES_AND_SITE)
    assert tick(built, "stale_days").run_requests, "the files are not settled, so landing may wait for long"
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    landing = code_location.origin().get_instigator_origin("landing")
    built.instance.add_instigator_state(InstigatorState(landing, InstigatorType.SENSOR, InstigatorStatus.STOPPED))
    assert tick(built, "stale_days").run_requests, "a user switched landing off"
    built.instance.update_instigator_state(InstigatorState(landing, InstigatorType.SENSOR, InstigatorStatus.RUNNING))
    assert tick(built, "stale_days").skip_message == READ_FIRST
    [request] = tick(built, "landing").run_requests or []
    remember(built, "ingest", dg.DagsterRunStatus.SUCCESS, **request.tags)
    assert tick(built, "stale_days").run_requests, "an ingest could not read the files"
    remember(built, "ingest", dg.DagsterRunStatus.FAILURE)
    assert tick(built, "stale_days").run_requests, "the last ingest failed"


@pytest.mark.parametrize("content", [None, b"no gzip"], ids=["gone", "corrupt"])
def test_file_that_cannot_be_read_again_prevents_no_build(
    built: Orchestrated, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    for path in (built.folder.raw / "test").iterdir():
        path.unlink()
        if content is not None:
            path.with_name(f"{path.name}.gz").write_bytes(content)
    built.set(RULES_AND_SITE)
    assert tick(built, "stale_days").run_requests


@pytest.mark.long
def test_internal_tags_are_hidden(built: Orchestrated) -> None:
    built.deliver("late", shop_lines(FAR_DAY, visitors=7))
    assert built.ingest().success
    [request] = tick(built, "stale_days").run_requests or []
    assert range_of(request) == RUNS_OF_RANGES[1]
    assert built.execute("build", request.tags).success
    assert built.by_hand(DAY, "sessions").success
    for run in built.instance.get_runs():
        shown = {key for key in run.tags if not key.startswith(".dagster/")}
        assert {key for key in shown if not key.startswith("dagster/")} == {tags.REASON}
    latest_first = [run.tags[tags.REASON] for run in built.instance.get_runs(limit=3)]
    assert latest_first == [tags.MANUAL, tags.LATE, tags.MANUAL]  # by hand, a build, ingest


@pytest.mark.long
def test_definitions_without_the_days_to_build_are_reloaded_first(
    delivered: Orchestrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(code_location, "reload_once", asked.append)
    with orchestrated(tmp_path / "data", copy_of=delivered) as deployment:
        loaded = deployment.definitions()
        deployment.deliver("earlier", shop_lines(DAY - timedelta(days=2)))
        assert deployment.ingest().success

        def tick_with(definitions: dg.Definitions, cursor: str | None) -> SensorExecutionData:
            with dg.build_sensor_context(
                instance=deployment.instance, cursor=cursor, definitions=definitions
            ) as context:
                return definitions.resolve_sensor_def("stale_days").evaluate_tick(context)

        first = tick_with(loaded, None)
        assert str(first.skip_message).startswith("other days have events now")
        assert asked
        assert not tick_with(deployment.definitions(), first.cursor).run_requests, "the daemon may have the old ones"
        monkeypatch.setattr(sensors, "LONGEST_LOADING", timedelta(0))
        assert tick_with(deployment.definitions(), first.cursor).run_requests
        assert tick_with(loaded, first.cursor).run_requests, "a server that cannot load them keeps nothing unbuilt"


@pytest.mark.long
def test_fresh_days_launch_nothing_and_are_not_planned_again(built: Orchestrated) -> None:
    first = tick(built, "stale_days")
    assert first.skip_message == "all days are up to date"
    again = tick(built, "stale_days", first.cursor)
    assert again.skip_message == "all days are up to date, and nothing has changed since the last tick"
    built.deliver("late", shop_lines(DAY, visitors=7))
    assert built.ingest().success
    requests = tick(built, "stale_days", first.cursor).run_requests or []
    assert [range_of(request) for request in requests] == RUNS_OF_RANGES, "the far day reads the visitors of the day"


@pytest.mark.long
def test_missed_publication_is_launched_with_the_checks_of_its_days(built: Orchestrated) -> None:
    assert built.by_hand(FAR_DAY, "sessions").success  # builds, but does not publish
    before = partitions(built)
    [request] = tick(built, "stale_days").run_requests or []
    assert range_of(request) == (str(FAR_DAY), str(FAR_DAY))
    result = built.execute("build", request.tags, request.asset_selection)
    assert result.success
    assert checks_of(result).keys() == {check.name for check in CHECKS if check.table not in INGESTED}
    assert partitions(built) == before, "nothing was built again"
    assert tick(built, "stale_days").skip_message == "all days are up to date"


@pytest.mark.long
def test_days_of_a_killed_run_are_checked_with_the_rest(built: Orchestrated) -> None:
    assert built.by_hand(DAY, "sessions").success
    with open_run(built.folder, run_id="test") as run:
        run.store.mark_damaged(run.store.partitions[Key("session_facts", FAR_DAY)])
    [request] = tick(built, "stale_days").run_requests or []
    assert range_of(request) == (str(DAY), str(FAR_DAY))


@pytest.mark.long
def test_report_that_was_not_written_is_launched_alone(built: Orchestrated) -> None:
    first = tick(built, "stale_days")
    assert first.skip_message == "all days are up to date"
    (built.folder.reports / report.FILE_NAME).unlink()  # as after a run that was killed before it wrote the report
    [request] = tick(built, "stale_days", first.cursor).run_requests or []
    assert (request.asset_selection, request.tags[tags.REASON]) == ([REPORT], "publish")
    result = built.execute("build", request.tags, request.asset_selection)
    assert steps_run(result) == {"write_report"}
    assert report.is_current(built.folder)
    assert tick(built, "stale_days", first.cursor).skip_message == "all days are up to date"


@pytest.mark.long
def test_report_that_cannot_be_written_is_retried_after_a_wait(built: Orchestrated) -> None:
    (built.folder.reports / report.FILE_NAME).unlink()
    [request] = tick(built, "stale_days").run_requests or []
    for _ in range(2):
        remember(built, "build", dg.DagsterRunStatus.FAILURE, **request.tags)
    assert str(tick(built, "stale_days").skip_message).startswith("the build of the same plan failed 2 times")
    os.utime(built.folder.warehouse)  # it is published again then
    built.run()
    assert tick(built, "stale_days").run_requests, "what is published next is another report"


def test_undated_table_is_built_without_days(built: Orchestrated) -> None:
    with open_run(built.folder, run_id="test") as run:
        run.store.mark_damaged(run.store.partitions[Key("user_agents", None)])
    [request] = tick(built, "stale_days").run_requests or []
    assert list(request.asset_selection or []) == UNDATED


@pytest.mark.long
def test_logic_days_over_the_limit_wait_for_an_upgrade(built: Orchestrated) -> None:
    built.set({**SMALL, "max_rebuild_days": 1, "sessions": {"inactivity_minutes": 10}})
    [request] = tick(built, "stale_days").run_requests or []
    assert tags.RANGE_START not in request.tags, "only the new settings are published"
    assert request.tags[tags.REASON] == "publish"
    assert built.ingest(**{tags.UPGRADE: "true"}).success
    requests = tick(built, "stale_days").run_requests or []
    assert [range_of(request) for request in requests] == RUNS_OF_RANGES
    assert {request.tags[tags.REASON] for request in requests} == {"upgrade"}
    for request in requests:
        assert built.execute("build", request.tags).success
    assert not built.planned().outdated
    assert tick(built, "stale_days").skip_message == "all days are up to date"
