"""Tests that incremental runs equal a recompute, for late data, redeliveries and changed settings.

They also test that nothing is rebuilt needlessly. Damaged files are tested in test_damage.py.
"""

import gzip
import shutil
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pytest

from session_pipeline.build.plan import Certainty, Kind
from session_pipeline.publish.publication import Published
from session_pipeline.publish.published_state import published_partitions
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store import crash_points
from session_pipeline.store.records import Key
from session_pipeline_tests.built_week import UNTIL, clean, event
from session_pipeline_tests.deployment import Deployment


@pytest.mark.long
def test_second_run_builds_nothing(week: Deployment) -> None:
    assert week.run(UNTIL) == []
    assert week.plan(UNTIL).is_empty


def test_redelivery_only_changes_its_count(week: Deployment) -> None:
    before = week.hashes()
    shutil.copyfile(week.folder.raw / "test" / "day-5.jsonl", week.folder.raw / "test" / "again.jsonl")
    assert week.run(UNTIL) == []
    assert week.hashes() == before
    files = week.table("source_files").set_index("path")
    assert files.loc["test/again.jsonl"]["delivery_count"] == 2


@pytest.mark.long
def test_late_event_rebuilds_only_affected_days(week: Deployment, tmp_path: Path) -> None:
    week.deliver("late", [event("v0", "2026-10-07T10:30:00Z", 999)])
    built = week.run(UNTIL, publishes=False)
    days = {(step, day.day) for step, day in built if day is not None}
    assert ("sessionize", 7) in days
    assert ("sessions", 7) in days
    # The sessions of the 6th also read events of the 7th. Their result is equal, so nothing below them is rebuilt.
    assert ("session_actions", 6) in days
    assert ("event_matches", 6) in days
    assert ("session_outcomes", 6) not in days
    assert ("daily_summary", 6) not in days
    # These steps read days before their own: all of them, or a window. Only what changed on the 7th is built again, and
    # nothing below, since the results are equal.
    reads_the_past = ("visitor_days", "typical_paths", "opportunities")
    assert {found for found in days if found[1] not in (6, 7)} == {
        (step, day) for step in reads_the_past for day in range(8, 13)
    }
    assert week.hashes() == clean(week, tmp_path / "clean")


@pytest.mark.long
def test_changed_setting_makes_only_its_readers_stale(week: Deployment, tmp_path: Path) -> None:
    week.set(
        {
            "funnels": [
                {
                    "name": "f",
                    "steps": [
                        {"name": "a", "where": "event_name = 'page_view'"},
                        {"name": "b", "where": "event_name = 'purchase'"},
                    ],
                }
            ]
        }
    )
    plan = week.plan(UNTIL)
    will = {item.step.name for item in plan.items if item.certainty is Certainty.WILL}
    # funnel_events has no setting of its own; it is built if the matches of funnels change.
    assert will == {"event_matches", "funnel_entries", "funnel_steps"}
    assert {item.kind for item in plan.items if item.certainty is Certainty.WILL} == {Kind.LOGIC}
    week.run(UNTIL, publishes=False)
    assert week.hashes() == clean(week, tmp_path / "clean")


def test_plan_names_the_changed_setting(week: Deployment) -> None:
    week.set({"sessions": {"inactivity_minutes": 20}})
    reasons = {item.step.name: item.reason for item in week.plan(UNTIL).items}
    assert reasons["sessionize"] == "setting inactivity_minutes changed from 30 to 20"


@pytest.mark.long
def test_replaced_partition_counts_once(week: Deployment) -> None:
    week.run(UNTIL)
    before = published_hashes(week)
    week.deliver("late", [event("v0", "2026-10-07T10:30:00Z", 999)])
    week.run(UNTIL)
    after = published_hashes(week)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert before.keys() & changed
    assert isinstance(week.published, Published)
    assert week.published.replaced_count == len(changed)


def published_hashes(deployment: Deployment) -> dict[Key, str]:
    with closing(open_store(deployment.folder)) as store:
        return {partition.key: partition.sha256 for partition in published_partitions(store)}


def test_package_with_other_tables_publishes_them(week: Deployment) -> None:
    for _ in range(2):  # the first run checks that the copied files are the known ones
        assert week.run(UNTIL) == []
    assert "already" in str(week.published)
    with duckdb.connect(str(week.folder.warehouse)) as connection:
        connection.execute("drop table session_goals")
    store = open_store(week.folder)
    store.catalog.set_state("published_contracts", 1)  # as written by a package without this table
    store.close()
    week.run(UNTIL)
    assert "already" not in str(week.published)
    with duckdb.connect(str(week.folder.warehouse), read_only=True) as connection:
        assert connection.execute("select count(*) from session_goals").fetchone() == (0,)


@pytest.mark.long
def test_changed_time_zone_equals_clean_run_and_reverts(week: Deployment, tmp_path: Path) -> None:
    before = week.hashes()
    week.set({"timezone": "America/New_York"})
    week.run(UNTIL, publishes=False)
    assert week.hashes() == clean(week, tmp_path / "clean")
    week.set({})
    week.run(UNTIL, publishes=False)
    assert week.hashes() == before


@pytest.mark.long
def test_earlier_horizon_drops_days_and_later_one_restores_them(week: Deployment) -> None:
    before = week.hashes()
    week.run(date(2026, 10, 8), publishes=False)
    assert max(week.table("sessions")["session_date"]) == date(2026, 10, 8)
    week.run(UNTIL, publishes=False)
    assert week.hashes() == before


@pytest.mark.long
def test_start_date_after_all_events_leaves_only_quarantine(week: Deployment, tmp_path: Path) -> None:
    week.deliver("browser", [event("w", "2026-10-06T10:00:00Z", 1, user_agent="Mozilla/5.0")])
    week.run(UNTIL, publishes=False)
    assert len(week.table("user_agents")) == 1
    before = week.hashes()
    week.set({"start_date": UNTIL})
    week.run(UNTIL)
    assert week.hashes() == clean(week, tmp_path / "clean")
    with duckdb.connect(str(week.folder.warehouse), read_only=True) as warehouse:
        assert warehouse.execute("select count(*) from user_agents").fetchall() == [(0,)]
    week.set({})
    week.run(UNTIL, publishes=False)
    assert week.hashes() == before


def test_days_stale_for_logic_alone_wait_for_an_upgrade(week: Deployment) -> None:
    week.set({"max_rebuild_days": 3, "sessions": {"engaged_seconds": 20}})
    plan = week.plan(UNTIL)
    assert {item.step.name for item in plan.outdated} >= {"sessions"}
    assert week.run(UNTIL, upgrade=False) == []
    assert week.run(UNTIL, upgrade=True)
    assert week.plan(UNTIL).is_empty


@pytest.mark.long
def test_file_of_an_interrupted_run_counts_as_delivered(week: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(place: str) -> None:
        if place == "ingest: file taken":
            raise KeyboardInterrupt

    late = week.deliver("late", [event("v0", "2026-10-07T10:30:00Z", 999)])
    monkeypatch.setattr(crash_points, "reached", cut_off)
    with pytest.raises(KeyboardInterrupt):
        week.run(UNTIL, publishes=False)
    monkeypatch.undo()
    late.unlink()
    week.run(UNTIL, publishes=False)
    files = week.table("source_files").set_index("path")
    assert files.loc["test/late.jsonl"]["delivery_count"] == 1


@pytest.mark.nightly  # the cuts of test_stretches have another number of threads, too
def test_thread_count_does_not_change_bytes(tmp_path: Path) -> None:
    hashes = []
    for threads in (1, 2):
        deployment = Deployment(tmp_path / str(threads), {"resources": {"threads": threads}})
        shutil.copytree(Path(__file__).parents[1] / "data" / "raw", deployment.folder.raw)
        deployment.run(UNTIL, publishes=False)
        hashes.append(deployment.hashes())
    assert hashes[0] == hashes[1]


def test_nothing_is_published_while_something_is_stale(week: Deployment) -> None:
    week.deliver("late", [event("v0", "2026-10-07T10:30:00Z", 999)])
    with open_run(week.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        result = run.publish()
    assert isinstance(result, str)
    assert "is stale" in result
    with duckdb.connect(str(week.folder.warehouse), read_only=True) as warehouse:
        assert warehouse.execute("select max(event_number) from events where event_date = '2026-10-07'").fetchone() == (
            3,
        )


@pytest.mark.long
def test_multiline_records_use_the_delimiter_of_the_source(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"sources": {"office": {"delimiter": ";"}}}, only=("events",))
    folder = deployment.folder.raw / "office"
    folder.mkdir(parents=True)
    (folder / "notes.csv").write_text(
        "visitor_id;event_time;event_name;a,b,c,d,e\n"
        'v1;2026-10-05T10:00:00Z;contact;"two\nlines, and; more"\n'
        'v2;2026-10-05T11:00:00Z;contact;"one line"\n'
    )
    deployment.run(UNTIL)
    (file,) = deployment.records("source_files")
    assert (file["line_count"], file["accepted_count"], file["set_aside_count"]) == (2, 2, 0)
    assert sorted(deployment.table("events")["visitor_id"]) == ["v1", "v2"]


def test_redelivery_leaves_no_copy_in_scratch(week: Deployment) -> None:
    content = gzip.compress((week.folder.raw / "test" / "day-5.jsonl").read_bytes())
    (week.folder.raw / "test" / "again.jsonl.gz").write_bytes(content)
    with open_run(week.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().redelivered_count > 0
        assert [path for path in run.store.scratch.rglob("*") if path.is_file()] == []


def test_file_renamed_during_ingest_is_read_by_the_next_run(week: Deployment) -> None:
    delivered = week.deliver("late", [event("late", "2026-10-07T15:00:00Z", 1)])

    def rename(done: int, total: int, name: str) -> None:
        if name == "test/late.jsonl":
            delivered.rename(delivered.with_name("final.jsonl"))

    with open_run(week.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest(rename).read_count == 0
        assert run.plan().is_empty
        assert run.ingest().read_count == 1


@pytest.mark.long
def test_bar_in_a_visitor_id_does_not_merge_sessions(tmp_path: Path) -> None:
    """Plain concatenation of the fields would give both sessions the same id."""
    deployment = Deployment(tmp_path, only=("sessions",))
    said = {"event_time": "2026-10-05T10:00:00Z", "event_name": "page_view"}
    deployment.deliver(
        "one", [{"visitor_id": "a", "event_id": "b|c"} | said, {"visitor_id": "a|b", "event_id": "c"} | said]
    )
    deployment.run(UNTIL)
    assert deployment.table("sessions")["event_count"].tolist() == [1, 1]
