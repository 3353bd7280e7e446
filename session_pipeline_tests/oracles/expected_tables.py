"""Returns the rows that the oracles expect in each table for a group of generated cases.

They are compared with the pipeline's tables in test_sessions_against_oracle.py and other tests.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from session_pipeline_tests.deliveries import read_lines
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.funnels import Attempt, Funnel, attempts
from session_pipeline_tests.oracles.generated_cases import SITES, Group
from session_pipeline_tests.oracles.sessions import Copy, Event, Line, Rules, has_time, local_date

Row = dict[str, Any]


def known_lines(group: Group, file_ids: Mapping[str, str] | None = None) -> list[Line]:
    """Return the lines of the days up to the last day that is built."""
    end = oracle.day_end(group.until, group.rules.timezone)
    lines = read_lines(group.deliveries, file_ids, SITES)
    return [line for line in lines if line.event_time < end]


def expected_tables(group: Group, file_ids: Mapping[str, str]) -> dict[str, list[Row]]:
    """Return the rows that the oracles expect for a group, by table."""
    return tables_of(known_lines(group, file_ids), group.rules, group.funnels, group.days, group.until)


def tables_of(
    lines: Iterable[Line], rules: Rules, funnels: Mapping[str, Funnel], days: Iterable[date], until: date
) -> dict[str, list[Row]]:
    """Return the tables and columns that the oracles compute, for lines up to the last day."""
    kept, copies = oracle.split_copies(lines, rules.timezone)
    events = oracle.sessionize(kept, rules)
    days = [day for day in days if day <= until and has_time(day, rules.timezone)]
    return {
        "events": [event_row(event, rules.timezone) for event in events],
        "duplicate_events": [copy_row(copy, rules.timezone) for copy in copies],
        "recent_event_ids": [
            recent_row(line, day) for day in days for line in oracle.last_hour(kept, day, rules.timezone)
        ],
        "open_sessions": [open_row(event, day) for day in days for event in oracle.open_at_end(events, day, rules)],
        "sessions": [vars(session) for session in oracle.summarize(events, rules, until)],
        "funnel_entries": [
            entry_row(name, funnel, attempt, rules.timezone)
            for name, funnel in funnels.items()
            for attempt in attempts(events, funnel, rules, until)
        ],
    }


def event_row(event: Event, timezone: str) -> Row:
    line = event.line
    return {
        "event_date": local_date(line.event_time, timezone),
        "site": line.site,
        "visitor_id": line.visitor_id,
        "event_time": line.event_time,
        "event_id": line.event_id,
        "session_id": event.session_id,
        "session_date": event.session_date,
        "event_number": event.event_number,
        "break_reason": event.break_reason,
        "file_id": line.file_id,
        "line_number": line.line_number,
    }


def copy_row(copy: Copy, timezone: str) -> Row:
    line = copy.line
    return {
        "event_date": local_date(line.event_time, timezone),
        "site": line.site,
        "visitor_id": line.visitor_id,
        "event_time": line.event_time,
        "event_id": line.event_id,
        "file_id": line.file_id,
        "line_number": line.line_number,
        "kept_file_id": copy.kept.file_id,
        "kept_line_number": copy.kept.line_number,
        "is_same_content": line.content_hash == copy.kept.content_hash,
    }


def recent_row(line: Line, day: date) -> Row:
    return {
        "event_date": day,
        "site": line.site,
        "visitor_id": line.visitor_id,
        "event_id": line.event_id,
        "content_hash": line.content_hash,
        "file_id": line.file_id,
        "line_number": line.line_number,
    }


def open_row(event: Event, day: date) -> Row:
    return {
        "event_date": day,
        "site": event.line.site,
        "visitor_id": event.series,
        "event_time": event.event_time,
        "session_id": event.session_id,
        "session_date": event.session_date,
        "run_started_at": event.run_started_at,
        "event_number": event.event_number,
        "known_user_id": event.known.get("user"),
        "known_client_session_id": event.known.get("client_session"),
        "known_campaign": event.known.get("campaign"),
    }


def entry_row(name: str, funnel: Funnel, attempt: Attempt, timezone: str) -> Row:
    entry, last = attempt.taken[0], attempt.taken[-1]
    seconds = (last.event_time - entry.event_time).total_seconds()
    is_by_session = funnel.grain == "session"
    return {
        "entry_date": entry.session_date if is_by_session else local_date(entry.event_time, timezone),
        "funnel": name,
        "site": entry.line.site,
        "visitor_id": entry.line.visitor_id,
        "session_id": entry.session_id,
        "entered_at": entry.event_time,
        "entry_event_id": entry.line.event_id,
        "entry_event_number": entry.event_number,
        "entry_step": attempt.steps[0],
        "attempt_number": attempt.number,
        "attempt_count": attempt.count,
        "step_reached": attempt.step_reached,
        "last_step_at": last.event_time,
        "is_converted": attempt.is_converted,
        "is_excluded": attempt.is_excluded,
        "exclusion_number": attempt.excluded_by,
        "is_window_closed": attempt.is_window_closed,
        "seconds_to_convert": seconds if attempt.is_converted else None,
    }
