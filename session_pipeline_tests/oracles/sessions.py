"""Computes sessions in plain Python, written from their definition (docs/definitions.md), not from the SQL.

It loops over all lines ever accepted, in the way that is easiest to read. Building a day from the day before is done
only in the pipeline's models.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from hashlib import md5
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
CARRIED_FOR_COPIES = timedelta(hours=1)
CLIENT_SESSION_TIMEOUT = timedelta(hours=12)  # of sessions whose timeout is that of their source

# The breaks at a changed value, in order of priority, and the field of a line that has the value.
CHANGES = {"client_session": "client_session_id", "user": "user_id", "campaign": "utm_campaign"}
FROM_ANOTHER_HOST = ""  # what is known of a session that came from another host without a campaign


@dataclass(frozen=True)
class Line:
    """An accepted line of a delivered file. Times are naive UTC."""

    site: str
    visitor_id: str
    event_id: str
    event_time: datetime
    event_name: str
    file_id: str
    line_number: int
    content_hash: str
    sequence: int | None = None
    user_id: str | None = None
    client_session_id: str | None = None
    utm_campaign: str | None = None
    is_referred: bool = False  # from another host than the page's

    @property
    def identity(self) -> tuple[str, str, str]:
        """The key of the event. Lines with the same key are copies of one event."""
        return self.site, self.visitor_id, self.event_id

    @property
    def visitor(self) -> tuple[str, str]:
        return self.site, self.visitor_id

    @property
    def order(self) -> tuple[datetime, int, str]:
        """The sort key of a visitor's lines."""
        position = self.line_number if self.sequence is None else self.sequence
        return self.event_time, position, self.event_id


@dataclass(frozen=True)
class Rules:
    """The settings that sessions depend on. `breaks_at` has the names of CHANGES that are switched on.

    With `breaks_at_first_campaign`, a session that has no campaign ends at an event that has one, if an event before it
    came from another host; and campaigns are compared in lower case. `client_sessions` is ignore, key or
    key_without_timeout.
    """

    timezone: str = "UTC"
    inactivity: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=24)
    split_at_midnight: bool = False
    separator: str | None = None
    breaks_at: frozenset[str] = frozenset()
    starts_at_border: bool = False
    split_at_utc_hour: bool = False
    breaks_at_first_campaign: bool = False
    client_sessions: str = "ignore"

    def is_too_long(self, gap: timedelta, line: Line) -> bool:
        """Return whether a gap starts a session, in the series of a line."""
        longest = self.inactivity
        if self.is_without_timeout(line):
            longest = max(longest, CLIENT_SESSION_TIMEOUT)
        return gap > longest or (self.starts_at_border and gap == longest)

    def is_without_timeout(self, line: Line) -> bool:
        """Return whether the source of a line has ended its sessions already."""
        return self.client_sessions == "key_without_timeout" and line.client_session_id is not None

    def series_of(self, line: Line) -> str:
        """Return which series of the site a line belongs to, with the name that it has in open_sessions.

        Sessions follow each other in a series: of a visitor, or of a visitor's client session, or of those events of
        a visitor that have none. The length of the visitor_id keeps pairs apart.
        """
        if self.client_sessions == "ignore":
            return line.visitor_id
        visitor = f"{len(line.visitor_id)}|{line.visitor_id}"
        return visitor if line.client_session_id is None else f"{visitor}|{line.client_session_id}"

    @property
    def remembered(self) -> frozenset[str]:
        """The names of CHANGES whose values are remembered in a session."""
        return self.breaks_at | ({"campaign"} if self.breaks_at_first_campaign else set())


@dataclass(frozen=True)
class Copy:
    """A line that repeats an event, and the line that is kept for the event."""

    line: Line
    kept: Line


@dataclass(frozen=True)
class Event:
    """A kept line in its session, with the values that the next event of its series depends on.

    `run_started_at` is the time of the last break other than max_hours.
    """

    line: Line
    series: str
    session_id: str
    session_date: date
    event_number: int
    break_reason: str | None
    run_started_at: datetime
    known: Mapping[str, str] = field(compare=False)

    @property
    def event_time(self) -> datetime:
        return self.line.event_time

    @property
    def order(self) -> tuple[datetime, int, str]:
        """The sort key of a visitor's events. It does not depend on session ids."""
        return self.line.order


@dataclass(frozen=True)
class Session:
    session_id: str
    session_date: date
    site: str
    visitor_id: str
    user_id: str | None
    day_session_number: int
    started_at: datetime
    ended_at: datetime
    event_count: int
    page_view_count: int
    break_reason: str
    is_complete: bool


# Days


@cache
def day_start(day: date, timezone: str) -> datetime:
    """Return the first minute at which local clocks show this or a later day."""
    minute = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    while minute.astimezone(ZoneInfo(timezone)).date() < day:
        minute += timedelta(minutes=1)
    return minute.replace(tzinfo=None)


def day_end(day: date, timezone: str) -> datetime:
    return day_start(day + ONE_DAY, timezone)


def local_date(instant: datetime, timezone: str) -> date:
    """Return the last day that has started, even if the clocks go back over midnight."""
    day = instant.date() + 2 * ONE_DAY
    while day_start(day, timezone) > instant:
        day -= ONE_DAY
    return day


def has_time(day: date, timezone: str) -> bool:
    """Return whether the day exists in the time zone. Apia skipped 2011-12-30."""
    return day_end(day, timezone) > day_start(day, timezone)


def day_before(day: date, timezone: str) -> date:
    """Return the latest earlier day that exists."""
    return local_date(day_start(day, timezone) - MICROSECOND, timezone)


# Copies


def split_copies(lines: Iterable[Line], timezone: str) -> tuple[list[Line], list[Copy]]:
    """Return the kept line of each event, and all other lines as copies.

    Copies are searched within a local day. If a line of the event was kept in the last hour of the day before, all
    lines of the day are its copies.
    """
    lines_of_day = defaultdict(list)
    for line in lines:
        lines_of_day[local_date(line.event_time, timezone)].append(line)

    kept_of_day: dict[date, list[Line]] = {}
    copies = []
    for day in sorted(lines_of_day):
        yesterday = day_before(day, timezone)
        carried = {line.identity: line for line in last_hour(kept_of_day.get(yesterday, []), yesterday, timezone)}
        kept: dict[tuple[str, str, str], Line] = {}
        for line in sorted(
            lines_of_day[day],
            key=lambda line: (line.event_time, line.content_hash, line.file_id, line.line_number),
        ):
            first = carried.get(line.identity) or kept.setdefault(line.identity, line)
            if first is not line:
                copies.append(Copy(line, first))
        kept_of_day[day] = list(kept.values())
    return [line for kept_lines in kept_of_day.values() for line in kept_lines], copies


def last_hour(kept: Iterable[Line], day: date, timezone: str) -> list[Line]:
    """Return the day's kept lines whose copies are also dropped on the next day."""
    end = day_end(day, timezone)
    return [line for line in kept if end - CARRIED_FOR_COPIES <= line.event_time < end]


# Sessions


def sessionize(kept: Iterable[Line], rules: Rules) -> list[Event]:
    """Assign every kept line to a session. The events are returned series by series, in order."""
    lines_of_series = defaultdict(list)
    for line in kept:
        lines_of_series[line.site, rules.series_of(line)].append(line)

    events = []
    for series in sorted(lines_of_series):
        previous = None
        for line in sorted(lines_of_series[series], key=lambda line: line.order):
            previous = next_event(previous, line, rules)
            events.append(previous)
    return events


def next_event(previous: Event | None, line: Line, rules: Rules) -> Event:
    """Assign the next line of a series to the session of the previous event or to a new session."""
    reason = hard_break(previous, line, rules)
    known = {} if previous is None or reason else dict(previous.known)
    reason = reason or changed_value(known, line, rules)
    known |= {change: value for change in rules.remembered if (value := value_of(line, change, rules))}
    if rules.breaks_at_first_campaign and line.is_referred:
        known.setdefault("campaign", FROM_ANOTHER_HOST)

    run_started_at = line.event_time if previous is None or reason else previous.run_started_at
    if previous and not reason:
        passed = (line.event_time - run_started_at) // rules.longest
        passed_before = (previous.event_time - run_started_at) // rules.longest
        reason = "max_hours" if passed > passed_before else None

    if previous and not reason:
        session_id, session_date = previous.session_id, previous.session_date
        event_number = previous.event_number + 1
    else:
        session_id, session_date = session_id_of(line, rules), local_date(line.event_time, rules.timezone)
        event_number = 1
    series = rules.series_of(line)
    return Event(line, series, session_id, session_date, event_number, reason, run_started_at, known)


def hard_break(previous: Event | None, line: Line, rules: Rules) -> str | None:
    """Return the break at which known values are forgotten, or None."""
    if previous is None or rules.is_too_long(line.event_time - previous.event_time, line):
        return "inactivity"
    if not rules.is_without_timeout(line):
        day = local_date(line.event_time, rules.timezone)
        if rules.split_at_midnight and previous.event_time < day_start(day, rules.timezone):
            return "midnight"
        if rules.split_at_utc_hour and whole_hour(previous.event_time) != whole_hour(line.event_time):
            return "utc_hour"
    if rules.separator is not None and line.event_name == rules.separator:
        return "separator"
    return None


def whole_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def changed_value(known: Mapping[str, str], line: Line, rules: Rules) -> str | None:
    """Return the first break at a changed value: the line has the value, and another one is known. Otherwise None."""
    for change in CHANGES:
        value = value_of(line, change, rules)
        is_other = bool(value) and known.get(change, value) != value
        if is_other and (change in rules.breaks_at or known[change] == FROM_ANOTHER_HOST):
            return change
    return None


def value_of(line: Line, change: str, rules: Rules) -> str | None:
    value: str | None = getattr(line, CHANGES[change])
    return value.lower() if value and change == "campaign" and rules.breaks_at_first_campaign else value


def session_id_of(first: Line, rules: Rules) -> str:
    """Return the hash of the first event's site, length of its series, series, id and time as DuckDB prints it."""
    printed = first.event_time.isoformat(sep=" ")
    if first.event_time.microsecond:
        printed = printed.rstrip("0")
    series = rules.series_of(first)
    return md5("|".join([first.site, str(len(series)), series, first.event_id, printed]).encode()).hexdigest()


def open_at_end(events: Sequence[Event], day: date, rules: Rules) -> list[Event]:
    """Return the last event of each series whose session may continue after the day.

    Args:
        events: The events that `sessionize` returns.
        day: The local day.
        rules: The settings.
    """
    end = day_end(day, rules.timezone)
    last = {(event.line.site, event.series): event for event in events if event.event_time < end}
    return [event for event in last.values() if not rules.is_too_long(end - event.event_time, event.line)]


def summarize(events: Sequence[Event], rules: Rules, until: date) -> list[Session]:
    """Return one row per session if the days up to `until` are built."""
    still_open = {event.session_id for event in open_at_end(events, until, rules)}
    events_of_session = defaultdict(list)
    for event in events:
        events_of_session[event.session_id].append(event)
    numbers = day_session_numbers(session_events[0] for session_events in events_of_session.values())
    return [
        summary(
            session_events,
            numbers[session_id],
            is_complete=session_id not in still_open or last_possible_date(session_events[0], rules) <= until,
        )
        for session_id, session_events in events_of_session.items()
    ]


def day_session_numbers(firsts: Iterable[Event]) -> dict[str, int]:
    """Return the number of each session among its visitor's sessions of the day, from the sessions' first events."""
    firsts_of_day = defaultdict(list)
    for first in firsts:
        firsts_of_day[first.line.visitor, first.session_date].append(first)
    return {
        first.session_id: number
        for of_day in firsts_of_day.values()
        for number, first in enumerate(sorted(of_day, key=lambda event: event.order), start=1)
    }


def summary(events: Sequence[Event], day_session_number: int, is_complete: bool) -> Session:
    first, last = events[0], events[-1]
    return Session(
        session_id=first.session_id,
        session_date=first.session_date,
        site=first.line.site,
        visitor_id=first.line.visitor_id,
        user_id=next((event.line.user_id for event in events if event.line.user_id), None),
        day_session_number=day_session_number,
        started_at=first.event_time,
        ended_at=last.event_time,
        event_count=len(events),
        page_view_count=sum(event.line.event_name == "page_view" for event in events),
        break_reason=first.break_reason or "",
        is_complete=is_complete,
    )


def last_possible_date(first: Event, rules: Rules) -> date:
    """Return the last day that a session with the same start day can reach."""
    last_start = day_end(first.session_date, rules.timezone) - MICROSECOND
    return local_date(last_start + rules.longest - MICROSECOND, rules.timezone)
