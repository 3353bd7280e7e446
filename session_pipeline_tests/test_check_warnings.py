"""Tests the checks that warn: of events, actions, files and late sources, outdated days, settings without matches."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from session_pipeline import checks, defs
from session_pipeline.checks import Verdict, unusual
from session_pipeline.errors import DiskFullError, MemoryTooSmallError
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.run import Run
from session_pipeline_tests.checked_stores import DAY, WEEKS, asked, change, opened
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines
from session_pipeline_tests.simulation.simulated_clock import simulated


@pytest.fixture
def deployment(four_weeks: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `four_weeks` that the test may change."""
    return four_weeks.copied_to(tmp_path / "data")


@pytest.mark.long
def test_conflicting_event_ids_counts_differing_lines(deployment: Deployment) -> None:
    repeated = [*shop_lines(WEEKS[1])[:2], shop_lines(DAY)[0]]
    deployment.deliver("conflict", [{**line, "page_url": "https://shop.example/other"} for line in repeated])
    deployment.run()
    with opened(deployment) as run:
        verdict = checks.conflicting_event_ids(run, WEEKS)
    differ = "lines differ from the event that they repeat; see duplicate_events"
    assert verdict.sentence == f"3 {differ}"
    assert verdict.problems == (
        f"{WEEKS[1]}: 2 {differ}",
        f"{DAY}: 1 line differs from the event that it repeats; see duplicate_events",
    ), "an alert is about one day"
    assert asked(deployment, checks.conflicting_event_ids, day=WEEKS[0]).holds


def test_many_names_of_events_are_not_to_be_folded(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", 3)
    change(deployment, "action_labels", labels("'name ' || number from range(5)"))
    assert asked(deployment, checks.unfolded_actions).sentence == f"2024-05-27: 5 actions; {unusual.RENAME}"


def test_unfolded_actions_names_a_day_with_too_many_actions(
    four_weeks: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", 3)
    assert asked(four_weeks, checks.unfolded_actions).sentence == (
        "2024-05-27: 5 actions; fold ids in paths with a rule under [actions] in settings.toml"
    )


def test_largest_number_of_actions_is_small_enough(four_weeks: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", 5)
    assert asked(four_weeks, checks.unfolded_actions).holds


class TestPathsThatContinueInManyWays:
    """The check unfolded_actions, if it allows one way to continue a path and three actions on a day."""

    @pytest.fixture(autouse=True)
    def limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unusual, "LARGEST_VALUE_COUNT", 1)
        monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", 3)

    def test_the_common_beginning_is_named_once_with_its_days_and_the_advice(self, deployment: Deployment) -> None:
        days = WEEKS[:2]
        for day, count in zip(days, (4, 7), strict=True):
            change(deployment, "action_labels", labels(f"'/p/' || number from range({count})"), day)
        with opened(deployment) as run:
            verdict = checks.unfolded_actions(run, days)
        assert verdict.sentence == (
            "2024-05-06, 2024-05-13: up to 7 different actions begin with /p/, from /p/0 to /p/6;"
            " fold ids in paths with a rule under [actions] in settings.toml"
        )
        assert verdict.problems == (
            "2024-05-06: 4 different actions begin with /p/, from /p/0 to /p/3",
            "2024-05-13: 7 different actions begin with /p/, from /p/0 to /p/6",
        )

    def test_long_beginnings_and_actions_are_shortened(self, deployment: Deployment) -> None:
        change(deployment, "action_labels", labels("'/' || repeat('p', 400) || '/' || number from range(2)"))
        shown = "/" + "p" * 98 + "…"
        assert f"begin with {shown}, from {shown} to {shown};" in asked(deployment, checks.unfolded_actions).sentence

    @pytest.mark.parametrize(("parts", "is_compared"), [(9, True), (10, False), (4000, False)])
    def test_only_the_first_ten_parts_of_a_path_are_compared(
        self, parts: int, is_compared: bool, deployment: Deployment
    ) -> None:
        change(deployment, "action_labels", labels(f"repeat('/p', {parts}) || '/' || number from range(2)"))
        assert asked(deployment, checks.unfolded_actions).holds is not is_compared

    def test_only_the_first_500_characters_of_a_path_are_compared(self, deployment: Deployment) -> None:
        change(deployment, "action_labels", labels("'/' || repeat('p', 499) || number from range(2)"))
        assert asked(deployment, checks.unfolded_actions).holds


def labels(actions: str) -> str:
    """Return rows of action_labels that have the given actions: an expression and the rest of its SELECT."""
    columns = "date '2024-05-06' as event_date, 'page_view' as event_name, 'a page' as page_path"
    return f"select {columns}, {actions.replace(' from ', ' as action, false as is_interaction from ')} as one(number)"


@pytest.mark.parametrize("error", ["memory", "disk"])
def test_a_check_that_only_warns_does_not_fail_the_run_if_it_does_not_fit(error: str, four_weeks: Deployment) -> None:
    def too_large(run: Run, days: Sequence[date]) -> Verdict:
        raise {
            "memory": duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate"),
            "disk": OSError(errno.ENOSPC, "No space left on device"),
        }[error]

    check = checks.Check("too_large", "sessions", too_large, is_error=False)
    with opened(four_weeks) as run:
        result = defs.checks._result(run, check, [DAY])
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert str(result.description).startswith("not checked: ")
        assert [failed.is_error for failed in run.outcome.failed_checks] == [False]
        with pytest.raises((MemoryTooSmallError, DiskFullError)):
            defs.checks._result(run, replace(check, is_error=True), [DAY])


def test_set_aside_rate_names_bad_and_refused_files_for_a_week(deployment: Deployment) -> None:
    bad = deployment.deliver("bad", [*shop_lines(DAY, visitors=1), "{", "{"])
    unknown = bad.with_name("picture.png")
    unknown.write_bytes(b"\x89PNG")
    deployment.only = ("raw_events",)
    deployment.run()
    verdict = asked(deployment, checks.set_aside_rate)
    assert "raw/test/bad.jsonl: 2 of 3 lines were quarantined, " in verdict.sentence
    assert "raw/test/picture.png: the file is refused (" in verdict.sentence
    unknown.unlink()
    assert "picture.png" not in asked(deployment, checks.set_aside_rate).sentence, (
        "there is nothing left to do about it"
    )
    _make_older(deployment, "quarantined_lines", "2024-06-01 00:00:00")
    assert asked(deployment, checks.set_aside_rate).holds, "it was said for a week"


@pytest.mark.long
@pytest.mark.parametrize(("built_at", "is_named"), [("2024-05-20 00:00:00", True), ("2024-05-19 23:59:59", False)])
def test_set_aside_rate_names_a_file_for_seven_days(deployment: Deployment, built_at: str, is_named: bool) -> None:
    deployment.deliver("bad", [*shop_lines(DAY, visitors=1), "{", "{"])
    deployment.run()
    _make_older(deployment, "quarantined_lines", built_at)
    assert asked(deployment, checks.set_aside_rate, until=DAY).holds is not is_named


def test_only_the_first_five_problems_are_named(deployment: Deployment) -> None:
    for number in range(7):
        deployment.deliver(f"bad {number}", [f"{number}"])
    deployment.only = ("raw_events",)
    deployment.run()
    verdict = asked(deployment, checks.set_aside_rate)
    assert verdict.sentence.count("cannot be read") == 5
    assert verdict.sentence.endswith("; and 2 more")
    assert len(verdict.problems) == 7


@pytest.mark.parametrize("is_old", [True, False])
def test_file_without_a_valid_line_is_named_until_removed(deployment: Deployment, is_old: bool) -> None:
    file = deployment.deliver("foreign", ['{"who": "ann"}', '{"who": "bob"}'])
    deployment.only = ("raw_events",)
    deployment.run()
    if is_old:
        _make_older(deployment, "quarantined_lines", "2024-06-01 00:00:00")
    assert (
        "raw/test/foreign.jsonl: 2 of 2 lines were quarantined, " in asked(deployment, checks.set_aside_rate).sentence
    )
    file.unlink()
    assert asked(deployment, checks.set_aside_rate).holds, "there is nothing left to do about it"


def test_rows_of_a_gone_file_stay_and_the_check_says_so(deployment: Deployment) -> None:
    file = deployment.deliver("bad", [*shop_lines(DAY, visitors=1), '{"who": "ann"}', '{"who": "bob"}'])
    deployment.only = ("raw_events",)
    deployment.run()
    before = asked(deployment, checks.set_aside_rate)
    assert before.sentence.endswith("change sources.test.columns.visitor_id in settings.toml to accept such lines")
    file.unlink()
    after = asked(deployment, checks.set_aside_rate)
    assert after.sentence == before.sentence + "; the file is gone, so its own rows stay as they were read"
    assert after.problems == before.problems, "it is no new problem, so there is no second alert"


def _make_older(deployment: Deployment, name: str, built_at: str) -> None:
    with opened(deployment) as run, run.store.catalog.transaction():
        for partition in run.store.of_table(name):
            run.store.catalog.put([partition._replace(built_at=built_at)])


def test_source_arrived_names_a_late_source(deployment: Deployment) -> None:
    deployment.set({**SMALL, "sources": {"test": {"expected_by": "06:00"}, "other": {}}})
    assert asked(deployment, checks.source_arrived, until=DAY).holds
    verdict = asked(deployment, checks.source_arrived, until=DAY + ONE_DAY)
    assert verdict.sentence == "test: no events of 2024-05-28 yet, expected by 06:00"


@pytest.mark.long
def test_source_has_arrived_whatever_old_days_it_delivered_too(deployment: Deployment) -> None:
    names = [f"source{number}" for number in range(6)]
    deployment.set({**SMALL, "sources": {name: {"expected_by": "06:00"} for name in names}})
    for name in names:
        for day in (WEEKS[0], DAY):
            deployment.deliver(str(day), [{**shop_lines(day)[0], "event_id": f"{name} {day}"}], name)
    with opened(deployment) as run:
        run.ingest()
    assert asked(deployment, checks.source_arrived, until=DAY).holds


def test_source_is_not_late_before_its_hour(deployment: Deployment) -> None:
    deployment.set({**SMALL, "sources": {"test": {"expected_by": "06:00"}}})
    with simulated(datetime(2024, 6, 12, 5, tzinfo=UTC)):
        yesterday = date(2024, 6, 11)
        verdict = asked(deployment, checks.source_arrived, until=yesterday)
        assert verdict.sentence == "test: no events of 2024-06-10 yet, expected by 06:00", "also in a run before six"
        deployment.deliver("late", shop_lines(yesterday - ONE_DAY))
        with opened(deployment) as run:
            run.ingest()
        assert asked(deployment, checks.source_arrived, until=yesterday).holds, "only the day before is due"
    with simulated(datetime(2024, 6, 12, 6, tzinfo=UTC)):
        assert not asked(deployment, checks.source_arrived, until=yesterday).holds


def test_source_is_late_for_yesterday_if_today_is_included(deployment: Deployment) -> None:
    deployment.set({**SMALL, "include_today": True, "sources": {"test": {"expected_by": "06:00"}}})
    for hour, late_day in ((5, "2024-06-10"), (7, "2024-06-11")):
        with simulated(datetime(2024, 6, 12, hour, tzinfo=UTC)):
            verdict = asked(deployment, checks.source_arrived, until=date(2024, 6, 12))
        assert verdict.sentence == f"test: no events of {late_day} yet, expected by 06:00"


def test_no_source_is_late_before_the_first_day(deployment: Deployment) -> None:
    with simulated(datetime(2024, 6, 12, 5, tzinfo=UTC)):
        deployment.set({"start_date": date(2024, 6, 12), "sources": {"test": {"expected_by": "00:00"}}})
        assert asked(deployment, checks.source_arrived).holds


def test_built_by_current_rules_counts_outdated_days(deployment: Deployment) -> None:
    deployment.set({**SMALL, "max_rebuild_days": 1, "sessions": {"inactivity_minutes": 10}})
    verdict = asked(deployment, checks.built_by_current_rules)
    assert verdict.sentence == (
        "8 days have older settings or models (setting inactivity_minutes changed from 30 to 10); rebuild them:"
        " `session-pipeline run --upgrade`"
    )
    assert verdict.problems == ("older settings or models (setting inactivity_minutes changed from 30 to 10)",), (
        "the alert is not sent again when late files change the number of days"
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

    def test_names_the_first_five_conditions_and_the_number_of_the_others(self, deployment: Deployment) -> None:
        goals = [{"name": f"goal{number}", "where": f"event_name = 'no event {number}'"} for number in range(7)]
        deployment.set({**SMALL, "goals": goals})
        verdict = asked(deployment, checks.settings_match_data)
        assert verdict.sentence.count("matches no event") == 5
        assert verdict.sentence.endswith("; and 2 more")
        assert len(verdict.problems) == 7

    def test_passes_before_the_first_publication(self, deployment: Deployment) -> None:
        deployment.folder.warehouse.unlink()
        assert asked(deployment, checks.settings_match_data) == Verdict(True, "nothing is published yet")

    def test_names_an_unreadable_warehouse(self, deployment: Deployment) -> None:
        deployment.folder.warehouse.write_bytes(b"no database" * 1000)
        assert "cannot be opened" in asked(deployment, checks.settings_match_data).sentence
