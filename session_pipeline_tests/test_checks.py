"""Tests the checks: each passes on a correct store and fails when a table is wrong."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from session_pipeline import checks
from session_pipeline.checks import CHECKS, Verdict, unusual
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import Run, open_run
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines
from session_pipeline_tests.simulation.simulated_clock import simulated

WEEKS = [date(2024, 5, 6) + timedelta(weeks=week) for week in range(4)]
DAY = WEEKS[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Four Mondays, the last with a duplicate line. Read only."""
    deployment = Deployment(tmp_path_factory.mktemp("built") / "data", SMALL)
    for day in WEEKS:
        deployment.deliver(str(day), shop_lines(day))
    deployment.deliver("again", shop_lines(DAY)[-1:])
    deployment.run()
    return deployment


@pytest.fixture
def deployment(built: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `built` that the test may change."""
    shutil.copytree(built.folder.path, tmp_path / "data")
    return Deployment(tmp_path / "data", SMALL)


@contextmanager
def opened(deployment: Deployment, until: date | None = None) -> Iterator[Run]:
    with open_run(deployment.folder, run_id="test", until=until) as run:
        yield run


def asked(
    deployment: Deployment, check: Callable[[Run, Sequence[date]], Verdict], day: date = DAY, until: date | None = None
) -> Verdict:
    with opened(deployment, until) as run:
        return check(run, [day])


def change(deployment: Deployment, name: str, select: str, day: date | None = DAY, file_id: str = "") -> None:
    """Commit other rows for a partition, as if its model had returned them."""
    with opened(deployment) as run:
        partition = run.store.partitions[Key(name, day, file_id)]
        path = run.store.scratch / "changed.parquet"
        with run.engine.job() as job:
            job.add_input(table(name), [run.store.path_of(partition)])
            count = job.write(table(name), select, path)
        _commit(run, partition, path, count)


def _commit(run: Run, partition: Partition, path: Path, count: int) -> None:
    parts, counts = dict(partition.parts), dict(partition.counts)
    run.store.commit(
        [Written(partition.key, path, count, partition.fingerprint, parts, counts, "a test")], run_id="test"
    )


def file_ids(deployment: Deployment, day: date = DAY) -> list[str]:
    with opened(deployment) as run:
        return [key.file_id for key in run.store.partitions if key.table == "raw_events" and key.date == day]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_check_passes_on_a_correct_store(built: Deployment, check: checks.Check) -> None:
    with opened(built) as run:
        verdict = check.run(run, run.planner.frame.wanted)
    assert verdict.holds, verdict.sentence
    assert check.meaning.endswith(".")


def test_severity_of_checks(built: Deployment) -> None:
    assert {check.name for check in CHECKS if not check.is_error} == {
        "bot_share",
        "built_by_current_rules",
        "conflicting_event_ids",
        "progress_alerts",
        "set_aside_rate",
        "settings_match_data",
        "source_arrived",
        "unfolded_actions",
        "volume_unusual",
    }
    assert [check.name for check in CHECKS if check.is_blocking] == ["ledger_closes"]


class TestLedgerCloses:
    def test_counts_every_line(self, built: Deployment) -> None:
        lines = 4 * len(shop_lines(DAY)) + 1
        assert asked(built, checks.ledger_closes).figures == {
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
        assert "test/2024-05-06.jsonl: the store has 14 accepted and 0 quarantined" in verdict.sentence

    def test_fails_on_a_line_neither_accepted_nor_quarantined(self, deployment: Deployment) -> None:
        with opened(deployment) as run, run.store.catalog.transaction() as _:
            [file_id] = [key.file_id for key in run.store.partitions if key.file_id and key.date == WEEKS[0]]
            recorded = run.store.catalog.source_files()[file_id]
            more = dict(recorded.facts) | {"line_count": 16}
            run.store.catalog.put_source_file(replace(recorded, facts=more))
        verdict = asked(deployment, checks.ledger_closes)
        assert verdict.sentence == "test/2024-05-06.jsonl: 16 lines were counted when it was admitted"

    @pytest.mark.long
    @pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/St_Johns"])
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

    def test_reads_no_file_if_nothing_is_stale(self, built: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(built) as run:
            monkeypatch.setattr(run.engine, "job", lambda: pytest.fail("a file is read"))
            assert checks.ledger_closes(run, []).holds


@pytest.mark.parametrize(
    ("check", "name", "select", "sentence"),
    [
        (
            checks.sessions_cover_events,
            "sessions",
            "select * replace (event_count + 1 as event_count) from sessions",
            "2024-05-27: 5 sessions have an event_count that differs from their events",
        ),
        (
            checks.sessions_cover_events,
            "events",
            "select * from events where visitor_id <> 'visitor 2'",
            "2024-05-27: 1 sessions have an event_count that differs from their events",
        ),
        (
            checks.outcomes_add_up,
            "session_outcomes",
            "select * from session_outcomes where outcome <> 'purchase'",
            "2024-05-27: 5 in sessions, 4 in session_outcomes, 4 in sessions_with_outcome, 5 in daily_outcomes,"
            " 5 in daily_summary",
        ),
        (
            checks.outcomes_add_up,
            "daily_outcomes",
            "select * replace (session_count + 1 as session_count) from daily_outcomes where outcome = 'purchase'",
            "2024-05-27: 5 in sessions, 5 in session_outcomes, 5 in sessions_with_outcome, 2 in daily_outcomes,"
            " 5 in daily_summary",
        ),
        (
            checks.funnels_monotone,
            "funnel_steps",
            "select * replace (entered_count + step_number as entered_count) from funnel_steps",
            "2024-05-27: checkout does not add up",
        ),
        (
            checks.paths_add_up,
            "action_transitions",
            "select * from action_transitions where transition <> 'entry'",
            "2024-05-27: 5 sessions, 15 actions, 15 transitions, 5 session_paths, 5 path_counts, 5 starts, 5 ends",
        ),
        (
            checks.paths_add_up,
            "session_paths",
            "select * replace (session_count + 1 as session_count) from session_paths where outcome = 'purchase'",
            "2024-05-27: 5 sessions, 15 actions, 20 transitions, 2 session_paths, 5 path_counts, 5 starts, 5 ends",
        ),
        (
            checks.paths_add_up,
            "action_steps",
            "select * replace (2 * session_count as session_count) from action_steps where step_number < 2",
            "2024-05-27: 5 sessions, 15 actions, 20 transitions, 5 session_paths, 5 path_counts, 10 starts, 0 ends",
        ),
        (
            checks.visitors_add_up,
            "visitor_days",
            "select * from visitor_days where visitor_id <> 'visitor 0'",
            "2024-05-27: sessions of main: 4 in visitor_days, 5 in daily_summary; 2024-05-27: visitors of main:"
            " 4 in visitor_days, 5 in sessions, 5 in daily_visitors by life cycle",
        ),
        (
            checks.visitors_add_up,
            "daily_visitors",
            "select * replace (dormant_count + 1 as dormant_count) from daily_visitors",
            "2024-05-27: visitors of the day before of main: 1 in daily_visitors, returning or dormant",
        ),
        (
            checks.bots_add_up,
            "daily_bots",
            "select * replace (session_count + 1 as session_count) from daily_bots",
            "2024-05-27: people, bots and page views of main: 5, 0 and 9 in sessions, 6, 0 and 9 in daily_bots",
        ),
        (
            checks.progress_adds_up,
            "action_visits",
            "select * replace (session_count + 1 as session_count) from action_visits where dimension <> 'channel'",
            "2024-05-27: the counts of actions do not add up",
        ),
        (
            checks.progress_adds_up,
            "action_progress",
            "select * replace (session_count + 5 as session_count) from action_progress",
            "2024-05-27: the counts of actions do not add up",
        ),
        (
            checks.funnels_monotone,
            "funnel_steps",
            "select * replace (dropped_count + 1 as dropped_count) from funnel_steps",
            "2024-05-27: checkout does not add up",
        ),
        (
            checks.drops_add_up,
            "funnel_drops",
            "select * replace (attempt_count + 1 as attempt_count) from funnel_drops where next_number = 3",
            "2024-05-27: checkout does not add up",
        ),
        (
            checks.audit_recompute,
            "events",
            "select * replace ('elsewhere' as page_host) from events",
            "events of 2024-05-27 has different rows when it is recomputed",
        ),
        (
            checks.bot_share,
            "sessions",
            "select * replace (visitor_id <> 'visitor 0' as is_bot) from sessions",
            "2024-05-27: 4 of 5 sessions are bot sessions",
        ),
        (
            checks.volume_unusual,
            "sessions",
            "select * from sessions where visitor_id = 'visitor 0'",
            "2024-05-27: 1 sessions, 20% of the usual 5",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_check_fails_on_a_wrong_table(
    deployment: Deployment, check: Callable[[Run, Sequence[date]], Verdict], name: str, select: str, sentence: str
) -> None:
    change(deployment, name, select)
    assert asked(deployment, check) == Verdict(False, sentence, {})
    assert asked(deployment, check, day=WEEKS[0]).holds, "other days are left alone"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("visitors", "first_visit of main: 4 in visitors, 5 in retention"),
        ("retention", "first_visit of main: 5 in visitors, 0 in retention"),
    ],
)
def test_cohorts_that_do_not_cover_visitors(deployment: Deployment, name: str, sentence: str) -> None:
    one = "visitor_id <> 'visitor 0'" if name == "visitors" else "cohort <> 'first_visit'"
    change(deployment, name, f"select * from {name} where {one}", None)
    assert sentence in asked(deployment, checks.cohorts_cover_visitors).sentence


ALERT = """
    select 'main' as site, 1 as rank, 7 as window_days, 'device' as dimension, 'mobile' as dimension_value,
        '/cart' as action, '/checkout' as next_action, 25.0 as associated_lost, true as is_alert,
        '{sentence}' as sentence
"""


def test_progress_alerts_names_the_alerts_of_the_last_14_days(deployment: Deployment) -> None:
    assert asked(deployment, checks.progress_alerts).holds
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Fewer go on.")), WEEKS[1])
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Far fewer go on.")), WEEKS[2])
    expected = Verdict(False, "Far fewer go on.", {"alerts": 1})
    verdict = asked(deployment, checks.progress_alerts)
    assert verdict == expected
    assert verdict.problems == ("fewer mobile visits at /cart go on to /checkout (site main)",)
    assert asked(deployment, checks.progress_alerts, day=WEEKS[1]).sentence == "Fewer go on."
    assert asked(deployment, checks.progress_alerts, day=WEEKS[2] + timedelta(days=13)) == expected
    assert asked(deployment, checks.progress_alerts, day=WEEKS[2] + timedelta(days=14)).holds


def with_nulls(select: str) -> str:
    """Return a SELECT with the columns of progress_changes, null where it has no value."""
    return f"select * from ({select}) union all by name select * from progress_changes where false"


@pytest.mark.long
def test_volume_unusual_with_too_many_sessions(deployment: Deployment) -> None:
    many = shop_lines(DAY, visitors=12)
    deployment.deliver("many", many)
    deployment.run()
    assert asked(deployment, checks.volume_unusual).sentence == "2024-05-27: 12 sessions, 240% of the usual 5"


@pytest.mark.long
def test_conflicting_event_ids(deployment: Deployment) -> None:
    line = shop_lines(DAY)[0]
    deployment.deliver("conflict", [{**line, "page_url": "https://shop.example/other"}])
    deployment.run()
    verdict = asked(deployment, checks.conflicting_event_ids)
    assert verdict.sentence == "1 lines differ from the event that they repeat; see duplicate_events"
    assert asked(deployment, checks.conflicting_event_ids, day=WEEKS[0]).holds


def test_unfolded_actions(built: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", 3)
    assert asked(built, checks.unfolded_actions).sentence == (
        "2024-05-27: 5 actions; fold ids in paths with a rule under [actions] in settings.toml"
    )


def test_actions_that_begin_alike(built: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unusual, "LARGEST_VALUE_COUNT", 1)
    sentence = asked(built, checks.unfolded_actions).sentence
    assert sentence.startswith("2024-05-27: "), sentence
    assert " different actions begin with /, from /" in sentence


def test_set_aside_rate_of_bad_and_refused_files(deployment: Deployment) -> None:
    bad = deployment.deliver("bad", [*shop_lines(DAY, visitors=1), "{", "{"])
    unknown = bad.with_name("picture.png")
    unknown.write_bytes(b"\x89PNG")
    deployment.run()
    verdict = asked(deployment, checks.set_aside_rate)
    assert "test/bad.jsonl: 2 of 3 lines were quarantined, " in verdict.sentence
    assert "test/picture.png: the file is refused (" in verdict.sentence
    unknown.unlink()
    assert "picture.png" not in asked(deployment, checks.set_aside_rate).sentence, (
        "there is nothing left to do about it"
    )
    _make_older(deployment, "quarantined_lines", "2024-06-01 00:00:00")
    assert asked(deployment, checks.set_aside_rate).holds, "it was said for a week"


def test_file_without_a_valid_line_is_named_until_removed(deployment: Deployment) -> None:
    file = deployment.deliver("foreign", ['{"who": "ann"}', '{"who": "bob"}'])
    deployment.run()
    _make_older(deployment, "quarantined_lines", "2024-06-01 00:00:00")
    assert "test/foreign.jsonl: 2 of 2 lines were quarantined, " in asked(deployment, checks.set_aside_rate).sentence
    file.unlink()
    assert asked(deployment, checks.set_aside_rate).holds


def _make_older(deployment: Deployment, name: str, built_at: str) -> None:
    with opened(deployment) as run, run.store.catalog.transaction():
        for partition in run.store.of_table(name):
            run.store.catalog.put([replace(partition, built_at=built_at)])


def test_late_source(deployment: Deployment) -> None:
    deployment.set({**SMALL, "sources": {"test": {"expected_by": "06:00"}, "other": {}}})
    assert asked(deployment, checks.source_arrived, until=DAY).holds
    verdict = asked(deployment, checks.source_arrived, until=DAY + ONE_DAY)
    assert verdict.sentence == "test: no events of 2024-05-28 yet, expected by 06:00"


def test_source_is_not_late_before_its_hour(deployment: Deployment) -> None:
    deployment.set({**SMALL, "sources": {"test": {"expected_by": "06:00"}}})
    with simulated(datetime(2024, 6, 12, 5, tzinfo=UTC)):
        today = date(2024, 6, 12)
        assert asked(deployment, checks.source_arrived, until=today - ONE_DAY * 2).holds is False
        assert asked(deployment, checks.source_arrived, until=today).holds, "it is expected tomorrow"


def test_no_source_is_late_before_the_first_day(deployment: Deployment) -> None:
    with simulated(datetime(2024, 6, 12, 5, tzinfo=UTC)):
        deployment.set({"start_date": date(2024, 6, 12), "sources": {"test": {"expected_by": "00:00"}}})
        assert asked(deployment, checks.source_arrived).holds


def test_deferred_days(deployment: Deployment) -> None:
    deployment.set({**SMALL, "max_rebuild_days": 1, "sessions": {"inactivity_minutes": 10}})
    assert asked(deployment, checks.built_by_current_rules).sentence == (
        "8 days have older settings or models (setting inactivity_minutes changed from 30 to 10); rebuild them:"
        " `session-pipeline run --upgrade`"
    )


class TestSettingsMatchData:
    def test_names_a_condition_that_matches_nothing(self, deployment: Deployment) -> None:
        deployment.set({**SMALL, "goals": [{"name": "bought", "where": "event_name = 'purchese'"}]})
        key, problem = "goals[bought].where", "event_name = 'purchese' matches no event"
        verdict = asked(deployment, checks.settings_match_data)
        assert not verdict.holds
        assert verdict.sentence.startswith(f"{key}: {problem} so far; similar values of event_name: 'purchase';")
        assert verdict.figures == {"warnings": 1, key: verdict.sentence.removeprefix(f"{key}: ")}
        assert verdict.problems == (f"{key}: {problem}",)

    def test_passes_before_the_first_publication(self, deployment: Deployment) -> None:
        deployment.folder.warehouse.unlink()
        assert asked(deployment, checks.settings_match_data) == Verdict(True, "nothing is published yet")

    def test_names_an_unreadable_warehouse(self, deployment: Deployment) -> None:
        deployment.folder.warehouse.write_bytes(b"no database" * 1000)
        assert "cannot be opened" in asked(deployment, checks.settings_match_data).sentence


def test_differences_of_definitions_must_add_up(deployment: Deployment) -> None:
    deployment.set({**SMALL, "definitions": {"also": ["umami"]}})
    deployment.run()
    assert asked(deployment, checks.definitions_add_up).sentence == "the differences of all definitions add up"
    change(
        deployment,
        "daily_definitions",
        "select * replace (session_count + 1 as session_count) from daily_definitions where definition = 'umami'",
    )
    found = asked(deployment, checks.definitions_add_up)
    assert not found.holds
    assert "2024-05-27: sessions of umami of main: " in found.sentence
