"""Checks tables against each other and against their inputs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from session_pipeline.checks.verdict import Verdict, has_events, rows_by_stretch, rows_of, verdict, wrong_figures
from session_pipeline.engines.sql import query_text
from session_pipeline.reference.signals import SIGNALS
from session_pipeline.tables import spans
from session_pipeline.tables.steps import STEP_OF_TABLE

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run


def audit_recompute(run: "Run", days: Sequence[date]) -> Verdict:
    """The latest day with events, recomputed from raw events, has equal rows. Of a big day, some visitors are compared.

    All visitors are compared if sessions are those of persons or of client sessions. Stale days are left out, because
    their rows are expected to differ.
    """
    step = STEP_OF_TABLE["events"]
    fresh = [day for day in days if has_events(run, day) and run.planner.staleness(step, day) is None]
    if not fresh:
        return Verdict(True, "there is no day with events to recompute")
    day = max(fresh)
    problems = [f"{day}: {name} has different rows when it is recomputed" for name in run.recompute(step, day)]
    return verdict(problems, f"{day} was recomputed from raw events and is equal")


def sessions_cover_events(run: "Run", days: Sequence[date]) -> Verdict:
    """Each event belongs to exactly one session, and each session counts its events."""
    wrong = rows_by_stretch(
        run, days, "miscounted_sessions", ("sessions",), wider={"events": spans.REACH}, has_days=True
    )
    problems = [
        "{session_date}: {session_count} sessions have an event_count that differs from their events".format_map(row)
        for row in wrong
    ]
    return verdict(problems, "sessions and events agree")


def outcomes_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Each session has one outcome, and a site's daily counts, also those by outcome, are those of its sessions."""
    tables = ("sessions", "session_outcomes", "daily_outcomes", "daily_summary")
    problems = []
    for row in rows_by_stretch(run, days, "session_counts", tables):
        day, site = row.pop("session_date"), row.pop("site")
        outcomes = row.pop("wrong_outcomes")
        counts = ", ".join(f"{int(count)} in {name}" for name, count in row.items())
        if len(set(row.values())) == 1:
            counts = f"daily_outcomes has other numbers of {outcomes} than session_outcomes"
        problems.append(f"{day}, {site}: {counts}")
    return verdict(problems, "every session has one outcome, and the days add up")


def funnels_monotone(run: "Run", days: Sequence[date]) -> Verdict:
    """No funnel step has more attempts than can come to it, and started = converted + dropped + excluded."""
    problems = _wrong_funnels(run, days, "wrong_funnels", ("funnel_steps",))
    return verdict(problems, "funnel counts never increase, and they add up")


def drops_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """The attempts of funnel_drops are those of funnel_steps that dropped out or were excluded."""
    problems = _wrong_funnels(run, days, "wrong_drops", ("funnel_steps", "funnel_drops"))
    return verdict(problems, "each attempt that ended has a next action")


def _wrong_funnels(run: "Run", days: Sequence[date], query: str, tables: Sequence[str]) -> list[str]:
    funnels: dict[date, list[str]] = {}
    for row in rows_of(run, query_text(__package__, query), tables, days):
        funnels.setdefault(row["entry_date"], []).append(row["funnel"])
    return [f"{day}: {', '.join(names)} does not add up" for day, names in funnels.items()]


def bots_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """The people, bots and page views of daily_bots are those of the day's sessions."""
    problems = wrong_figures(rows_by_stretch(run, days, "wrong_bots", ("daily_bots", "sessions")))
    return verdict(problems, "bots of all reasons and people add up to all sessions")


def definitions_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Each definition has our sessions and its differences, and these are the sum of their causes."""
    if not run.planner.frame.settings.definitions.also:
        return Verdict(True, "no other definition of a session is counted")
    problems = wrong_figures(rows_by_stretch(run, days, "wrong_definitions", ("daily_definitions", "sessions")))
    return verdict(problems, "the differences of all definitions add up")


def paths_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """On each site, each session has one path, a start, all steps, an end, and one more transition than actions."""
    tables = ("sessions", "session_actions", "action_transitions", "session_paths", "path_counts", "action_steps")
    problems = []
    for row in rows_by_stretch(run, days, "path_sums", tables):
        day, site = row.pop("session_date"), row.pop("site")
        problems.append(f"{day}, {site}: " + ", ".join(f"{int(count)} {name}" for name, count in row.items()))
    return verdict(problems, "transitions, steps and paths add up to the sessions and their actions")


def friction_adds_up(run: "Run", days: Sequence[date]) -> Verdict:
    """No signal has more sessions than there are, and the counts by action and by day are those of session_friction."""
    tables = ("sessions", "session_friction", "action_friction", "daily_friction")
    counts = ", ".join(f"{{'signal': '{signal}', 'session_count': {signal}_count}}" for signal in SIGNALS)
    relations = {
        name: f"select *, unnest([{counts}]) as met from {table}"
        for name, table in (("signals_by_action", "action_friction"), ("signals_by_day", "daily_friction"))
    }
    wrong = rows_by_stretch(run, days, "wrong_friction", tables, relations=relations)
    return verdict(_problems_of_sites(wrong), "sessions with friction add up")


def moments_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """At each moment, sessions with and without a signal are those at the moment, and no more than there are."""
    tables = ("sessions", "session_friction", "moment_counts", "seen_counts")
    wrong = rows_by_stretch(run, days, "wrong_moments", tables)
    return verdict(_problems_of_sites(wrong), "sessions at moments add up")


def _problems_of_sites(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["{session_date}, {site}: {problem}".format_map(row) for row in rows]


def built_by_current_rules(run: "Run", days: Sequence[date]) -> Verdict:
    """All days were built with the current settings and models; none is outdated and waits for `run --upgrade`."""
    plan = run.plan()
    count = len(plan.outdated_days)
    if not count:
        return Verdict(True, "all days were built with the current settings and models", {"outdated_days": 0})
    reason = next(item.reason for item in plan.outdated if item.day is not None)
    # Without the number, which changes with each late file: an alert is sent once as long as the problem is the same.
    problem = f"older settings or models ({reason})"
    have = "day has" if count == 1 else "days have"
    sentence = f"{count} {have} {problem}; rebuild them: `session-pipeline run --upgrade`"
    return Verdict(False, sentence, {"outdated_days": count}, (problem,))
