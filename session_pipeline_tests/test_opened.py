"""Tests opening a data folder to look at it: the last day that counts, and whether anything is left to do."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta

import pytest

from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.erasing.erasures import Erasures, Unfinished
from session_pipeline.run.opened import OpenFolder, horizon, open_folder, today_in
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import parse_settings
from session_pipeline.store.catalog_file import RUN_IS_OPEN
from session_pipeline.store.records import Key
from session_pipeline_tests.deployment import Deployment

DAY = date(2026, 10, 5)
UNTIL = date(2026, 10, 6)
ONE_DAY = timedelta(days=1)
LINE = {"visitor_id": "ann", "event_time": "2026-10-05T10:00:00Z", "event_name": "page_view"}

# The last day that counts


def last_day(start_in_days: int, until_in_days: int | None, *, include_today: bool = False) -> int:
    """Return the last day that counts; all days are given and returned as days after today."""
    today = today_in("UTC")
    start = today + start_in_days * ONE_DAY
    settings = parse_settings(f"start_date = {start}\ninclude_today = {str(include_today).lower()}", "settings.toml")
    found = horizon(settings, None if until_in_days is None else today + until_in_days * ONE_DAY)
    return (found - today).days


def test_last_day_is_yesterday_unless_today_is_included() -> None:
    assert last_day(-9, None) == -1
    assert last_day(-9, None, include_today=True) == 0


@pytest.mark.parametrize("until", [-9, -8, -1, 0])
def test_last_day_can_be_any_day_from_the_first_to_today(until: int) -> None:
    assert last_day(-9, until) == until


def test_days_that_do_not_count_are_refused() -> None:
    with pytest.raises(WrongUseError, match="is in the future; the latest allowed day is"):
        last_day(-9, 1)
    with pytest.raises(WrongUseError, match="is before start_date"):
        last_day(-9, -10)


def test_day_before_a_start_of_today_is_accepted_because_the_sensor_gives_it() -> None:
    assert last_day(0, None) == last_day(0, -1) == -1
    with pytest.raises(WrongUseError, match="is before start_date"):
        last_day(0, -2)


# Whether anything is left to do


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return a deployment that is built and published. Tests put back what they change."""
    deployment = Deployment(tmp_path_factory.mktemp("done") / "data", {"funnels": []})
    deployment.deliver("a", [LINE])
    deployment.run(UNTIL)
    return deployment


@contextmanager
def killed_run(opened: OpenFolder) -> Iterator[None]:
    opened.store.catalog.set_state(RUN_IS_OPEN, 1)
    yield
    opened.store.catalog.set_state(RUN_IS_OPEN, 0)


@contextmanager
def unfinished_erasure(opened: OpenFolder) -> Iterator[None]:
    Erasures(unfinished=Unfinished(("visitor-1",))).save(opened.folder.erasures)
    yield
    opened.folder.erasures.unlink()


@contextmanager
def new_file(opened: OpenFolder) -> Iterator[None]:
    path = Deployment.at(opened.folder.path).deliver("b", [LINE])
    yield
    path.unlink()


@contextmanager
def removed_lake(opened: OpenFolder) -> Iterator[None]:
    lake = opened.folder.lake
    aside = lake.rename(lake.with_name("aside"))
    yield
    aside.rename(lake)


@contextmanager
def damaged_table_that_no_day_reads(opened: OpenFolder) -> Iterator[None]:
    with changed(opened, Key("source_files", None), is_damaged=True):
        yield


@contextmanager
def stale_day(opened: OpenFolder) -> Iterator[None]:
    with changed(opened, Key("sessions", DAY), fingerprint="of an older version", parts={}):
        yield


@contextmanager
def changed(opened: OpenFolder, key: Key, **changes: object) -> Iterator[None]:
    """Change what this process knows about a partition."""
    before = opened.store.partitions[key]
    opened.store.partitions[key] = before._replace(**changes)  # type: ignore[arg-type]
    yield
    opened.store.partitions[key] = before


CHANGES = (killed_run, unfinished_erasure, new_file, removed_lake, damaged_table_that_no_day_reads, stale_day)


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_change_alone_leaves_something_to_do(
    done: Deployment, change: Callable[[OpenFolder], AbstractContextManager[None]]
) -> None:
    with open_folder(done.folder, until=UNTIL) as opened, change(opened):
        assert not opened.is_done()
    with open_folder(done.folder, until=UNTIL) as opened:
        assert opened.is_done()


@pytest.mark.long
def test_open_run_and_unfinished_erasure_are_not_done_without_work(done: Deployment) -> None:
    with open_run(done.folder, run_id="test", until=UNTIL) as run, unfinished_erasure(run):
        assert not run.is_done()
        assert not run.has_work()


@pytest.mark.long
def test_other_last_day_leaves_something_to_do(done: Deployment) -> None:
    for until in (DAY, UNTIL + ONE_DAY):
        with open_folder(done.folder, until=until) as opened:
            assert not opened.is_done()


@pytest.mark.long
def test_renewed_folder_has_the_settings_and_the_last_day_of_now(done: Deployment) -> None:
    with open_folder(done.folder) as usual, open_folder(done.folder, until=UNTIL) as given:
        done.set({"funnels": [], "include_today": True})
        assert usual.renewed().until == today_in("UTC")
        assert given.renewed().until == UNTIL
        assert given.renewed().settings.include_today
        done.set({"funnels": []})
