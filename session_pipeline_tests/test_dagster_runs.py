"""Tests runs of the Dagster jobs: ranges, single days, runs by hand, late files, metadata, and failures."""

import asyncio
import errno
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import CronFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

import session_pipeline
from session_pipeline.checks import CHECKS
from session_pipeline.defs import assets, resources, tags
from session_pipeline.defs.check_results import sentence_of
from session_pipeline.defs.history import failed_checks
from session_pipeline.defs.jobs import UNDATED
from session_pipeline.defs.sensors import run_requests
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store.records import Key
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.orchestration import (
    SMALL,
    Orchestrated,
    checks_of,
    failures,
    orchestrated,
    shop_lines,
    steps_run,
)
from session_pipeline_tests.simulation.simulated_clock import simulated

DAILY = {name for name, contract in TABLES.items() if contract.date_column and not contract.is_log} - {"raw_events"}
MONDAY, TUESDAY, NEXT_MONDAY = date(2024, 5, 6), date(2024, 5, 7), date(2024, 5, 13)
BUILT = [date(2024, 5, day) for day in (6, 7, 8, 13, 14)]  # days with events, and the days that close their sessions


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    """Three days of deliveries, built in one run. Read only."""
    with orchestrated(tmp_path_factory.mktemp("built") / "data") as deployment:
        deployment.deliver(str(MONDAY), shop_lines(MONDAY, visitors=5))
        deployment.deliver(str(TUESDAY), shop_lines(TUESDAY, visitors=3))
        deployment.deliver(str(NEXT_MONDAY), [*shop_lines(NEXT_MONDAY, visitors=8), "{no json"])
        assert deployment.ingest().success
        assert deployment.build().success
        yield deployment


@pytest.fixture
def deployment(built: Orchestrated, tmp_path: Path) -> Iterator[Orchestrated]:
    """A copy of `built` that the test may change."""
    with orchestrated(tmp_path / "data", copy_of=built) as copy:
        yield copy


def hashes(deployment: Orchestrated, day: date) -> dict[str, str]:
    store = open_store(deployment.folder)
    found = {key.table: partition.sha256 for key, partition in store.partitions.items() if key.date == day}
    store.close()
    return found


def break_file(deployment: Orchestrated, table: str, day: date) -> None:
    store = open_store(deployment.folder)
    for key, partition in store.partitions.items():
        if key.table == table and key.date == day:
            store.path_of(partition).write_bytes(b"broken")
    store.close()


def test_range_of_days_is_one_run_that_publishes(built: Orchestrated) -> None:
    runs = built.instance.get_runs()
    assert [run.job_name for run in runs] == ["build", "ingest"]
    for name in DAILY:
        assert {str(day) for day in BUILT} <= built.instance.get_materialized_partitions(dg.AssetKey(name)), name
    assert built.planned().is_empty
    assert built.folder.warehouse.is_file()
    assert built.seen("warehouse")["replaced_partitions"] > 0
    assert Path(built.seen("report")["file"]).is_file()


def test_partition_has_the_figures_of_its_day_as_metadata(built: Orchestrated) -> None:
    seen = built.seen("sessions", NEXT_MONDAY)
    assert seen["dagster/partition_row_count"] == 8
    assert seen["change_against_same_weekday"] == 8 - 5
    assert seen["built_because"] == "new day"
    assert seen["rows_of_14_days"] == "▁▁▁▁▁▁▅▄▁▁▁▁▁█"
    assert seen["query"] == "```sql\nselect * from sessions where session_date = date '2024-05-13'\n```"
    assert (seen["visitors"], seen["is_bot"]) == (8, 0)
    assert Path(seen["file"]).is_file()

    events = built.seen("events", MONDAY)
    assert (events["duplicates"], events["sessions_still_open"]) == (0, 0)
    summary = built.seen("daily_summary", MONDAY)
    assert (summary["session_count"], summary["converted_count"]) == (5, 1)
    assert "query" not in built.seen("open_sessions", MONDAY), "it is in the store only"
    assert "| `main` | `purchase` | 1 |" in built.seen("daily_outcomes", MONDAY)["counts"]
    assert "| `checkout` | 1 | `cart` | 3 |" in built.seen("funnel_steps", MONDAY)["counts"]


def test_report_and_tables_show_the_time_of_each_stage(built: Orchestrated) -> None:
    for name in ("raw_events", "warehouse"):
        assert built.seen(name)["seconds"] > 0
    rows = built.seen("report")["seconds_by_stage"].splitlines()[2:]
    shown = {row.split("|")[1].strip(" `") for row in rows}
    assert shown >= {step.name for step in STEPS} | {"checks", "publish", "report"}


def test_days_without_events_are_not_materialized(built: Orchestrated) -> None:
    for name in DAILY:
        assert built.instance.get_materialized_partitions(dg.AssetKey(name)) == set(map(str, BUILT)), name


def test_unfinished_day_fails_and_names_the_last_day(deployment: Orchestrated) -> None:
    result = deployment.execute("build", {tags.DAY: "2999-01-01"})
    assert not result.success
    assert failures(result)[0].startswith("2999-01-01 is not over yet; the last day that can be built is ")
    assert not deployment.instance.get_materialized_partitions(dg.AssetKey("events")) & {"2999-01-01"}


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({}, "this run has no days to build; choose a partition, a day or a range of days"),
        (
            {tags.RANGE_START: "2024-05-07", tags.RANGE_END: "2024-05-06"},
            "the range of days ends on 2024-05-06, before it begins on 2024-05-07; exchange them",
        ),
    ],
)
def test_run_without_days_or_with_a_reversed_range_says_so(
    deployment: Orchestrated, days: dict[str, str], said: str
) -> None:
    result = deployment.execute("build", days)
    assert not result.success
    assert failures(result)[0].startswith(said)


@pytest.mark.long
@pytest.mark.parametrize("day", ["2024-01-01", "2024-05-10"])
def test_day_that_is_no_partition_fails_and_says_which_days_are_built(deployment: Orchestrated, day: str) -> None:
    result = deployment.execute("build", {tags.DAY: day})
    assert not result.success
    said = f"{day} is not built: only days from 2024-05-01 on that have events, and the day after each of them, are"
    assert failures(result)[0].startswith(said)


def test_deliveries_have_counts_of_files_and_lines_as_metadata(built: Orchestrated) -> None:
    seen = built.seen("quarantined_lines")
    assert (seen["found_count"], seen["read_count"], seen["set_aside_count"]) == (3, 3, 1)
    assert seen["quarantined_by_reason"] == "| reason | lines |\n| --- | --- |\n| `invalid_json` | 1 |"
    assert built.seen("source_files")["not_accepted_count"] == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("log_seconds", "numbers"),
    [(0.0, ["0 of 3", "1 of 3", "2 of 3", "3 of 3"]), (3600.0, ["0 of 3"])],
    ids=["each file", "the first file within the time"],
)
def test_log_names_files_at_most_once_in_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_seconds: float, numbers: list[str]
) -> None:
    monkeypatch.setattr(assets, "LOG_SECONDS", log_seconds)
    with orchestrated(tmp_path / "data") as deployment:
        for day in (MONDAY, TUESDAY, NEXT_MONDAY):
            deployment.deliver(str(day), shop_lines(day, visitors=1))
        messages = [entry.user_message for entry in deployment.instance.all_logs(deployment.ingest().run_id)]
    assert [message[: len("0 of 3")] for message in messages if " of 3 files" in message] == numbers


@pytest.mark.long
def test_fresh_day_keeps_its_metadata_unless_its_run_failed(deployment: Orchestrated) -> None:
    before = deployment.seen("sessions", MONDAY)
    deployment.deliver("late", shop_lines(date(2024, 5, 14)))
    deployment.ingest()
    assert deployment.execute("build", deployment.run_tags(MONDAY, NEXT_MONDAY)).success
    seen = deployment.seen("sessions", MONDAY)
    assert seen["built_because"] == "new day", "what was not built is not recorded again"
    labels = before.keys() - {"seconds", "file"}  # the file is in the copy
    assert {label: seen[label] for label in labels} == {label: before[label] for label in labels}

    # A killed run can have committed days without recording them: the next one records the days of a run that failed.
    *_, build = [run for run in deployment.instance.get_runs() if run.job_name == "build"]
    deployment.instance.report_run_failed(build)
    deployment.instance.event_log_storage.succeeded.clear()  # type: ignore[attr-defined]
    assert deployment.execute("build", deployment.run_tags(MONDAY, NEXT_MONDAY)).success
    assert deployment.seen("sessions", MONDAY)["built_because"].startswith("up to date, not rebuilt; built at 20")


@pytest.mark.long
def test_late_file_rebuilds_its_day_and_publishes(deployment: Orchestrated) -> None:
    untouched = hashes(deployment, NEXT_MONDAY)
    deployment.deliver("late", shop_lines(TUESDAY, visitors=6)[-3:])
    assert deployment.ingest().success
    assert {item.day for item in deployment.planned().items if item.step.name == "sessionize"} == {TUESDAY, BUILT[2]}
    result = deployment.build()
    assert result.success
    assert "raw_events changed" in deployment.seen("events", TUESDAY)["built_because"]
    # On later days, only what reads the days before: who has visited before, and the paths of four weeks.
    of_visitors = {"visitor_days", "daily_visitors", "daily_breakdowns", "session_facts"}
    changed = hashes(deployment, NEXT_MONDAY).items() - untouched.items()
    assert {table for table, _ in changed} == {*of_visitors, "typical_paths"}
    assert deployment.planned().is_empty
    assert len(deployment.instance.fetch_materializations(dg.AssetKey("warehouse"), limit=9).records) == 2


@pytest.mark.long
def test_metadata_counts_late_and_duplicate_events(deployment: Orchestrated) -> None:
    late, *_ = shop_lines(TUESDAY, visitors=1)
    late_values = {"event_id": "late", "received_at": f"{NEXT_MONDAY}T06:00:00Z"}
    deployment.deliver("late", [{**late, **late_values}, late])
    assert deployment.ingest().success
    assert deployment.build().success
    assert deployment.seen("daily_summary", TUESDAY)["late_event_count"] == 1
    assert deployment.seen("daily_summary", TUESDAY)["duplicate_count"] == 1
    assert deployment.seen("events", TUESDAY)["duplicates"] == 1
    assert deployment.seen("events", TUESDAY)["rows_last_changed_by"] == "file test/late.jsonl"
    assert deployment.seen("events", TUESDAY)["seconds"] > 0


def freshness(deployment: Orchestrated, at: datetime) -> FreshnessState:
    """Evaluate the freshness policy of the warehouse at a time, as Dagster's daemon does."""
    node = deployment.definitions().resolve_asset_graph().get(dg.AssetKey("warehouse"))
    with freeze_time(at):
        context = LoadingContextForTest(deployment.instance)
        return asyncio.run(CronFreshnessPolicyEvaluator().evaluate_freshness(context, node))


@pytest.mark.parametrize("hour", [0, 3, 10, 22], ids=["at midnight", "in the night", "in the day", "in the evening"])
def test_warehouse_is_overdue_after_a_night_without_publishing(deployment: Orchestrated, hour: int) -> None:
    """It is due two hours after the time for the data. A publication before the night does not count for it."""
    deployment.set({"sources": {"test": {"expected_by": "03:00"}}})
    published = datetime.now(UTC).replace(hour=hour, minute=1) + timedelta(days=1)
    with freeze_time(published):
        deployment.instance.report_runless_asset_event(dg.AssetMaterialization("warehouse"))
    overdue = published.replace(hour=5, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert freshness(deployment, published + timedelta(minutes=1)) is FreshnessState.PASS
    assert freshness(deployment, overdue - timedelta(minutes=1)) is FreshnessState.PASS
    assert freshness(deployment, overdue + timedelta(minutes=1)) is FreshnessState.FAIL


def test_warehouse_without_a_time_for_the_data_is_overdue_after_a_day_without_publishing(
    deployment: Orchestrated,
) -> None:
    published = datetime.now(UTC).replace(hour=10, minute=0) + timedelta(days=1)
    with freeze_time(published):
        deployment.instance.report_runless_asset_event(dg.AssetMaterialization("warehouse"))
    assert freshness(deployment, published + timedelta(hours=23)) is FreshnessState.PASS, "files come in the daytime"
    assert freshness(deployment, published + timedelta(hours=44)) is FreshnessState.FAIL


def test_fresh_day_built_by_hand_changes_nothing_downstream(deployment: Orchestrated) -> None:
    before = hashes(deployment, MONDAY)
    result = deployment.by_hand(MONDAY, "sessions")
    assert result.success
    assert deployment.seen("sessions", MONDAY)["built_because"] == "asked for by hand; the result is equal"
    assert hashes(deployment, MONDAY) == before
    assert deployment.planned().is_empty
    assert steps_run(result) >= {"build_sessions", "check_sessions"}
    assert checks_of(result).keys() == {check.name for check in CHECKS if check.table == "sessions"}


@pytest.mark.long
def test_undated_tables_are_built_and_published_without_a_range(deployment: Orchestrated) -> None:
    assert deployment.by_hand(MONDAY, "sessions").success  # a new generation that is not published yet
    result = deployment.execute("build", {tags.PLANNED: "x"}, UNDATED)
    assert result.success
    assert steps_run(result) >= {"build_user_agents", "publish_tables", "write_report"}
    assert "build_sessions" not in steps_run(result)


def test_published_state_is_not_published_again(deployment: Orchestrated) -> None:
    result = deployment.execute("build", {tags.PLANNED: "x"}, UNDATED)
    assert result.success
    assert "write_report" not in steps_run(result)


def test_lost_line_stops_the_run_before_sessions(deployment: Orchestrated) -> None:
    with open_run(deployment.folder, run_id="test") as run:
        [partition] = [found for found in run.store.of_table("raw_events") if found.key.date == MONDAY]
        run.store.commit([], run_id="test", drop=[partition.key])
    result = deployment.by_hand(TUESDAY, "events", "duplicate_events", "open_sessions", "recent_event_ids", "sessions")
    assert not result.success
    assert checks_of(result)["ledger_closes"] is False
    [failed] = failed_checks(deployment.folder, [("ledger_closes", "events"), ("sessions_cover_events", "sessions")])
    assert (failed.name, failed.is_error) == ("ledger_closes", True)
    assert "build_sessions" not in steps_run(result)


def test_error_that_needs_a_person_is_not_retried(deployment: Orchestrated) -> None:
    break_file(deployment, "raw_events", MONDAY)
    (deployment.folder.raw / "test" / f"{MONDAY}.jsonl").unlink()
    result = deployment.by_hand(MONDAY, "agents_seen")
    assert not result.success
    assert failures(result) == [
        f"rows of the delivered file test/{MONDAY}.jsonl are damaged in the store, and the file is missing;"
        " deliver it again under raw/ and run again"
    ]
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_operating_system_error_is_retried(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "RETRY_SECONDS", 0)

    def failing(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr("session_pipeline.store.store_files.sync_file", failing)
    result = deployment.by_hand(MONDAY, "agents_seen")
    assert not result.success
    assert [event.is_step_up_for_retry for event in result.all_events].count(True) == resources.RETRIES


def test_run_waits_for_a_locked_store_then_names_the_process(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "open_run", partial(open_run, wait_seconds=0.3))
    store = open_store(deployment.folder)
    with store.writing():
        result = deployment.ingest()
    store.close()
    assert not result.success
    assert "is being written by process" in failures(result)[0]
    assert failures(result)[0].endswith("try again when it has finished")


def test_settings_broken_after_loading_fail_the_run(deployment: Orchestrated) -> None:
    definitions = deployment.definitions()
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    result = deployment.execute("ingest", {}, definitions=definitions)
    assert not result.success
    assert "sessions.inactivity_minuts is an unknown setting; did you mean inactivity_minutes?" in failures(result)[0]


def test_damaged_input_is_rebuilt_by_the_run_that_reads_it(deployment: Orchestrated) -> None:
    before = hashes(deployment, MONDAY)
    break_file(deployment, "events", MONDAY)
    assert deployment.by_hand(MONDAY, "action_labels").success
    assert hashes(deployment, MONDAY) == before
    store = open_store(deployment.folder)
    assert store.is_intact(store.partitions[Key("events", MONDAY)])
    store.close()


@pytest.mark.long
def test_build_with_an_earlier_last_day_keeps_the_days_published_since(deployment: Orchestrated) -> None:
    """Such a build waited while a run published the next day, or is an old one that was executed again."""
    before = published_days(deployment)
    run_tags = {**deployment.run_tags(MONDAY, TUESDAY), tags.UNTIL: str(TUESDAY)}
    assert deployment.execute("build", run_tags).success
    assert published_days(deployment) == before
    assert deployment.planned().is_empty


@pytest.mark.long
def test_build_publishes_no_day_after_its_last_day(deployment: Orchestrated) -> None:
    """The sensor asks for such a build after `run --until` today, or after include_today was set to false."""
    with simulated(datetime.combine(NEXT_MONDAY, time(12), tzinfo=UTC)):
        for request in run_requests(deployment.planned(), (), upgrade=False):
            result = deployment.execute("build", request.tags, request.asset_selection)
            assert result.success
            assert all(checks_of(result).values())
        assert deployment.planned().is_empty
    last_day = NEXT_MONDAY - timedelta(days=1)
    assert published_days(deployment) == (last_day, TUESDAY, TUESDAY, TUESDAY)


def published_days(deployment: Orchestrated) -> tuple[date, ...]:
    """Return the last day of the publication, and those of tables with and without days."""
    with session_pipeline.connect(deployment.folder.path) as connection:
        found = connection.execute(
            """
            select
                (select data_until from warehouse_info),
                (select max(session_date) from sessions),
                (select max(event_date) from events),
                (select max(last_seen_at)::date from visitors)
            """
        ).fetchone()
    assert found is not None
    return found


@pytest.mark.long
def test_condition_without_matches_is_a_check_warning(built: Orchestrated, tmp_path: Path) -> None:
    key = "funnels[checkout].steps[purchase].where"
    steps = [
        {"name": "cart", "where": "event_name = 'add_to_cart'"},
        {"name": "purchase", "where": "event_name = 'purchese'"},
    ]
    settings = {**SMALL, "funnels": [{"name": "checkout", "steps": steps}]}
    with orchestrated(tmp_path / "data", settings, copy_of=built) as deployment:
        result = deployment.build()
        assert result.success, failures(result)
        [found] = [one for one in result.get_asset_check_evaluations() if one.check_name == "settings_match_data"]
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert found.asset_key == dg.AssetKey("warehouse")
        assert found.metadata["warnings"].value == 1
        sentence = found.metadata[key].value
        assert sentence_of(found) == f"{key}: {sentence}"
        assert "similar values of event_name: 'purchase'" in str(sentence)
        assert found.metadata["problems"].value == [f"{key}: event_name = 'purchese' matches no event"]
