"""Tests the days that are partitions: a healthy deployment misses none, and new data adds days."""

import operator
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

from session_pipeline.defs import code_location, subsets
from session_pipeline.defs.partitions import BuiltDays, built_days, of_wanted
from session_pipeline.run import pipeline
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.orchestration import SMALL, Orchestrated, orchestrated, shop_lines

MONDAY, NEXT_MONDAY = date(2024, 5, 6), date(2024, 5, 13)
BUILT = [date(2024, 5, day) for day in (6, 7, 13, 14)]  # days with events, and the days that close their sessions
DAILY = {name for name, contract in TABLES.items() if contract.date_column and not contract.is_log} - {"raw_events"}
UNTIL = date(2024, 6, 1)
DAY = timedelta(days=1)
SETTINGS = parse_settings("")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    """Two days a week apart, with the packaged start_date of years ago. Tests must not write to it."""
    settings = {key: value for key, value in SMALL.items() if key != "start_date"}
    with orchestrated(tmp_path_factory.mktemp("built") / "data", settings) as deployment:
        for day in (MONDAY, NEXT_MONDAY):
            deployment.deliver(str(day), shop_lines(day))
        assert deployment.ingest().success
        assert deployment.build().success
        yield deployment


def partitions_of(definitions: dg.Definitions, name: str) -> list[str]:
    definition = definitions.resolve_asset_graph().get(dg.AssetKey(name)).partitions_def
    assert definition is not None
    return list(definition.get_partition_keys())


@pytest.mark.long
def test_healthy_deployment_misses_no_day(built: Orchestrated) -> None:
    loaded = built.definitions()
    for name in DAILY:
        partitions = partitions_of(loaded, name)
        assert partitions == list(map(str, BUILT)), name
        assert built.instance.get_materialized_partitions(dg.AssetKey(name)) == set(partitions), name


@pytest.mark.long
def test_late_data_of_an_earlier_day_adds_partitions(built: Orchestrated, tmp_path: Path) -> None:
    earlier = MONDAY - 30 * DAY
    with orchestrated(tmp_path / "data", copy_of=built) as deployment:
        deployment.set({key: value for key, value in SMALL.items() if key != "start_date"})
        deployment.deliver("late", shop_lines(earlier))
        assert deployment.ingest().success
        loaded = deployment.definitions()
        assert partitions_of(loaded, "events")[:3] == [str(earlier), str(earlier + DAY), str(MONDAY)]
        days = deployment.planned().days
        request = deployment.run_tags(days[0], days[-1])
        assert deployment.execute("build", request, definitions=loaded).success
        materialized = deployment.instance.get_materialized_partitions(dg.AssetKey("sessions"))
        assert materialized == set(partitions_of(deployment.definitions(), "sessions"))


def test_empty_deployment_misses_at_most_one_day() -> None:
    days = of_wanted([], SETTINGS, UNTIL)
    assert days == BuiltDays(UNTIL)
    assert of_wanted([], SETTINGS.model_copy(update={"start_date": UNTIL + DAY}), UNTIL) == BuiltDays(UNTIL + DAY)


def test_unopenable_store_does_not_break_definitions(tmp_path: Path) -> None:
    with orchestrated(tmp_path / "data") as deployment:
        pipeline.open_store(deployment.folder).close()
        (deployment.folder.store / "_format.json").write_text('{"format": 999, "package": "9.9"}')
        settings = load_settings(deployment.folder.path)
        assert built_days(deployment.folder, settings) == BuiltDays(SMALL["start_date"])
        deployment.definitions()


def test_kept_keys_are_those_of_the_time_that_is_asked_for() -> None:
    days = BuiltDays(MONDAY).definition(SETTINGS)
    for hours in (30, 30, 100, 53, 0, 100):
        now = datetime(2024, 5, 6, tzinfo=UTC) + timedelta(hours=hours)
        expected = [str(MONDAY + number * DAY) for number in range(hours // 24)]
        assert days.get_partition_keys(now) == expected
        with dg.partition_loading_context(now):
            assert days.get_partition_keys() == expected


def test_equal_sets_of_days_do_not_differ() -> None:
    """A backfill compares the days of tables with `!=`, which counts them in Dagster, also where no count is known."""
    subsets.compare_by_days()
    days = BuiltDays(MONDAY).definition(SETTINGS)
    given = days.subset_with_partition_keys(["2024-05-06", "2024-05-07"])
    merged = days.empty_subset() | given
    assert not operator.ne(given, merged)
    assert operator.ne(given, days.subset_with_partition_keys(["2024-05-06"]))


def test_today_is_a_partition_if_included() -> None:
    settings = SETTINGS.model_copy(update={"include_today": True})
    assert UNTIL not in of_wanted([MONDAY], settings, UNTIL).left_out
    assert UNTIL in of_wanted([MONDAY], SETTINGS, UNTIL).left_out


def test_date_that_the_time_zone_skips_hides_no_day() -> None:
    """Its midnight would be that of the next date, which would be left out instead."""
    apia = SETTINGS.model_copy(update={"timezone": "Pacific/Apia"})
    days = [date(2011, 12, day) for day in (27, 29, 31)]
    assert of_wanted(days, apia, date(2011, 12, 31)).left_out == (date(2011, 12, 28),)


@pytest.mark.parametrize(
    ("wanted", "until", "is_outdated"),
    [
        (BUILT, UNTIL, False),
        (BUILT, UNTIL + DAY, False),  # the day that ended last: its events may still arrive
        (BUILT, UNTIL + 2 * DAY, True),  # that day had no events
        ([*BUILT, UNTIL + DAY], UNTIL + DAY, False),
        ([MONDAY - DAY, *BUILT], UNTIL, True),
        (BUILT[2:], UNTIL, True),
        ([*BUILT, date(2024, 5, 10)], UNTIL, True),
        ([], UNTIL, False),
    ],
)
def test_definitions_are_outdated_when_days_change(wanted: list[date], until: date, is_outdated: bool) -> None:
    assert of_wanted(BUILT, SETTINGS, UNTIL).is_outdated(wanted, SETTINGS, until) is is_outdated


def test_code_server_is_asked_only_once_to_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[GrpcServerCodeLocationOrigin] = []
    monkeypatch.setattr(code_location, "_is_asked_for", False)
    monkeypatch.setattr(code_location, "RELOAD_SECONDS", 0)
    monkeypatch.setattr(code_location, "_reload", asked.append)
    assert not code_location.reload_once(code_location.origin().code_location_origin), "it is nobody else's"
    server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1)
    assert code_location.reload_once(server)
    assert not code_location.reload_once(server)
    deadline = time.monotonic() + 60
    while not asked and time.monotonic() < deadline:
        time.sleep(0.01)
    assert asked == [server]
