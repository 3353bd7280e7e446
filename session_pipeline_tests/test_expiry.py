"""Tests what expires: raw events, tables of people, counts, the text of quarantined lines; and what is frozen.

test_expiry_limits.py tests the border on catalogs without files, and test_settings_after_expiry.py settings that would
lose frozen days.
"""

import json
import re
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from session_pipeline import report
from session_pipeline.checks.deliveries import ledger_closes
from session_pipeline.cli import summary
from session_pipeline.defs import tags
from session_pipeline.defs.checks import DAYS_BY_HAND, days_of_run
from session_pipeline.errors import StoreError
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.expired_days import (
    EVENTS_FROM,
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
from session_pipeline_tests.shop_commands import call


def days_of(deployment: Deployment, name: str) -> set[date]:
    with closing(open_store(deployment.folder)) as store:
        return {partition.key.date for partition in store.of_table(name) if partition.key.date}


def days(first: date, last: date) -> set[date]:
    return {first + number * ONE_DAY for number in range((last - first).days + 1)}


@pytest.mark.long
def test_old_days_are_planned_and_dropped_and_nothing_else_changes(expired: Expired) -> None:
    assert expired.planned["frozen_before"] == FROZEN_BEFORE
    assert expired.planned["is_done"] is False
    dropped = {f"{key} {key.file_id}" for key in expired.planned["drop"]}
    now = expired.deployment.hashes()
    assert {key: value for key, value in expired.before.items() if key not in dropped} == now
    assert dropped <= expired.before.keys()
    assert days_of(expired.deployment, "raw_events") == days(FROZEN_BEFORE, UNTIL)
    assert days_of(expired.deployment, "events") == days(EVENTS_FROM, UNTIL)
    assert days_of(expired.deployment, "daily_summary") == days(FIRST, UNTIL)
    assert days_of(expired.deployment, "visitor_states") == days(FIRST, UNTIL)


def test_published_files_lose_the_days_as_well(expired: Expired) -> None:
    folder = expired.deployment.folder
    assert {path.name for path in (folder.lake / "sessions").iterdir()} == {
        f"session_date={day}" for day in days(EVENTS_FROM, UNTIL)
    }
    assert len(list((folder.lake / "daily_summary").iterdir())) == 18


def test_run_after_expiry_has_no_work_and_the_ledger_closes(expired: Expired) -> None:
    with open_run(expired.deployment.folder, run_id="test", until=UNTIL) as run:
        assert not run.has_work()
        assert run.expiry().is_empty
        verdict = ledger_closes(run, [])
        assert verdict.holds, verdict
        files = run.store.catalog.source_files().values()
        assert sum(item.facts.get("expired_count", 0) for item in files) == 8 * 3


def test_report_says_that_lines_have_expired(expired: Expired) -> None:
    page = report.write(expired.deployment.folder).path.read_text(encoding="utf-8")
    events = len(days(EVENTS_FROM, UNTIL)) * 3
    words = f"{18 * 3} accepted = {events} events + 0 duplicates + {18 * 3 - events} waiting or expired (their day is"
    assert words in page


@pytest.fixture
def copied(expired: Expired, tmp_path: Path) -> Deployment:
    """A copy of the expired deployment that a test can change."""
    return expired.deployment.copied_to(tmp_path / "data")


def test_late_file_of_frozen_days_is_counted_and_builds_nothing(copied: Deployment) -> None:
    before = copied.hashes()
    copied.deliver("late", [*lines(FIRST, "late"), *lines(FROZEN_BEFORE - ONE_DAY, "late")])
    assert copied.run(UNTIL) == []
    assert copied.hashes() == before
    with open_run(copied.folder, run_id="test", until=UNTIL) as run:
        [late] = [item.facts for item in run.store.catalog.source_files().values() if "late" in str(item.facts["path"])]
        assert (late["accepted_count"], late["expired_count"]) == (6, 6)
        assert ledger_closes(run, []).holds


def test_files_that_are_read_again_are_not_called_new_or_late(
    copied: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    copied.set({**settings(**KEEP), "privacy": {"keep_days": KEEP, "hash_properties": ["token"]}})
    copied.deliver("late", lines(FIRST, "late"))
    with open_run(copied.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        found = summary.gather(run, run.outcome, warnings=[], seconds=0)
    summary.show(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Files 1 new, 18 read again, 0 redelivered, 0 corrupt, 0 refused; 19 under raw/" in shown
    assert "WARNING: 3 accepted lines of frozen days arrived" in shown


@pytest.mark.long
def test_late_file_of_an_open_day_gives_what_it_gives_without_expiry(copied: Deployment, tmp_path: Path) -> None:
    clean = Deployment(tmp_path / "clean", settings())
    deliver(clean, FIRST, 18)
    for deployment in (copied, clean):
        deployment.deliver("late", lines(FROZEN_BEFORE, "late"))
        assert deployment.run(UNTIL)
    kept, all_of_them = copied.hashes(), clean.hashes()
    first_open = str(FROZEN_BEFORE)
    compared = {key for key in all_of_them if key.partition("[")[2][:10] >= first_open}
    assert len(compared) > 100
    assert {key: kept.get(key) for key in compared} == {key: all_of_them[key] for key in compared}


@pytest.mark.long
def test_frozen_days_stay_when_settings_change_or_the_limit_is_removed(copied: Deployment) -> None:
    before = copied.hashes()
    copied.set({**settings(), "sessions": {"inactivity_minutes": 5}})
    built = copied.run(UNTIL)
    assert min(day for _, day in built if day) == FROZEN_BEFORE
    now = copied.hashes()
    frozen = {key for key in before if "[" in key and key.partition("[")[2][:10] < str(FROZEN_BEFORE)}
    assert frozen
    assert {key: now.get(key) for key in frozen} == {key: before[key] for key in frozen}
    copied.set(settings())
    assert copied.plan(UNTIL).frame.frozen_before == FROZEN_BEFORE


def test_earlier_horizon_drops_no_frozen_day(copied: Deployment) -> None:
    before = days_of(copied, "daily_summary")
    copied.run(EVENTS_FROM)
    assert {day for day in before if day < FROZEN_BEFORE} <= days_of(copied, "daily_summary")


@pytest.mark.long
def test_frozen_days_after_an_earlier_last_day_are_a_warning(copied: Deployment) -> None:
    def warnings(until: date) -> list[str]:
        shown = call("plan", "--json", "--until", str(until), "--data", copied.folder.path)[1]
        return [each for each in json.loads(shown)["warnings"] if "frozen" in each]

    first, last = EVENTS_FROM + ONE_DAY, FROZEN_BEFORE - ONE_DAY
    [said] = warnings(EVENTS_FROM)
    assert said.startswith(f"{first} to {last}: frozen days after the last day, {EVENTS_FROM}, stay because")
    assert "such as visitors, are without them" in said
    assert warnings(last) == warnings(UNTIL) == []


@pytest.mark.long
def test_first_open_day_without_events_comes_back_after_an_earlier_horizon(tmp_path: Path) -> None:
    """Only the events of the last frozen day make it a day to build, and its raw events have expired."""
    deployment = Deployment(tmp_path, settings(raw=RAW_DAYS))
    for day in (FIRST, FROZEN_BEFORE - ONE_DAY, UNTIL):
        deliver(deployment, day, 1)
    deployment.run(UNTIL)
    before = deployment.hashes()
    assert FROZEN_BEFORE in days_of(deployment, "daily_visitors")
    deployment.run(FIRST)
    assert FROZEN_BEFORE not in days_of(deployment, "daily_visitors")
    deployment.run(UNTIL)
    assert deployment.hashes() == before


@pytest.mark.long
def test_stored_late_line_of_a_frozen_day_is_counted_and_builds_nothing(tmp_path: Path) -> None:
    """In New York, the last frozen day and the first open day share a UTC date, so the line is stored."""
    new_york = {**settings(raw=RAW_DAYS), "timezone": "America/New_York"}
    deployment = Deployment(tmp_path, new_york)
    for day in (FIRST, UNTIL):
        deliver(deployment, day, 1)
    deployment.run(UNTIL)
    midnight = ("04:59:59", "05:00:00")
    late = [{**lines(FROZEN_BEFORE)[0], "event_time": f"{FROZEN_BEFORE}T{time}Z"} for time in midnight]
    deployment.deliver("late", late[:1])
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().frozen_count == 1
    assert deployment.run(UNTIL) == []
    deployment.deliver("late-open", late[1:])
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().frozen_count == 0
    assert FROZEN_BEFORE in days_of(deployment, "raw_events")
    renamed = {"when" if name == "event_time" else name: value for name, value in late[0].items()}
    deployment.deliver("late", [renamed], source="other")
    deployment.run(UNTIL)
    deployment.set({**new_york, "sources": {"other": {"columns": {"event_time": "when"}}}})
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().frozen_count == 1, "none of its lines could be read before"


@pytest.mark.long
def test_first_open_day_without_length_is_not_built(tmp_path: Path) -> None:
    """Samoa has no 2011-12-30. The day after it closes the sessions of the last frozen day."""
    missing = date(2011, 12, 30)
    last = missing + (RAW_DAYS - 1) * ONE_DAY
    zoned = {"start_date": date(2011, 12, 1), "timezone": "Pacific/Apia"}
    deployment = Deployment(tmp_path, {**settings(), **zoned})
    for day in (missing - ONE_DAY, last):
        deployment.deliver(str(day), [{**lines(day)[0], "event_time": f"{day}T20:00:00"}])
    deployment.run(last)
    before = days_of(deployment, "sessions")
    deployment.set({**settings(raw=RAW_DAYS), **zoned})
    assert deployment.run(last) == []
    with open_run(deployment.folder, run_id="test", until=last) as run:
        assert run.planner.frame.frozen_before == missing
    assert deployment.run(last) == []
    assert days_of(deployment, "sessions") == before


@pytest.mark.long
def test_next_day_moves_the_bound(copied: Deployment) -> None:
    deliver(copied, UNTIL + ONE_DAY, 1)
    copied.run(UNTIL + ONE_DAY)
    with closing(open_store(copied.folder)) as store:
        assert store.catalog.frozen_before() == FROZEN_BEFORE + ONE_DAY
    assert min(days_of(copied, "raw_events")) == FROZEN_BEFORE + ONE_DAY
    assert copied.run(UNTIL + ONE_DAY) == []


def test_checks_of_a_run_leave_out_frozen_days(expired: Expired) -> None:
    def checked(run_tags: dict[str, str]) -> list[date]:
        return list(days_of_run(run, run_tags))

    with open_run(expired.deployment.folder, run_id="test", until=UNTIL) as run:
        open_days = sorted(days(FROZEN_BEFORE, UNTIL))
        assert checked({tags.RANGE_START: str(FIRST), tags.RANGE_END: str(UNTIL)}) == open_days
        assert checked({tags.RANGE_START: str(FROZEN_BEFORE), tags.RANGE_END: str(UNTIL - ONE_DAY)}) == open_days[:-1]
        assert checked({tags.DAY: str(FIRST)}) == []
        assert checked({}) == open_days[-DAYS_BY_HAND:]


def test_damaged_file_of_a_frozen_day_is_an_error_that_says_what_to_do(copied: Deployment) -> None:
    with closing(open_store(copied.folder)) as store:
        [partition] = [each for each in store.of_table("daily_summary") if each.key.date == FIRST]
        damage(store.path_of(partition), b"damaged")
        with (
            pytest.raises(StoreError, match=r"is frozen: .*restore store/ from a backup"),
            open_run(copied.folder, run_id="test", until=UNTIL) as run,
        ):
            run.repair(partition)


@pytest.mark.long
def test_text_of_quarantined_lines_expires_and_their_reasons_stay(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {**settings(), "privacy": {"quarantine_days": 2}})
    deliver(deployment, FIRST, 3)
    deployment.deliver("only-bad", [{"a": 1}, {"a": 2}])
    deployment.run(FIRST + 2 * ONE_DAY)
    first = deployment.table("quarantined_lines")
    texts = dict(zip(first["line"], first["detail"], strict=True))
    assert len(first) == 5
    assert f"no event of {FIRST + ONE_DAY}" in texts
    assert f"no event of {FIRST}" not in texts
    assert deployment.run(FIRST + 2 * ONE_DAY) == []
    deliver(deployment, FIRST + 3 * ONE_DAY, 2)
    deployment.run(FIRST + 4 * ONE_DAY)
    later = deployment.table("quarantined_lines")
    assert set(later["line"].dropna()) == {f"no event of {FIRST + number * ONE_DAY}" for number in (3, 4)}
    assert later["detail"].isna().sum() == later["line"].isna().sum() == 5
    assert set(later["reason"]) == {"invalid_json", "missing_visitor_id"}
    with closing(open_store(deployment.folder)) as store:
        assert sum(sum(each.counts.values()) for each in store.of_table("quarantined_lines")) == 7


@pytest.mark.long
def test_plan_names_no_frozen_days_that_a_run_does_not_record(tmp_path: Path) -> None:
    """The days before the last delivery have no events, so nothing of them expires, and late files are still built."""
    deployment = Deployment(tmp_path, settings(raw=RAW_DAYS))
    data = ("--data", deployment.folder.path)
    for first, count in ((FIRST, 1), (UNTIL, 1), (UNTIL + 9 * ONE_DAY, 1)):
        deliver(deployment, first, count)
        deployment.run(first + ONE_DAY)
    until = UNTIL + 10 * ONE_DAY
    for day in (until, until + ONE_DAY):
        planned = json.loads(call("plan", "--json", "--until", str(day), *data)[1])
        recorded = json.loads(call("status", "--json", *data)[1])["frozen_before"]
        assert (planned["frozen_before"] == recorded) == (not planned["expiring"])
        assert ("Frozen then" in call("plan", "--until", str(day), *data)[1]) == bool(planned["expiring"])


def test_plan_names_the_first_gone_files_whose_rows_have_not_expired(
    copied: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session_pipeline.cli.planned.SHOWN_FILES", 3)
    copied.set({**settings(**KEEP), "sources": {"test": {"event_names": {"page_view": "page_opened"}}}})
    for path in (copied.folder.raw / "test").iterdir():
        path.unlink()
    shown = call("plan", "--until", str(UNTIL), "--data", copied.folder.path)[1]
    named = re.findall(r"^raw/test/([\d-]+).jsonl is missing", shown, re.MULTILINE)
    assert named == [str(FROZEN_BEFORE + number * ONE_DAY) for number in range(3)]
    assert "and 7 more files like this" in shown


@pytest.mark.long
def test_plan_status_and_the_check_say_what_is_frozen(copied: Deployment) -> None:
    deliver(copied, UNTIL + ONE_DAY, 1)
    data = ("--data", copied.folder.path)
    with open_run(copied.folder, run_id="test", until=UNTIL + ONE_DAY) as run:
        run.ingest()
    code, shown, _ = call("plan", "--until", str(UNTIL + ONE_DAY), *data)
    assert code == 0
    assert f"Frozen then: days before {FROZEN_BEFORE + ONE_DAY}" in shown
    assert re.search(r"Expired: \d+ partitions", shown)
    found = json.loads(call("plan", "--json", "--until", str(UNTIL + ONE_DAY), *data)[1])
    assert f"events[{EVENTS_FROM}]" in found["expiring"]
    assert found["frozen_before"] == str(FROZEN_BEFORE + ONE_DAY)
    code, shown, _ = call("status", *data)
    assert code == 0
    assert f"days before {FROZEN_BEFORE} (3 built)" in shown
    assert json.loads(call("status", "--json", *data)[1])["frozen_before"] == str(FROZEN_BEFORE)
