"""Tests settings that are refused once days are frozen, because frozen days or their events would be lost."""

from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from session_pipeline.errors import SettingsError
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import open_folder, open_run, open_store
from session_pipeline.store.catalog_file import FROZEN_TIMEZONE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.expired_days import (
    FIRST,
    FROZEN_BEFORE,
    KEEP,
    RAW_DAYS,
    UNTIL,
    Expired,
    deliver,
    lines,
    settings,
)


@pytest.fixture
def copied(expired: Expired, tmp_path: Path) -> Deployment:
    """A copy of the expired deployment that a test can change."""
    return expired.deployment.copied_to(tmp_path / "data")


def test_a_later_start_is_refused_because_frozen_days_would_be_lost(copied: Deployment) -> None:
    before = copied.hashes()
    for start in (FIRST + ONE_DAY, FROZEN_BEFORE, UNTIL):
        copied.set({**settings(**KEEP), "start_date": start})
        for opens in (open_folder, partial(open_run, run_id="test")):
            with (
                pytest.raises(SettingsError, match=f"frozen days from {FIRST} to .*set it to {FIRST} or earlier"),
                opens(copied.folder, until=UNTIL),
            ):
                pass
    assert copied.hashes() == before


@pytest.mark.long
def test_an_earlier_start_loses_no_frozen_day(copied: Deployment) -> None:
    before, visitors = copied.hashes(), copied.table("visitors")
    copied.set({**settings(**KEEP), "start_date": FIRST - ONE_DAY})
    copied.run(UNTIL)
    assert copied.hashes().keys() >= before.keys()
    assert copied.table("visitors")["first_seen_at"].equals(visitors["first_seen_at"])


def test_another_timezone_is_refused_once_days_are_frozen(copied: Deployment) -> None:
    before = copied.hashes()
    for timezone in ("Asia/Tokyo", "America/New_York"):
        copied.set({**settings(**KEEP), "timezone": timezone})
        for opens in (open_folder, partial(open_run, run_id="test")):
            with (
                pytest.raises(SettingsError, match=f"timezone is {timezone}, but frozen days from .* set it to UTC"),
                opens(copied.folder, until=UNTIL),
            ):
                pass
    assert copied.hashes() == before
    copied.set({**settings(**KEEP), "timezone": "Etc/UTC"})  # the same days
    assert copied.run(UNTIL) == []


def test_timezone_in_which_an_open_day_would_lose_events_is_refused(tmp_path: Path) -> None:
    """London has other days than UTC only in summer, and here no frozen day of summer has events."""
    first_open, until = date(2024, 4, 4), date(2024, 4, 4) + (RAW_DAYS - 1) * ONE_DAY
    london = {**settings(raw=RAW_DAYS), "timezone": "Europe/London"}
    deployment = Deployment(tmp_path, london, only=["events"])
    deliver(deployment, FIRST, 1)
    deployment.deliver("open", [{**lines(first_open)[0], "event_time": "2024-04-03T23:30:00Z"}, *lines(until)])
    deployment.run(until)
    with open_run(deployment.folder, run_id="test", until=until) as run:
        assert run.expire()
        assert run.planner.frame.frozen_before == first_open
    deployment.set({**london, "timezone": "UTC"})
    with pytest.raises(SettingsError, match="set it to Europe/London"):
        deployment.plan(until)


@pytest.mark.long
def test_present_timezone_is_recorded_if_an_older_version_did_not(copied: Deployment) -> None:
    with closing(open_store(copied.folder)) as store, store.catalog.transaction(advances=False):
        store.catalog.set_state(FROZEN_TIMEZONE, "")
    copied.set({**settings(**KEEP), "timezone": "Etc/GMT"})
    copied.run(UNTIL)
    copied.set({**settings(**KEEP), "timezone": "Asia/Tokyo"})
    with pytest.raises(SettingsError, match="set it to Etc/GMT"):
        copied.plan(UNTIL)
