"""Tests the check that warns of sites without visits: which silences it names, and the texts of its problems."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from session_pipeline import checks
from session_pipeline.checks import CHECKS, Verdict
from session_pipeline.publish import warehouse
from session_pipeline_tests.checked_stores import asked
from session_pipeline_tests.deployment import Deployment

LAST = date(2024, 6, 14)  # a Friday
WEEKS = 5


@pytest.fixture
def deployment(four_weeks: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `four_weeks` that the test may change."""
    return four_weeks.copied_to(tmp_path / "data")


def publish(deployment: Deployment, silent_days: Iterable[tuple[str, int]]) -> None:
    """Give the sites of the warehouse 20 visits a day, up to so many days before LAST, which is the last full day."""
    built_at = datetime.combine(LAST + timedelta(days=1), datetime.min.time(), UTC).replace(tzinfo=None)
    with duckdb.connect(str(deployment.folder.warehouse)) as warehouse:
        warehouse.execute("update warehouse_info set built_at = ?, data_until = ?", [built_at, LAST])
        warehouse.execute("create or replace temp table one as select * from daily_summary limit 1")
        warehouse.execute("delete from daily_summary")
        for site, latest in silent_days:
            warehouse.execute(
                "insert into daily_summary select one.* replace (? as site, 20 as session_count,"
                " ? - cast(days as integer) as session_date) from one, range(?, ?) as ago(days)",
                [site, LAST, latest, latest + 7 * WEEKS],
            )


def test_it_names_a_site_that_is_silent_and_since_when(deployment: Deployment) -> None:
    publish(deployment, [("de", 0), ("fr", 4)])
    verdict = asked(deployment, checks.silent_sites)
    assert verdict == Verdict(
        False, "site fr: no visits since 2024-06-11; usually there are 80 in these 4 days", {"silent": 1, "gaps": 0}
    )
    assert verdict.problems == ("site fr: no visits since 2024-06-11",)


def test_problem_stays_the_same_while_the_silence_goes_on(deployment: Deployment) -> None:
    publish(deployment, [("de", 0), ("fr", 4)])
    before = asked(deployment, checks.silent_sites)
    with duckdb.connect(str(deployment.folder.warehouse)) as warehouse:
        warehouse.execute("update warehouse_info set built_at = built_at + interval 1 day, data_until = data_until + 1")
    after = asked(deployment, checks.silent_sites)
    assert before.sentence != after.sentence
    assert set(before.problems) <= set(after.problems)


def test_one_silent_day_is_not_yet_named(deployment: Deployment) -> None:
    publish(deployment, [("de", 0), ("fr", 1)])
    assert asked(deployment, checks.silent_sites) == Verdict(
        True, "no site is without visits", {"silent": 0, "gaps": 0}
    )
    publish(deployment, [("de", 0), ("fr", 2)])
    assert not asked(deployment, checks.silent_sites).holds


def test_silence_of_all_sites_is_one_problem(deployment: Deployment) -> None:
    publish(deployment, [("de", 2), ("fr", 2)])
    verdict = asked(deployment, checks.silent_sites)
    assert verdict.sentence == "no visits since 2024-06-13; usually there are 80 in these 2 days"
    assert verdict.problems == ("no visits since 2024-06-13",)


def test_site_is_named_when_the_others_lack_one_day(deployment: Deployment) -> None:
    publish(deployment, [("de", 1), ("fr", 6)])
    assert asked(deployment, checks.silent_sites).problems == ("site fr: no visits since 2024-06-09",)


def test_missing_days_between_others_are_a_problem_each_time(deployment: Deployment) -> None:
    publish(deployment, [("de", 0), ("fr", 0)])
    missing = [LAST - timedelta(days=days) for days in (2, 4, 5)]
    with duckdb.connect(str(deployment.folder.warehouse)) as warehouse:
        warehouse.execute("delete from daily_summary where site = 'fr' and list_contains(?, session_date)", [missing])
    assert asked(deployment, checks.silent_sites).problems == (
        "site fr: no visits from 2024-06-09 to 2024-06-10",
        "site fr: no visits on 2024-06-12",
    )
    with duckdb.connect(str(deployment.folder.warehouse)) as warehouse:
        warehouse.execute("delete from daily_summary where list_contains(?, session_date)", [missing])
    assert asked(deployment, checks.silent_sites) == Verdict(
        False,
        "no visits from 2024-06-09 to 2024-06-10; usually there are 80 in these 2 days; no visits on 2024-06-12;"
        " usually there are 40",
        {"silent": 0, "gaps": 2},
        ("no visits from 2024-06-09 to 2024-06-10", "no visits on 2024-06-12"),
    )


def test_many_silent_sites_are_all_problems_and_five_are_named(deployment: Deployment) -> None:
    publish(deployment, [("de", 0), *((f"site{number}", 3) for number in range(7))])
    verdict = asked(deployment, checks.silent_sites)
    assert verdict.sentence.count("no visits since") == 5
    assert verdict.sentence.endswith("; and 2 more")
    assert len(verdict.problems) == 7


def test_it_passes_before_the_first_publication(deployment: Deployment) -> None:
    deployment.folder.warehouse.unlink()
    assert asked(deployment, checks.silent_sites) == Verdict(True, "nothing is published yet")


def test_unreadable_warehouse_is_a_warning(deployment: Deployment) -> None:
    with duckdb.connect(str(deployment.folder.warehouse)) as warehouse:
        warehouse.execute("drop table daily_summary")
    assert "the warehouse cannot be read (Catalog Error" in asked(deployment, checks.silent_sites).sentence
    deployment.folder.warehouse.write_bytes(b"no database" * 1000)
    assert "cannot be opened" in asked(deployment, checks.silent_sites).sentence


def test_it_is_a_check_of_the_warehouse_that_only_warns() -> None:
    [check] = [check for check in CHECKS if check.name == "silent_sites"]
    assert (check.table, check.is_error, check.is_blocking) == ("warehouse", False, False)


def test_too_little_memory_is_no_reason_to_run_again(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_with_little_memory(path: Path, _: Path) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(path), read_only=True)
        connection.execute("set memory_limit = '1KB'")
        return connection

    monkeypatch.setattr(warehouse, "connect", connect_with_little_memory)
    verdict = asked(deployment, checks.silent_sites)
    assert not verdict.holds
    assert verdict.sentence.startswith("the warehouse cannot be read (Out of Memory")
    assert verdict.sentence.endswith("; give the process more memory and run again")
