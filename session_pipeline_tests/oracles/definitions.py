"""Counts sessions by definitions in plain Python, written from the rules of the tools and not from the SQL.

It goes through each visitor's events from the first to the last. Two limits of the pipeline are part of the rules: a
value is forgotten after the next day, and a series of events over two midnights is cut at each midnight from the second
on. Events have the fields of the table `events`.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

Event = Mapping[str, Any]
Test = Callable[[Event], bool]
PASSIVE = ("page_ping", "heartbeat", "scroll", "request")
MICROSECOND, MINUTE, ONE_DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=1)
LONGEST_KNOWN = timedelta(days=2)  # an earlier event of the visitor is not known
CAUSES = (
    "inactivity", "midnight", "utc_hour", "event", "client_session", "user", "campaign", "max_hours", "uncounted",
)  # fmt: skip


def never(event: Event) -> bool:
    return False


@dataclass(frozen=True)
class Definition:
    """The rules of a tool.

    Attributes:
        is_too_long: Whether a gap starts a session.
        stays: Whether a session with (page views, counted events, conversions, length) is no bounce; None: no bounces.
        engages: The same for engaged sessions.
    """

    is_too_long: Callable[[timedelta], bool] = lambda gap: False
    midnight: bool = False
    utc_hour: bool = False
    campaign: str = "no"
    user: bool = False
    client_session: bool = False
    longest: timedelta | None = None
    starts: Test = never
    ends: Test = never
    needs: str | None = None
    length: str = "all"
    stays: Callable[[int, int, int, timedelta], bool] | None = None
    engages: Callable[[int, int, int, timedelta], bool] | None = None


HALF_AN_HOUR = timedelta(minutes=30)
TOOLS: Mapping[str, Definition] = {
    "ga4": Definition(
        is_too_long=lambda gap: gap > HALF_AN_HOUR,
        client_session=True,
        stays=lambda views, events, conversions, length: views > 1 or conversions > 0 or length.total_seconds() > 10,
        engages=lambda views, events, conversions, length: views > 1 or conversions > 0 or length.total_seconds() > 10,
    ),
    "matomo": Definition(
        is_too_long=lambda gap: not gap < HALF_AN_HOUR,
        midnight=True,
        campaign="new",
        starts=lambda event: (event["properties"] or {}).get("new_visit") == "1",
        stays=lambda views, events, conversions, length: events not in (0, 1),
    ),
    "plausible": Definition(
        is_too_long=lambda gap: gap > HALF_AN_HOUR,
        needs="event",
        length="counted",
        stays=lambda views, events, conversions, length: events > 1,
    ),
    "umami": Definition(
        utc_hour=True,
        client_session=True,
        needs="page_view",
        length="page_views",
        stays=lambda views, events, conversions, length: views > 1,
    ),
    "posthog": Definition(
        is_too_long=lambda gap: gap > HALF_AN_HOUR,
        client_session=True,
        longest=timedelta(hours=24),
        needs="page_view",
        stays=lambda views, events, conversions, length: views > 1 or events > views or length.total_seconds() >= 10,
    ),
    "snowplow": Definition(
        is_too_long=lambda gap: gap > HALF_AN_HOUR,
        client_session=True,
        needs="page_view",
        engages=lambda views, events, conversions, length: views > 1 or conversions > 0 or length.total_seconds() >= 20,
    ),
}


@dataclass
class Session:
    """A session under a definition, and what is known in it."""

    reason: str
    events: list[Event] = field(default_factory=list)

    @property
    def first(self) -> Event:
        return self.events[0]


def sessions(events: Iterable[Event], definition: Definition) -> list[Session]:
    """Return the sessions of all visitors."""
    streams: dict[Any, list[Event]] = defaultdict(list)
    for event in events:
        key = event["client_session_id"] if definition.client_session else None
        streams[event["site"], event["visitor_id"], key].append(event)
    found = []
    for (_, _, key), stream in streams.items():
        in_order = sorted(
            stream,
            key=lambda event: (
                event["event_time"],
                event["line_number"] if event["sequence"] is None else event["sequence"],
                event["event_id"],
            ),
        )
        found += _sessions_of_stream(in_order, definition, is_keyed=key is not None)
    return found


def _sessions_of_stream(events: Sequence[Event], definition: Definition, *, is_keyed: bool) -> list[Session]:
    found: list[Session] = []
    previous: Event | None = None
    users: list[Event] = []  # of the series since the last hard break
    # Those of the run, since the last break other than a campaign or the longest time
    campaigns: list[Event] = []
    referred: list[Event] = []
    run: Event | None = None
    first_of_day: Event | None = None
    for event in events:
        if first_of_day is None or first_of_day["event_date"] != event["event_date"]:
            first_of_day = event
        hard = _hard_break(previous, event, definition, is_keyed=is_keyed)
        if hard:
            users = []
        known_user = _known(users, event, "user_id")
        reason = hard
        if not reason and definition.user and not is_keyed and event["user_id"] and known_user:
            reason = "user" if event["user_id"] != known_user else None
        if reason:
            run, campaigns, referred = event, [], []
        assert run is not None
        if not reason:
            begins = run, first_of_day
            reason = _soft_break(begins, previous, event, (campaigns, referred), definition, is_keyed=is_keyed)
        if reason:
            found.append(Session(reason))
        found[-1].events.append(event)
        users += [event] if event["user_id"] else []
        campaigns += [event] if event["utm_campaign"] else []
        referred += [event] if event["referrer_host"] not in (None, event["page_host"]) else []
        previous = event
    return found


def _hard_break(previous: Event | None, event: Event, definition: Definition, *, is_keyed: bool) -> str | None:
    if previous is None or (not is_keyed and event["event_date"] - previous["event_date"] > LONGEST_KNOWN):
        return "client_session" if is_keyed else "inactivity"
    if not is_keyed:
        if definition.is_too_long(event["event_time"] - previous["event_time"]):
            return "inactivity"
        if definition.midnight and previous["event_date"] != event["event_date"]:
            return "midnight"
        if definition.utc_hour and _hour(previous["event_time"]) != _hour(event["event_time"]):
            return "utc_hour"
        if definition.starts(event) or definition.ends(previous):
            return "event"
    return "max_hours" if event["event_date"] - previous["event_date"] > ONE_DAY else None


def _soft_break(
    begins: tuple[Event, Event],
    previous: Event | None,
    event: Event,
    sources: tuple[Sequence[Event], Sequence[Event]],
    definition: Definition,
    *,
    is_keyed: bool,
) -> str | None:
    assert previous is not None
    run, first_of_day = begins
    campaigns, referred = sources
    known, campaign = _known(campaigns, event, "utm_campaign"), event["utm_campaign"]
    if campaign and not is_keyed:
        if definition.campaign == "changed" and known and campaign != known:
            return "campaign"
        if definition.campaign == "new" and known and campaign.lower() != known.lower():
            return "campaign"
        if definition.campaign == "new" and not known and _known(referred, event, "referrer_host"):
            return "campaign"
    counted_from = run["event_time"]
    if event["event_date"] - run["event_date"] > ONE_DAY:
        if previous["event_date"] != event["event_date"]:
            return "max_hours"
        counted_from = first_of_day["event_time"]
    if definition.longest and not is_keyed:
        now, before = (_periods(each["event_time"] - counted_from, definition.longest) for each in (event, previous))
        return "max_hours" if now > before else None
    return None


def _periods(passed: timedelta, longest: timedelta) -> int:
    """Return how many of the longest times are over; one that ends at this moment is not."""
    return max(passed - MICROSECOND, timedelta()) // longest


def _known(events: Sequence[Event], event: Event, name: str) -> str | None:
    """Return the last value, if it is from the day of the event or from the day before."""
    last = events[-1] if events else None
    return None if last is None or event["event_date"] - last["event_date"] > ONE_DAY else last[name]


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def daily_definitions(
    events: Sequence[Event],
    own: Sequence[Mapping[str, Any]],
    definitions: Mapping[str, Definition],
    is_conversion: Test,
) -> dict[tuple[date, str, str], dict[str, Any]]:
    """Return the rows of the table by date, site and definition.

    Args:
        events: Rows of `events`, without those of bot sessions, with properties as a mapping.
        own: Rows of `sessions`, without bots.
        definitions: The definitions.
        is_conversion: Whether an event meets an outcome rule that is a conversion.
    """
    rows: dict[tuple[date, str, str], dict[str, Any]] = {}
    by_site: dict[tuple[date, str], list[Mapping[str, Any]]] = defaultdict(list)
    for session in own:
        by_site[session["session_date"], session["site"]].append(session)
    for name, definition in definitions.items():
        found = sessions(events, definition)
        of_day: dict[tuple[date, str], list[Session]] = defaultdict(list)
        for session in found:
            of_day[session.first["event_date"], session.first["site"]].append(session)
        differences = _differences(events, found, definition)
        for key in by_site.keys() | of_day.keys():
            row = _row(of_day.get(key, []), definition, is_conversion)
            causes = differences.get(key, Counter())
            causes["uncounted"] = row.pop("uncounted_difference")
            rows[(*key, name)] = row | {f"{cause}_difference": causes[cause] for cause in CAUSES}
            rows[(*key, name)]["session_difference"] = row["session_count"] - len(by_site.get(key, []))
    return rows


def _differences(
    events: Sequence[Event], found: Sequence[Session], definition: Definition
) -> dict[tuple[date, str], Counter[str]]:
    starts = {id(session.first): session.reason for session in found}
    differences: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)
    for event in events:
        reason, own = starts.get(id(event)), event["break_reason"]
        if (reason is None) != (own is None):
            is_keyed = definition.client_session and event["client_session_id"] is not None
            cause = "client_session" if is_keyed else str(reason or own).replace("separator", "event")
            differences[event["event_date"], event["site"]][cause] += 1 if reason else -1
    return differences


def _row(found: Sequence[Session], definition: Definition, is_conversion: Test) -> dict[str, Any]:
    listed, lengths, bounces, engaged, unengaged, views_of_all = [], timedelta(0), 0, 0, 0, 0
    for session in found:
        views = [event for event in session.events if event["event_name"] == "page_view"]
        counted = [event for event in session.events if event["event_name"] not in ("asset", *PASSIVE)]
        if not {"page_view": views, "event": counted, None: session.events}[definition.needs]:
            continue
        listed.append(session)
        measured = {"all": session.events, "counted": counted, "page_views": views}[definition.length]
        times = [event["event_time"] for event in measured]
        length = max(times) - min(times) if times else timedelta(0)
        facts = len(views), len(counted), sum(map(is_conversion, session.events)), length
        bounces += bool(definition.stays and not definition.stays(*facts))
        engaged += bool(definition.engages and definition.engages(*facts))
        stream = [event["event_time"] for event in session.events]
        attention = sum((min(b - a, MINUTE) for a, b in itertools.pairwise(stream)), timedelta(0))
        unengaged += not (len(views) > 1 or len(counted) > len(views) or attention >= timedelta(seconds=10))
        lengths += length
        views_of_all += len(views)
    return {
        "session_count": len(listed),
        "visitor_count": len({session.first["visitor_id"] for session in listed}),
        "page_view_count": views_of_all,
        "bounce_count": bounces if definition.stays else None,
        "engaged_count": engaged if definition.engages else None,
        "average_seconds": lengths.total_seconds() / len(listed) if listed else None,
        "unengaged_count": unengaged,
        "uncounted_difference": len(listed) - len(found),
    }
