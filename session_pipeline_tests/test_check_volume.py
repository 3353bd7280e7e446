"""Tests the checks that warn of an unusual number of sessions or share of bots."""

import errno
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from session_pipeline import checks
from session_pipeline.checks import unusual
from session_pipeline.errors import StoreError
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.store.records import Key
from session_pipeline_tests.checked_stores import DAY, WEEKS, asked, change, opened
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.orchestration import shop_lines
from session_pipeline_tests.simulation.simulated_clock import simulated


@pytest.fixture
def deployment(four_weeks: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `four_weeks` that the test may change."""
    return four_weeks.copied_to(tmp_path / "data")


def have(deployment: Deployment, count: int, day: date = DAY, **more: int) -> None:
    """Change the sessions of a day to so many, and add the rows of more sites."""
    sites = ", ".join(f"('{site}', {number})" for site, number in {"main": count, **more}.items())
    rows = "select d.* replace (v.site as site, v.number as session_count) from daily_summary as d"
    change(deployment, "daily_summary", f"{rows}, (values {sites}) as v(site, number)", day)


@pytest.mark.long
def test_volume_unusual_names_a_day_with_too_many_sessions(deployment: Deployment) -> None:
    many = shop_lines(DAY, visitors=15)
    deployment.deliver("many", many)
    deployment.run()
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 15 sessions, 300% of the usual 5"


def test_days_that_only_end_sessions_are_not_usual(deployment: Deployment) -> None:
    for day, count in zip(WEEKS, (20, 0, 30, 1), strict=True):
        have(deployment, count, day)
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 1 session, 3% of the usual 30"


def test_usual_volume_is_the_median_of_the_weeks_before(deployment: Deployment) -> None:
    have(deployment, 10, WEEKS[1])
    have(deployment, 40)
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 40 sessions, 533% of the usual 8"


def test_volume_below_one_percent_is_not_said_to_be_zero(deployment: Deployment) -> None:
    have(deployment, 1000, WEEKS[1])
    have(deployment, 1000, WEEKS[2])
    have(deployment, 1)
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 1 session, less than 1% of the usual 1000"


def test_usual_volume_comes_from_the_last_weeks_only(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    have(deployment, 1, WEEKS[2])
    have(deployment, 10)
    assert asked(deployment, checks.volume_unusual).holds
    monkeypatch.setattr(unusual, "VOLUME_WEEKS", 1)
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 10 sessions, 1000% of the usual 1"


@pytest.mark.parametrize("count", [20, 80])
def test_half_and_double_volume_are_usual(deployment: Deployment, count: int) -> None:
    for day in WEEKS[:3]:
        have(deployment, 40, day)
    have(deployment, count)
    assert asked(deployment, checks.volume_unusual).holds


def test_few_sessions_differ_by_chance(deployment: Deployment) -> None:
    have(deployment, 1)
    assert asked(deployment, checks.volume_unusual).holds, "1 instead of 5 sessions"
    have(deployment, 13)
    assert asked(deployment, checks.volume_unusual).holds, "13 instead of 5"
    have(deployment, 15)
    assert not asked(deployment, checks.volume_unusual).holds, "15 instead of 5 and 5, without the first day"


def test_more_differs_by_chance_if_few_weeks_or_many_sites_say_what_is_usual() -> None:
    assert not _is_usual(14, 3)
    assert _is_usual(14, 1)
    assert _is_usual(14, 3, site_count=10)
    assert not _is_usual(30, 1, site_count=1000)


def _is_usual(count: int, day_count: int, site_count: int = 1) -> bool:
    return not unusual._is_unusual(count, 5, day_count, site_count)


def test_volume_is_that_of_each_site(deployment: Deployment) -> None:
    """The other site hides it in the sum. A site that is new, or has no sessions, is not compared."""
    for day in WEEKS[:3]:
        have(deployment, 1000, day, small=40, silent=5)
    have(deployment, 1000, small=5, new=500)
    small = "2024-05-27: site small: 5 sessions, 12% of the usual 40"
    assert asked(deployment, checks.volume_unusual).sentence == small
    have(deployment, 4000, small=5)
    large = "2024-05-27: site main: 4000 sessions, 400% of the usual 1000"
    assert asked(deployment, checks.volume_unusual).sentence == f"{large}; {small}", "the larger difference comes first"


def test_all_sites_together_can_have_an_unusual_volume(deployment: Deployment) -> None:
    for day in WEEKS[:3]:
        have(deployment, 20, day, large=1000)
    have(deployment, 20)
    found = "2024-05-27: all sites of the weeks before: 20 sessions, 2% of the usual 1020"
    assert asked(deployment, checks.volume_unusual).sentence == found


def test_first_day_of_a_site_is_not_usual(deployment: Deployment) -> None:
    """It can be a part of a day. Its other days are compared with each other."""
    have(deployment, 1000, WEEKS[1], later=5)
    for day in WEEKS[2:]:
        have(deployment, 1000, day, later=500)
    assert asked(deployment, checks.volume_unusual, day=WEEKS[1]).holds, "1000 sessions, after the 5 of the first day"
    assert asked(deployment, checks.volume_unusual, day=WEEKS[2]).holds, "500 sessions, after the 5 of the first day"
    have(deployment, 1000, later=5000)
    later = "2024-05-27: site later: 5000 sessions, 1000% of the usual 500"
    assert asked(deployment, checks.volume_unusual).sentence == later


def test_volume_is_that_of_people(deployment: Deployment) -> None:
    bots = [{**line, "user_agent": "Googlebot/2.1"} for line in shop_lines(DAY, visitors=40)]
    deployment.deliver("bots", [{**line, "visitor_id": f"bot {line['visitor_id']}", "event_id": None} for line in bots])
    deployment.run()
    assert asked(deployment, checks.volume_unusual).holds
    assert asked(deployment, checks.bot_share).sentence == "2024-05-27: 40 of 45 sessions are bot sessions"


def test_damaged_counts_of_an_earlier_week_do_not_stop_volume_unusual(deployment: Deployment) -> None:
    have(deployment, 50)
    with opened(deployment) as run:
        partition = run.store.partitions[Key("daily_summary", WEEKS[1])]
        damage(run.store.path_of(partition), b"no Parquet")
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 50 sessions, 1000% of the usual 5"


def test_half_of_the_sessions_may_be_bot_sessions(deployment: Deployment) -> None:
    half = "select * replace (visitor_id < 'visitor 2' as is_bot) from sessions where visitor_id < 'visitor 4'"
    change(deployment, "sessions", half)
    assert asked(deployment, checks.bot_share).holds


@pytest.mark.long
def test_more_bots_than_people_can_be_usual(deployment: Deployment) -> None:
    most = "select * replace (visitor_id <> 'visitor 0' as is_bot) from sessions"
    change(deployment, "sessions", most)
    for day in WEEKS[1:3]:
        change(deployment, "sessions", most, day)
    assert asked(deployment, checks.bot_share).holds, "two of three weeks before have as many bots"
    assert asked(deployment, checks.bot_share, day=WEEKS[1]).sentence == "2024-05-13: 4 of 5 sessions are bot sessions"
    change(deployment, "sessions", "select * replace (false as is_bot) from sessions", WEEKS[2])
    assert not asked(deployment, checks.bot_share).holds, "one of three weeks before has as many"


def test_damaged_sessions_of_an_earlier_week_do_not_stop_bot_share(deployment: Deployment) -> None:
    most = "select * replace (visitor_id <> 'visitor 0' as is_bot) from sessions"
    for day in WEEKS[1:]:
        change(deployment, "sessions", most, day)
    with opened(deployment) as run:
        partition = run.store.partitions[Key("sessions", WEEKS[0])]
        damage(run.store.path_of(partition), b"no Parquet")
    assert asked(deployment, checks.bot_share).holds


def test_unreadable_sessions_of_an_earlier_week_do_not_stop_bot_share(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(deployment, "sessions", "select * replace (visitor_id <> 'visitor 0' as is_bot) from sessions")
    for error in (OSError(errno.EACCES, "denied"), StoreError("cannot be read")):
        with opened(deployment) as run:
            monkeypatch.setattr(type(run.store), "is_intact", lambda store, partition, error=error: _raise(error))
            assert not checks.bot_share(run, [DAY]).holds


def _raise(error: Exception) -> bool:
    raise error


def test_volume_of_an_unfinished_day_is_not_checked(deployment: Deployment) -> None:
    have(deployment, 20)
    with simulated(datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC)):
        assert asked(deployment, checks.volume_unusual).holds
    with simulated(datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC) + ONE_DAY):
        assert not asked(deployment, checks.volume_unusual).holds
