"""What must be true of the store, said as checks: counted twice, by different code.

Each check returns a verdict and the figures behind it. Knows tables and the plan's days. Does not know Dagster, and
does not mend anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from statistics import median
from typing import Any

from session_pipeline.catalog import Key, Partition
from session_pipeline.contracts import table
from session_pipeline.days import dates
from session_pipeline.engines.duckdb import literal
from session_pipeline.pipeline import Run
from session_pipeline.steps import STEP_OF_TABLE, Days, Input

LARGEST_SET_ASIDE_RATE = 0.2
LARGEST_BOT_SHARE = 0.5
LARGEST_UNFOLDED_ACTIONS = 1000
VOLUME_WEEKS = 4
SMALLEST_VOLUME, LARGEST_VOLUME = 0.5, 2.0
SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """Whether a check holds, in a sentence, with the figures."""

    holds: bool
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A check of a table: what it says when it holds, and whether its failure is an error or a warning."""

    name: str
    table: str
    meaning: str
    run: Callable[[Run, Sequence[date]], Verdict]
    is_error: bool = True
    is_blocking: bool = False


def ledger_closes(run: Run, days: Sequence[date]) -> Verdict:
    """Lines = accepted + set aside for each file; accepted = events + duplicates + waiting over all days."""
    problems = []
    rows = _rows_by_file(run)
    ledger = [item.facts for item in run.store.catalog.source_files().values() if item.facts["status"] == "accepted"]
    for facts in ledger:
        accepted, set_aside = rows.get(facts["file_id"], (0, 0))
        if facts["line_count"] != facts["accepted_count"] + facts["set_aside_count"]:
            problems.append(f"{facts['path']}: {facts['line_count']} lines were counted when it was admitted")
        if (accepted, set_aside) != (facts["accepted_count"], facts["set_aside_count"]):
            problems.append(f"{facts['path']}: the store has {accepted} accepted and {set_aside} set aside")
    accepted = sum(facts["accepted_count"] for facts in ledger)
    counts = {name: _row_count(run, name) for name in ("events", "duplicate_events")}
    waiting = _waiting_count(run)
    is_built = all(run.store.get(Key("events", day)) is not None for day in run.planner.frame.wanted)
    if is_built and accepted != sum(counts.values()) + waiting:
        problems.append(f"{accepted} accepted lines are not {counts} and {waiting} waiting")
    figures = {
        "lines": sum(facts["line_count"] for facts in ledger),
        "accepted": accepted,
        "set_aside": sum(facts["set_aside_count"] for facts in ledger),
        "events": counts["events"],
        "duplicates": counts["duplicate_events"],
        "waiting": waiting,
    }
    return _verdict(problems, "every line is accounted for", figures)


def sessions_cover_events(run: Run, days: Sequence[date]) -> Verdict:
    """Each event belongs to exactly one session, and each session counts its events."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            _add(job, run, "sessions", (day,))
            _add(job, run, "events", run.planner.frame.input_dates(Input("events", Days.REACH), day))
            found = job.rows(
                "select coalesce(s.session_id, e.session_id) as session_id from"
                f" (select session_id, count(*) as event_count from events where session_date = {literal(day)}"
                "  group by session_id) as e"
                " full join sessions as s on s.session_id = e.session_id"
                " where s.event_count is distinct from e.event_count"
            ).num_rows
        if found:
            problems.append(f"{day}: {found} sessions do not have the events they count")
    return _verdict(problems, "sessions and events agree")


def outcomes_add_up(run: Run, days: Sequence[date]) -> Verdict:
    """Each session has one outcome, and the daily counts are those of the sessions."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            for name in ("sessions", "session_outcomes", "daily_summary", "daily_outcomes"):
                _add(job, run, name, (day,))
            counts = job.rows(
                "select (select count(*) from sessions) as sessions,"
                " (select count(distinct session_id) from session_outcomes) as outcomes,"
                " (select coalesce(sum(session_count + bot_session_count), 0) from daily_outcomes) as by_outcome,"
                " (select coalesce(sum(session_count + bot_session_count), 0) from daily_summary) as by_day"
            ).to_pylist()[0]
        if len({int(count) for count in counts.values()}) > 1:
            problems.append(f"{day}: {counts}")
    return _verdict(problems, "every session has one outcome, and the days add up")


def funnels_monotone(run: Run, days: Sequence[date]) -> Verdict:
    """No step has more attempts than the one before, and entered = converted + dropped + excluded."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            _add(job, run, "funnel_steps", (day,))
            found = job.rows(
                "select funnel from funnel_steps group by funnel, site, breakdown having"
                " max(entered_count) filter (where step_number = 1) <> sum(dropped_count) + sum(excluded_count)"
                " + max_by(entered_count, step_number)"
                " union all select funnel from (select funnel, entered_count, lag(entered_count) over"
                " (partition by funnel, site, breakdown order by step_number) as before from funnel_steps)"
                " where entered_count > before"
            ).num_rows
        if found:
            problems.append(f"{day}: {found} funnels do not add up")
    return _verdict(problems, "funnels only narrow, and add up")


def audit_recompute(run: Run, days: Sequence[date]) -> Verdict:
    """The latest day of events, computed again from its raw files, has equal bytes."""
    with_events = [day for day in days if _has_events(run, day)]
    if not with_events:
        return Verdict(True, "no day with events to compute again")
    day = max(with_events)
    step = STEP_OF_TABLE["events"]
    differing = [
        name
        for name, sha256 in run.recompute(step, day).items()
        if run.store.partitions[Key(name, day)].sha256 != sha256
    ]
    problems = [f"{name}[{day}] has other rows when it is computed again" for name in differing]
    return _verdict(problems, f"{day} was computed again from raw events, and is equal")


def conflicting_event_ids(run: Run, days: Sequence[date]) -> Verdict:
    """Lines that repeat an event have its content; others say that ids are not unique at the source."""
    found = 0
    for day in days:
        with run.engine.job() as job:
            _add(job, run, "duplicate_events", (day,))
            found += job.rows("select 1 from duplicate_events where not is_same_content").num_rows
    problems = [f"{found} duplicates differ from the event they repeat; see duplicate_events"] if found else []
    return _verdict(problems, "all duplicates are copies", {"conflicting": found})


def set_aside_rate(run: Run, days: Sequence[date]) -> Verdict:
    """No file has more than a fifth of its lines set aside."""
    problems = []
    for item in run.store.catalog.source_files().values():
        facts = item.facts
        if facts["line_count"] and facts["set_aside_count"] / facts["line_count"] > LARGEST_SET_ASIDE_RATE:
            problems.append(f"{facts['path']}: {facts['set_aside_count']} of {facts['line_count']} lines set aside")
        if facts["status"] != "accepted":
            problems.append(f"{facts['path']}: {facts['status']}: {facts['reason']}")
    return _verdict(problems, "files were read")


def volume_unusual(run: Run, days: Sequence[date]) -> Verdict:
    """Sessions of a day are between half and twice the median of the same weekday in the four weeks before.

    A day without any event is left to source_arrived.
    """
    problems = []
    for day in filter(partial(_has_events, run), days):
        before = [
            partition.row_count
            for weeks in range(1, VOLUME_WEEKS + 1)
            if (partition := run.store.get(Key("sessions", day - timedelta(weeks=weeks)))) is not None
        ]
        today = run.store.get(Key("sessions", day))
        if not before or today is None or not median(before):
            continue
        ratio = today.row_count / median(before)
        if not SMALLEST_VOLUME <= ratio <= LARGEST_VOLUME:
            problems.append(f"{day}: {today.row_count} sessions, {ratio:.0%} of the usual {median(before):.0f}")
    return _verdict(problems, "as many sessions as usual")


def bot_share(run: Run, days: Sequence[date]) -> Verdict:
    """Less than half of a day's sessions are of bots."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            _add(job, run, "sessions", (day,))
            row = job.rows(
                "select count(*) as total, count(*) filter (where is_bot) as bots from sessions"
            ).to_pylist()[0]
        if row["total"] and row["bots"] / row["total"] > LARGEST_BOT_SHARE:
            problems.append(f"{day}: {row['bots']} of {row['total']} sessions are of bots")
    return _verdict(problems, "most sessions are of people")


def unfolded_actions(run: Run, days: Sequence[date]) -> Verdict:
    """A day has at most a thousand actions; more say that ids in paths are not folded."""
    problems = []
    for day in days:
        with run.engine.job() as job:
            _add(job, run, "action_labels", (day,))
            found = job.rows("select distinct action from action_labels where action is not null").num_rows
        if found > LARGEST_UNFOLDED_ACTIONS:
            problems.append(f"{day}: {found} actions; add a rule to [actions] fold")
    return _verdict(problems, "actions are few enough to read")


def source_arrived(run: Run, days: Sequence[date]) -> Verdict:
    """Every source that is expected daily has delivered events of the last day."""
    problems = []
    start = run.planner.frame.calendar.start(run.until)
    facts = [item.facts for item in run.store.catalog.source_files().values()]
    for name, source in run.settings.sources.items():
        if source.expected_by is None:
            continue
        latest = max((item["last_event_time"] or "" for item in facts if item["source"] == name), default="")
        if latest < start.isoformat(sep=" "):
            problems.append(f"{name}: no events of {run.until} yet, expected by {source.expected_by}")
    return _verdict(problems, "all expected sources have delivered")


CHECKS: tuple[Check, ...] = (
    Check("ledger_closes", "events", "Every delivered line is accounted for.", ledger_closes, is_blocking=True),
    Check("sessions_cover_events", "sessions", "Sessions have the events they count.", sessions_cover_events),
    Check("outcomes_add_up", "daily_summary", "Every session has one outcome.", outcomes_add_up),
    Check("funnels_monotone", "funnel_steps", "Funnels only narrow, and add up.", funnels_monotone),
    Check("audit_recompute", "events", "A day computed again from raw events is equal.", audit_recompute),
    Check("conflicting_event_ids", "duplicate_events", "Duplicates are copies.", conflicting_event_ids, is_error=False),
    Check("set_aside_rate", "source_files", "Few lines are set aside.", set_aside_rate, is_error=False),
    Check("source_arrived", "source_files", "Expected sources have delivered.", source_arrived, is_error=False),
    Check("volume_unusual", "sessions", "As many sessions as usual.", volume_unusual, is_error=False),
    Check("bot_share", "sessions", "Most sessions are of people.", bot_share, is_error=False),
    Check("unfolded_actions", "session_actions", "Ids in paths are folded.", unfolded_actions, is_error=False),
)


def _verdict(problems: Sequence[str], good: str, figures: Mapping[str, Any] | None = None) -> Verdict:
    if not problems:
        return Verdict(True, good, figures or {})
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return Verdict(False, "; ".join(problems[:SHOWN]) + more, figures or {})


def _add(job: Any, run: Run, name: str, days: Iterable[date]) -> None:
    found = [run.store.get(Key(name, day)) for day in days]
    job.add_input(table(name), [run.store.path_of(partition) for partition in found if partition is not None])


def _row_count(run: Run, name: str) -> int:
    wanted = set(run.planner.frame.wanted)
    return sum(item.row_count for item in run.store.of_table(name) if item.key.date in wanted)


def _has_events(run: Run, day: date) -> bool:
    built = run.store.get(Key("events", day))
    return built is not None and built.row_count > 0


def _rows_by_file(run: Run) -> dict[str, tuple[int, int]]:
    rows: dict[str, tuple[int, int]] = {}
    for key, partition in run.store.partitions.items():
        accepted, set_aside = rows.get(key.file_id, (0, 0))
        if key.table == "raw_events":
            rows[key.file_id] = accepted + partition.row_count, set_aside
        elif key.table == "quarantined_lines":
            rows[key.file_id] = accepted, set_aside + partition.row_count
    return rows


def _waiting_count(run: Run) -> int:
    """Raw events outside the days that are wanted; only files of dates that lie partly outside are read."""
    frame = run.planner.frame
    waiting = 0
    for partition in run.store.of_table("raw_events"):
        utc_date = partition.key.date
        assert utc_date is not None
        days = [
            day
            for day in dates(utc_date - timedelta(days=2), utc_date + timedelta(days=2))
            if utc_date in frame.calendar.utc_dates(day)
        ]
        outside = [day for day in days if not frame.is_wanted(day)]
        if len(outside) == len(days):
            waiting += partition.row_count
        elif outside:
            waiting += _count_within(run, partition, outside)
    return waiting


def _count_within(run: Run, partition: Partition, days: Sequence[date]) -> int:
    calendar = run.planner.frame.calendar
    condition = " or ".join(
        f"(event_time >= {literal(calendar.start(day))} and event_time < {literal(calendar.end(day))})" for day in days
    )
    with run.engine.job() as job:
        job.add_input(table("raw_events"), [run.store.path_of(partition)])
        return int(job.rows(f"select 1 from raw_events where {condition}").num_rows)
