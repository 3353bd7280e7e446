"""Tests that the checks of a day's tables fail when one table is wrong, and only for the day that it is wrong on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from session_pipeline import checks
from session_pipeline.checks import Verdict
from session_pipeline.run.run import Run
from session_pipeline_tests.checked_stores import DAY, WEEKS, change, opened
from session_pipeline_tests.deployment import Deployment


@dataclass(frozen=True)
class WrongTable:
    """A table with rows that its model would not return, and what a check finds.

    Attributes:
        check: The check.
        table: The table.
        select: Its rows on DAY, made from its correct rows.
        problem: What the check finds.
    """

    check: Callable[[Run, Sequence[date]], Verdict]
    table: str
    select: str
    problem: str

    @property
    def verdict(self) -> Verdict:
        """What the check says about the day."""
        separator = "" if self.problem.startswith(", ") else ": "
        return Verdict(False, f"{DAY}{separator}{self.problem}")


def increased(table: str, *columns: str, by: str = "1") -> str:
    """Return a SELECT of a table's rows with larger counts."""
    return f"select * replace ({', '.join(f'{column} + {by} as {column}' for column in columns)}) from {table}"


def without_rows(table: str) -> str:
    return f"from {table} where false"


MISCOUNTED = "sessions have an event_count that differs from their events"
CHECKOUT = "checkout does not add up"
ACTIONS = "the counts of actions do not add up"
OF_A_BOT = "select * replace (visitor_id = 'visitor 0' as is_bot) from sessions"
OTHER_IDS = "select * replace (md5(session_id) as session_id) from session_outcomes"


def outcomes(sessions: int, rows: int, known: int, daily: int, summary: int, site: str = "main") -> str:
    return (
        f", {site}: {sessions} in sessions, {rows} in session_outcomes, {known} in sessions_with_outcome, {daily} in"
        f" daily_outcomes, {summary} in daily_summary"
    )


def paths(
    sessions: int = 5,
    actions: int = 15,
    transitions: int = 20,
    paths: int = 5,
    counts: int = 5,
    starts: int = 5,
    ends: int = 5,
    wrong_steps: int = 0,
    site: str = "main",
) -> str:
    return (
        f", {site}: {sessions} sessions, {actions} actions, {transitions} transitions, {paths} session_paths,"
        f" {counts} path_counts, {starts} starts, {ends} ends, {wrong_steps} wrong_steps"
    )


def visitors(days: int = 5, sessions: int = 5, cycles: int = 5) -> str:
    return f"visitors of main: {days} in visitor_days, {sessions} in sessions, {cycles} in daily_visitors by life cycle"


def bots(people: int, bots: int, page_views: int) -> str:
    return (
        f"people, bots and page views of main: 5, 0 and 9 in sessions, {people}, {bots} and {page_views} in daily_bots"
    )


def _cases() -> Mapping[str, WrongTable]:
    check = checks.sessions_cover_events
    cases = {
        "sessions with one event too many": WrongTable(
            check, "sessions", increased("sessions", "event_count"), f"5 {MISCOUNTED}"
        ),
        "session without events": WrongTable(
            check, "events", "from events where visitor_id <> 'visitor 2'", f"1 {MISCOUNTED}"
        ),
        "events without their session": WrongTable(
            check, "sessions", "from sessions where visitor_id <> 'visitor 2'", f"1 {MISCOUNTED}"
        ),
    }

    check = checks.outcomes_add_up
    exchanged = (
        "case outcome when 'purchase' then 'abandoned_cart' when 'abandoned_cart' then 'purchase' else outcome end"
        " as outcome"
    )
    cases |= {
        "session without an outcome": WrongTable(
            check, "session_outcomes", "from session_outcomes where outcome <> 'purchase'", outcomes(5, 4, 4, 5, 5)
        ),
        "more outcomes than sessions": WrongTable(
            check, "session_outcomes", f"from session_outcomes union all {OTHER_IDS}", outcomes(5, 10, 5, 5, 5)
        ),
        "outcomes of unknown sessions": WrongTable(check, "session_outcomes", OTHER_IDS, outcomes(5, 5, 0, 5, 5)),
        "daily_outcomes without an outcome": WrongTable(
            check,
            "daily_outcomes",
            f"{increased('daily_outcomes', 'session_count')} where outcome = 'purchase'",
            outcomes(5, 5, 5, 2, 5),
        ),
        "daily_outcomes with two outcomes exchanged": WrongTable(
            check,
            "daily_outcomes",
            f"select * replace ({exchanged}) from daily_outcomes",
            ", main: daily_outcomes has other numbers of abandoned_cart, purchase than session_outcomes",
        ),
        "daily_summary with too many sessions": WrongTable(
            check, "daily_summary", increased("daily_summary", "session_count"), outcomes(5, 5, 5, 5, 6)
        ),
        "outcomes of a day without sessions": WrongTable(
            check, "sessions", without_rows("sessions"), outcomes(0, 5, 0, 5, 5)
        ),
        "session_outcomes without rows": WrongTable(
            check, "session_outcomes", without_rows("session_outcomes"), outcomes(5, 0, 0, 5, 5)
        ),
        "daily_outcomes without rows": WrongTable(
            check, "daily_outcomes", without_rows("daily_outcomes"), outcomes(5, 5, 5, 0, 5)
        ),
        "daily_summary without rows": WrongTable(
            check, "daily_summary", without_rows("daily_summary"), outcomes(5, 5, 5, 5, 0)
        ),
        "daily_outcomes with a bot session too many": WrongTable(
            check,
            "daily_outcomes",
            increased("daily_outcomes", "bot_session_count", by="(outcome = 'purchase')::integer"),
            outcomes(5, 5, 5, 6, 5),
        ),
        "daily_summary of another site": WrongTable(
            check,
            "daily_summary",
            "select * replace ('other' as site) from daily_summary",
            f"{outcomes(5, 5, 5, 5, 0)}; {DAY}{outcomes(0, 0, 0, 0, 5, site='other')}",
        ),
        "daily_summary with a bot session too many": WrongTable(
            check, "daily_summary", increased("daily_summary", "bot_session_count"), outcomes(5, 5, 5, 5, 6)
        ),
    }

    check = checks.funnels_monotone
    steps = "funnel_steps"
    second = f"{increased(steps, 'entered_count', 'reached_count', by='(step_number = 1)::integer')}"
    empty = f"select * replace (0 as entered_count, 0 as reached_count) from {steps} where step_number = 2"
    cases |= {
        "entered and reached differ": WrongTable(
            check, steps, increased(steps, "entered_count", by="step_number"), CHECKOUT
        ),
        "dropped sessions are not the difference": WrongTable(
            check, steps, increased(steps, "dropped_count"), CHECKOUT
        ),
        "first step with too many sessions": WrongTable(check, steps, second, CHECKOUT),
        "second step without sessions": WrongTable(
            check, steps, f"{empty} union all from {steps} where step_number = 1", CHECKOUT
        ),
    }

    check = checks.drops_add_up
    drops = "funnel_drops"
    cases |= {
        "drops without rows": WrongTable(check, drops, without_rows(drops), CHECKOUT),
        "drops of an exclusion besides those of a step": WrongTable(
            check, drops, f"from {drops} union all select * replace (1 as exclusion_number) from {drops}", CHECKOUT
        ),
        "drops without the first steps": WrongTable(
            check, drops, f"{increased(drops, 'attempt_count')} where next_number = 3", CHECKOUT
        ),
    }
    for number in (1, 2):
        more = increased(drops, "attempt_count", by=f"(next_number = {number})::integer")
        cases[f"too many drops before step {number}"] = WrongTable(check, drops, more, CHECKOUT)

    check = checks.paths_add_up
    cases |= {
        "transitions without entries": WrongTable(
            check, "action_transitions", "from action_transitions where transition <> 'entry'", paths(transitions=15)
        ),
        "paths of one outcome only": WrongTable(
            check,
            "session_paths",
            f"{increased('session_paths', 'session_count')} where outcome = 'purchase'",
            paths(paths=2),
        ),
        "paths that count too many sessions": WrongTable(
            check, "path_counts", increased("path_counts", "session_count"), paths(counts=10)
        ),
        "transitions without rows": WrongTable(
            check, "action_transitions", without_rows("action_transitions"), paths(transitions=0)
        ),
        "session_paths without rows": WrongTable(check, "session_paths", without_rows("session_paths"), paths(paths=0)),
        "path_counts without rows": WrongTable(check, "path_counts", without_rows("path_counts"), paths(counts=0)),
        "two starts of each session": WrongTable(
            check,
            "action_steps",
            "select * replace (2 * session_count as session_count) from action_steps where step_number < 2",
            paths(starts=10, ends=0, wrong_steps=2),
        ),
        "starts without sessions": WrongTable(
            check,
            "action_steps",
            "select * replace (if(step_number = 0, 0, session_count) as session_count) from action_steps",
            paths(starts=0, wrong_steps=1),
        ),
        "step with too many sessions": WrongTable(
            check,
            "action_steps",
            increased("action_steps", "session_count", by="(step_number = 1)::integer"),
            paths(wrong_steps=1),
        ),
        "sessions that do not end": WrongTable(
            check,
            "action_steps",
            "select * replace (replace(action, '(end)', 'end') as action) from action_steps",
            paths(ends=0, wrong_steps=7),
        ),
    }

    cases |= {
        "paths of a day without sessions": WrongTable(check, "sessions", without_rows("sessions"), paths(sessions=0)),
        "action_steps without rows": WrongTable(
            check, "action_steps", without_rows("action_steps"), paths(starts=0, ends=0)
        ),
        "paths with a session of a bot": WrongTable(check, "sessions", OF_A_BOT, paths(sessions=4)),
        "transitions of actions of bots": WrongTable(
            check, "session_actions", "select * replace (true as is_bot) from session_actions", paths(actions=0)
        ),
        "ends that are also counted in later steps": WrongTable(
            check,
            "action_steps",
            "from action_steps union all"
            " select * replace ('(more)' as action, step_number + 10 as step_number) from action_steps"
            " where action = '(end)'",
            paths(ends=10, wrong_steps=16),
        ),
        "step with too few sessions": WrongTable(
            check,
            "action_steps",
            increased("action_steps", "session_count", by="-(step_number = 3 and action <> '(end)')::integer"),
            paths(wrong_steps=1),
        ),
        "steps without the first": WrongTable(
            check, "action_steps", "from action_steps where step_number <> 1", paths(wrong_steps=1)
        ),
        "paths of another site": WrongTable(
            check,
            "path_counts",
            "select * replace ('other' as site) from path_counts",
            f"{paths(counts=0)}; {DAY}{paths(0, 0, 0, 0, 5, 0, 0, site='other')}",
        ),
        "steps of another site": WrongTable(
            check,
            "action_steps",
            "from action_steps union all select * replace ('other' as site) from action_steps",
            paths(0, 0, 0, 0, 0, site="other"),
        ),
    }

    check = checks.visitors_add_up
    cases |= {
        "visitors of bot sessions": WrongTable(check, "sessions", OF_A_BOT, visitors(sessions=4)),
        "sessions of one visitor only": WrongTable(
            check, "sessions", "select * replace ('visitor 0' as visitor_id) from sessions", visitors(sessions=1)
        ),
        "session on another site": WrongTable(
            check,
            "sessions",
            "select * replace (if(visitor_id = 'visitor 0', 'other', site) as site) from sessions",
            f"{visitors(sessions=4)}; {DAY}: visitors of other: 1 in sessions",
        ),
        "new visitor too many": WrongTable(
            check, "daily_visitors", increased("daily_visitors", "new_count"), visitors(cycles=6)
        ),
        "returning visitor who never came": WrongTable(
            check,
            "daily_visitors",
            increased("daily_visitors", "returning_count"),
            f"{visitors(cycles=6)}; {DAY}: visitors of the day before of main: 1 in daily_visitors,"
            " returning or dormant",
        ),
        "resurrected visitor too many": WrongTable(
            check, "daily_visitors", increased("daily_visitors", "resurrected_count"), visitors(cycles=6)
        ),
        "visitors with too many sessions": WrongTable(
            check,
            "visitor_days",
            increased("visitor_days", "session_count"),
            "sessions of main: 10 in visitor_days, 5 in daily_summary",
        ),
        "visitor without a day": WrongTable(
            check,
            "visitor_days",
            "from visitor_days where visitor_id <> 'visitor 0'",
            f"sessions of main: 4 in visitor_days, 5 in daily_summary; {DAY}: {visitors(days=4)}",
        ),
        "dormant visitor who never came": WrongTable(
            check,
            "daily_visitors",
            increased("daily_visitors", "dormant_count"),
            "visitors of the day before of main: 1 in daily_visitors, returning or dormant",
        ),
        "daily_summary with too many conversions": WrongTable(
            check,
            "daily_summary",
            increased("daily_summary", "converted_count"),
            "conversions of main: 1 in visitor_days, 2 in daily_summary",
        ),
        "visitors with too many conversions": WrongTable(
            check,
            "visitor_days",
            increased("visitor_days", "converted_count"),
            "conversions of main: 6 in visitor_days, 1 in daily_summary",
        ),
    }

    check = checks.bots_add_up
    cases |= {
        "bots counted as people": WrongTable(
            check,
            "sessions",
            OF_A_BOT,
            bots(5, 0, 9).replace("5, 0 and 9 in sessions", "4, 1 and 9 in sessions"),
        ),
        "daily_bots with too many sessions": WrongTable(
            check, "daily_bots", increased("daily_bots", "session_count"), bots(6, 0, 9)
        ),
        "daily_bots with too many page views": WrongTable(
            check, "daily_bots", increased("daily_bots", "page_view_count"), bots(5, 0, 10)
        ),
        "people counted as bots": WrongTable(
            check, "daily_bots", "select * replace ('crawler' as bot_reason) from daily_bots", bots(0, 5, 9)
        ),
        "daily_bots without rows": WrongTable(check, "daily_bots", without_rows("daily_bots"), bots(0, 0, 0)),
    }

    check = checks.progress_adds_up
    without_channels = f"{increased('action_visits', 'session_count')} where dimension <> 'channel'"
    cases["actions without a dimension"] = WrongTable(check, "action_visits", without_channels, ACTIONS)
    for column in ("session_count", "converted_count"):
        more = increased("action_visits", column, by="(dimension = 'all')::integer")
        cases[f"action_visits with too large {column} of all"] = WrongTable(check, "action_visits", more, ACTIONS)
    for column in ("session_count", "converted_count", "converted_after_count"):
        more = increased("action_progress", column, by="5")
        cases[f"action_progress with too large {column}"] = WrongTable(check, "action_progress", more, ACTIONS)

    return cases | {
        "event on another host": WrongTable(
            checks.audit_recompute,
            "events",
            "select * replace ('elsewhere' as page_host) from events",
            "events has different rows when it is recomputed",
        ),
        "more bots than people": WrongTable(
            checks.bot_share,
            "sessions",
            "select * replace (visitor_id <> 'visitor 0' as is_bot) from sessions",
            "4 of 5 sessions are bot sessions",
        ),
        "many sessions": WrongTable(
            checks.volume_unusual,
            "daily_summary",
            "select * replace (4 * session_count as session_count) from daily_summary",
            "20 sessions, 400% of the usual 5",
        ),
    }


CASES = _cases()


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_check_fails_on_a_wrong_table(four_weeks: Deployment, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    deployment = four_weeks.copied_to(tmp_path / "data")
    change(deployment, case.table, case.select)
    with opened(deployment) as run:
        assert case.check(run, WEEKS) == case.verdict, "other days are left alone"
        assert case.check(run, WEEKS[:-1]).holds


@pytest.mark.long
@pytest.mark.parametrize(
    ("check", "table"),
    [
        (checks.outcomes_add_up, "daily_summary"),
        (checks.paths_add_up, "path_counts"),
        (checks.visitors_add_up, "daily_summary"),
    ],
)
def test_wrong_days_are_named_in_their_order(
    four_weeks: Deployment, tmp_path: Path, check: Callable[[Run, Sequence[date]], Verdict], table: str
) -> None:
    deployment = four_weeks.copied_to(tmp_path / "data")
    for day in WEEKS:
        change(deployment, table, without_rows(table), day)
    with opened(deployment) as run:
        days = [problem[: len(str(DAY))] for problem in check(run, WEEKS).problems]
    assert days == sorted(days)
    assert set(days) == {str(day) for day in WEEKS}
