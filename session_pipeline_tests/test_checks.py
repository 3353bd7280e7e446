"""Tests the checks: each passes on a correct store. test_check_sums.py has the wrong tables for which they fail."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from session_pipeline import checks
from session_pipeline.build import builder
from session_pipeline.checks import CHECKS
from session_pipeline.engines.sql import literal
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.store.records import Key, Written
from session_pipeline_tests.checked_stores import DAY, WEEKS, asked, change, file_ids, opened
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines


@pytest.fixture
def deployment(four_weeks: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `four_weeks` that the test may change."""
    return four_weeks.copied_to(tmp_path / "data")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_check_passes_on_a_correct_store(four_weeks: Deployment, check: checks.Check) -> None:
    with opened(four_weeks) as run:
        verdict = check.run(run, run.planner.frame.wanted)
    assert verdict.holds, verdict.sentence
    assert check.meaning.endswith(".")


def test_only_these_checks_warn_and_only_one_blocks(four_weeks: Deployment) -> None:
    assert {check.name for check in CHECKS if not check.is_error} == {
        "bot_share",
        "built_by_current_rules",
        "conflicting_event_ids",
        "doubled_page_views",
        "outcome_alerts",
        "progress_alerts",
        "set_aside_rate",
        "settings_match_data",
        "silent_sites",
        "source_arrived",
        "unfolded_actions",
        "visitor_key_kept",
        "volume_unusual",
    }, "list a new check that only warns here"
    assert [check.name for check in CHECKS if check.is_blocking] == ["ledger_closes"]


class TestLedgerCloses:
    def test_counts_every_line(self, four_weeks: Deployment) -> None:
        lines = 4 * len(shop_lines(DAY)) + 1
        assert asked(four_weeks, checks.ledger_closes).figures == {
            "lines": lines,
            "accepted": lines,
            "set_aside": 0,
            "events": lines - 1,
            "duplicates": 1,
            "waiting": 0,
        }

    def test_fails_on_a_lost_event(self, deployment: Deployment) -> None:
        change(deployment, "events", "select * from events where event_id <> '2024-05-27-0-0'")
        verdict = asked(deployment, checks.ledger_closes, day=WEEKS[0])
        assert verdict.sentence == "61 accepted lines are not 59 events, 1 duplicates and 0 waiting"

    def test_fails_on_a_lost_raw_line(self, deployment: Deployment) -> None:
        [file_id] = file_ids(deployment, WEEKS[0])
        change(deployment, "raw_events", "select * from raw_events where line_number > 1", WEEKS[0], file_id)
        verdict = asked(deployment, checks.ledger_closes)
        assert "raw/test/2024-05-06.jsonl: the store has 14 accepted and 0 quarantined" in verdict.sentence

    def test_fails_on_a_line_neither_accepted_nor_quarantined(self, deployment: Deployment) -> None:
        with opened(deployment) as run, run.store.catalog.transaction() as _:
            [file_id] = [key.file_id for key in run.store.partitions if key.file_id and key.date == WEEKS[0]]
            recorded = run.store.catalog.source_files()[file_id]
            more = dict(recorded.facts) | {"line_count": 16}
            run.store.catalog.put_source_file(replace(recorded, facts=more))
        verdict = asked(deployment, checks.ledger_closes)
        assert verdict.sentence == "raw/test/2024-05-06.jsonl: 16 lines were counted when it was admitted"

    @pytest.mark.long
    @pytest.mark.parametrize(
        "timezone", [pytest.param("UTC", marks=pytest.mark.nightly), "Europe/Berlin", "America/St_Johns"]
    )
    def test_counts_lines_of_pending_days(self, deployment: Deployment, timezone: str) -> None:
        deployment.set({**SMALL, "timezone": timezone})
        midnight = datetime.combine(WEEKS[2] + ONE_DAY, time())
        around = [midnight + timedelta(minutes=20 * number - 10) for number in range(-30, 30)]
        deployment.deliver(
            "around midnight",
            [{"visitor_id": "night", "event_time": f"{at}Z", "event_name": "page_view"} for at in around],
        )
        deployment.run(WEEKS[2])
        verdict = asked(deployment, checks.ledger_closes, until=WEEKS[2])
        assert verdict.holds, verdict.sentence
        with opened(deployment, WEEKS[2]) as run:
            end = run.planner.frame.calendar.end(WEEKS[2])
        of_the_last_week = len(shop_lines(DAY)) + 1
        assert verdict.figures["waiting"] == of_the_last_week + sum(1 for at in around if at >= end)

    def test_counts_a_stale_day_as_pending(self, deployment: Deployment) -> None:
        deployment.deliver("late", shop_lines(WEEKS[1], visitors=7))
        with opened(deployment) as run:
            run.ingest()
            verdict = checks.ledger_closes(run, [])
        assert verdict.holds, verdict.sentence
        assert verdict.figures["waiting"] == len(shop_lines(DAY)) + len(shop_lines(DAY, visitors=7))

    def test_reads_no_file_if_nothing_is_stale(self, four_weeks: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(four_weeks) as run:
            monkeypatch.setattr(run.engine, "job", lambda: pytest.fail("a file is read"))
            assert checks.ledger_closes(run, []).holds


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("visitors", "first_visit of main: 4 in visitors, 5 in retention"),
        ("retention", "first_visit of main: 5 in visitors, 0 in retention"),
    ],
)
def test_cohorts_cover_visitors_names_both_counts(deployment: Deployment, name: str, sentence: str) -> None:
    one = "visitor_id <> 'visitor 0'" if name == "visitors" else "cohort <> 'first_visit'"
    change(deployment, name, f"select * from {name} where {one}", None)
    assert sentence in asked(deployment, checks.cohorts_cover_visitors).sentence


@pytest.mark.parametrize(
    "column",
    [
        "session_count",
        *(pytest.param(f"{name}_difference", marks=pytest.mark.long) for name in ("session", "utc_hour")),
    ],
)
def test_differences_of_definitions_must_add_up(deployment: Deployment, column: str) -> None:
    deployment.set({**SMALL, "definitions": {"also": ["umami"]}})
    deployment.run()
    assert asked(deployment, checks.definitions_add_up).sentence == "the differences of all definitions add up"
    change(
        deployment,
        "daily_definitions",
        f"select * replace ({column} + 1 as {column}) from daily_definitions where definition = 'umami'",
    )
    found = asked(deployment, checks.definitions_add_up)
    assert not found.holds
    assert "2024-05-27: sessions of umami of main: " in found.sentence


def test_equal_rows_in_different_bytes_pass_the_audit(deployment: Deployment) -> None:
    """Another version of DuckDB may write other bytes."""
    with opened(deployment) as run:
        partition = run.store.partitions[Key("events", DAY)]
        path = run.store.scratch / "older.parquet"
        pq.write_table(pq.read_table(run.store.path_of(partition)), path, compression="gzip")
        parts, counts = dict(partition.parts), dict(partition.counts)
        [other] = run.store.commit(
            [Written(partition.key, path, partition.row_count, partition.fingerprint, parts, counts)], run_id="older"
        )
        assert other.sha256 != partition.sha256
        assert checks.audit_recompute(run, [DAY]).holds
        assert "was recomputed" in checks.audit_recompute(run, [DAY]).sentence


@pytest.mark.long
@pytest.mark.parametrize(("rows", "holds"), [("true", True), ("false", False)], ids=["equal", "no rows"])
def test_audit_of_a_big_day_compares_some_visitors(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, rows: str, holds: bool
) -> None:
    crowd = [
        {"event_id": f"c{n}", "event_name": "page_view", "visitor_id": f"c{n}", "event_time": f"{DAY}T12:00:00Z"}
        for n in range(40)
    ]
    deployment.deliver("crowd", crowd)
    deployment.run()
    monkeypatch.setattr(builder, "AUDITED_EVENTS", 10)
    with opened(deployment) as run:
        assert run.planner.inputs.event_count(DAY) > 40
        partition = run.store.partitions[Key("events", DAY)]
        path = run.store.scratch / "other.parquet"
        stored = literal(str(run.store.path_of(partition)))
        with duckdb.connect() as connection:
            connection.execute(f"copy (from read_parquet({stored}) where {rows}) to {literal(str(path))}")
        parts, counts = dict(partition.parts), dict(partition.counts)
        run.store.commit([Written(partition.key, path, 1, partition.fingerprint, parts, counts)], run_id="other")
        assert checks.audit_recompute(run, [DAY]).holds is holds


@pytest.mark.long
def test_audit_of_a_big_day_holds_if_client_sessions_are_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of open_sessions is then about a client session and not about a visitor, so no sample fits."""
    deployment = Deployment(tmp_path, {**SMALL, "sessions": {"client_sessions": "key_without_timeout"}})
    event = {"event_name": "page_view", "event_time": f"{DAY}T20:00:00Z"}
    deployment.deliver("crowd", [event | {"visitor_id": f"c{n}", "client_session_id": f"s{n}"} for n in range(40)])
    deployment.run(DAY)
    monkeypatch.setattr(builder, "AUDITED_EVENTS", 10)
    assert asked(deployment, checks.audit_recompute).sentence == f"{DAY} was recomputed from raw events and is equal"
