"""Checks tables against each other and against their inputs."""

from collections.abc import Sequence
from datetime import date

from session_pipeline.checks.verdict import Verdict, add_input, has_events, verdict
from session_pipeline.engines.sql import literal
from session_pipeline.run.pipeline import Run
from session_pipeline.tables import spans
from session_pipeline.tables.steps import STEP_OF_TABLE


def audit_recompute(run: Run, days: Sequence[date]) -> Verdict:
    """The latest day with events, recomputed from raw events, has equal rows.

    Stale days are left out, because their rows are expected to differ.
    """
    step = STEP_OF_TABLE["events"]
    fresh = [day for day in days if has_events(run, day) and run.planner.staleness(step, day) is None]
    if not fresh:
        return Verdict(True, "there is no day with events to recompute")
    day = max(fresh)
    problems = [f"{name} of {day} has different rows when it is recomputed" for name in run.recompute(step, day)]
    return verdict(problems, f"{day} was recomputed from raw events and is equal")


def sessions_cover_events(run: Run, days: Sequence[date]) -> Verdict:
    """Each event belongs to exactly one session, and each session counts its events."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            add_input(job, run, "sessions", (day,))
            add_input(job, run, "events", spans.REACH.dates(run.planner.frame, day))
            count = job.rows(
                "select s.session_id from"
                f" (select session_id, count(*) as event_count from events where session_date = {literal(day)}"
                "  group by session_id) as e"
                " full join sessions as s on s.session_id = e.session_id"
                " where s.event_count is distinct from e.event_count"
            ).num_rows
        if count:
            problems.append(f"{day}: {count} sessions have an event_count that differs from their events")
    return verdict(problems, "sessions and events agree")


def outcomes_add_up(run: Run, days: Sequence[date]) -> Verdict:
    """Each session has exactly one outcome, and the daily counts add up to the number of sessions."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            for name in ("sessions", "session_outcomes", "daily_outcomes", "daily_summary"):
                add_input(job, run, name, (day,))
            found = job.rows(
                "select (select count(*) from sessions) as sessions,"
                " (select count(*) from session_outcomes) as session_outcomes,"
                " (select count(*) from sessions join session_outcomes using (session_id)) as sessions_with_outcome,"
                " (select coalesce(sum(session_count + bot_session_count), 0) from daily_outcomes) as daily_outcomes,"
                " (select coalesce(sum(session_count + bot_session_count), 0) from daily_summary) as daily_summary"
            )
        counts = {name: int(count) for name, count in found.to_pylist()[0].items()}
        if len(set(counts.values())) > 1:
            problems.append(f"{day}: " + ", ".join(f"{count} in {name}" for name, count in counts.items()))
    return verdict(problems, "every session has one outcome, and the days add up")


def funnels_monotone(run: Run, days: Sequence[date]) -> Verdict:
    """No funnel step has more attempts than the step before, and entered = converted + dropped + excluded."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            add_input(job, run, "funnel_steps", (day,))
            found = job.rows(
                "select funnel from funnel_steps group by funnel, site, breakdown having"
                " min_by(entered_count, step_number) <> sum(dropped_count) + sum(excluded_count)"
                " + max_by(entered_count, step_number)"
                " union select funnel from (select funnel, entered_count, lag(entered_count) over"
                " (partition by funnel, site, breakdown order by step_number) as before from funnel_steps)"
                " where entered_count > before"
            )
        names = sorted(found.column("funnel").to_pylist())
        if names:
            problems.append(f"{day}: {', '.join(names)} does not add up")
    return verdict(problems, "funnel counts never increase, and they add up")


def built_by_current_rules(run: Run, days: Sequence[date]) -> Verdict:
    """No day waits for a rebuild with newer settings or models."""
    waiting = [item for item in run.plan().deferred if item.day is not None]
    count = len({item.day for item in waiting})
    problems = [
        f"{count} days have older settings or models ({item.reason}); rebuild them: `session-pipeline run --upgrade`"
        for item in waiting[:1]
    ]
    return verdict(problems, "all days were built with the current settings and models", {"days": count})
