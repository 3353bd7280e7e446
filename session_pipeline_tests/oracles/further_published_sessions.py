"""Lists further sessions with known results, from the tests and the documentation of other products.

These cases need no fixtures. A visitor is described by what happened, as in further_published_funnels.py: `v 5m v` are
two page views, the second five minutes after the first. A bar is where a session ends: `v 5m v | 2h v`. A pause before
the first event is the time since midnight UTC. Other fields of an event are in brackets: `v(user_id=ann)`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from session_pipeline_tests.oracles.further_published_funnels import lines_of
from session_pipeline_tests.oracles.sessions import Rules

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
_EVENT = re.compile(r"(?P<name>\w+)(?:\((?P<field>\w+)=(?P<value>\w+)\))?")


@dataclass(frozen=True)
class Journey:
    """What a visitor did: the lines in order, and the number of the session of each line, from 1."""

    happened: str
    lines: tuple[Mapping[str, Any], ...]
    numbers: tuple[int, ...]


def journey_of(happened: str) -> Journey:
    """Return the lines of what a visitor did; what happened is also the visitor's id."""
    lines, numbers = [], []
    sessions = happened.split(" | ")
    for number, session in enumerate(sessions, start=1):
        numbers += [number] * len(_EVENT.findall(re.sub(r"\b\d+[smhd]\b", "", session)))
    for line in lines_of(happened, " ".join(sessions)):
        event = _EVENT.fullmatch(line["event_name"])
        assert event is not None
        name = {"v": "page_view"}.get(event["name"], event["name"])
        more = {event["field"]: event["value"]} if event["field"] else {}
        lines.append({**line, "event_name": name, **more})
    assert len(lines) == len(numbers)
    return Journey(happened, tuple(lines), tuple(numbers))


# The rules of each product, and what happened. Products that agree are together.
_CASES: tuple[tuple[Rules, tuple[str, ...]], ...] = (
    # sessionize of the DuckDB extension behavioral; dbt-segment; Google Analytics 4 and Snowplow, whose sessions go on
    # over midnight, and with another campaign or user.
    (
        Rules(),
        (
            "v",
            "v 5m v 5m v | 110m v 5m v",
            "v 15m v 10m v | 65m v 15m v | 75m v",
            "v 30m v 30m v",
            "v | 1801s v",
            "v 0s v 0s v",
            "86100s v 10m v",
            "v(utm_campaign=a) 5m v(utm_campaign=b)",
            "v(user_id=ann) 5m v(user_id=ben) 5m v",
        ),
    ),
    # Mining of repositories in the extension's tests: four hours.
    (Rules(inactivity=4 * HOUR), ("v 45m v 45m v | 330m v 30m v", "14h v 20m v | 1180m v 60m v", "v 4h v | 14401s v")),
    # retentioneering: a time, and a separator. There, events before the first separator are in no session.
    (Rules(inactivity=MINUTE), ("a 30s b | 3570s c", "a 60s b | 61s c")),
    (
        Rules(separator="sep"),
        (
            "sep 1m a 1m b",
            "sep 1m a 1m b | 1m sep 1m c",
            "sep 0s a 1m b | 1m sep 0s c",
            "a | 1m sep 1m b",
            "sep | sep a",
        ),
    ),
    # Matomo: VisitRequestProcessorTest and its midnight, also in the time zone of a site, in winter and in summer.
    (
        Rules(starts_at_border=True, split_at_midnight=True),
        (
            "8h v 251s v",
            "8h v | 3851s v",
            "86398s v 1s v",
            "86398s v | 3s v",
            "44553s v | 41547s v | 6m v",
            "v 1799s v",
            "v | 30m v",
        ),
    ),
    (Rules(starts_at_border=True), ("44553s v | 41547s v 6m v",)),
    (
        Rules(starts_at_border=True, split_at_midnight=True, timezone="Europe/Berlin"),
        ("82739s v 60s v", "82799s v | 1s v", "86398s v 3s v", "7855199s v | 1s v", "7858799s v 1s v"),
    ),
    (
        Rules(breaks_at=frozenset({"user"})),
        (
            "v(user_id=other) | 251s v(user_id=foo)",
            "v 251s v(user_id=foo)",
            "v(user_id=foo) 251s v(user_id=foo)",
            "v(user_id=foo) v v(user_id=foo) | v(user_id=bar)",
        ),
    ),
    # Universal Analytics: another campaign.
    (
        Rules(breaks_at=frozenset({"campaign"})),
        ("v(utm_campaign=a) 5m v 5m v(utm_campaign=a) | 5m v(utm_campaign=b)", "v 5m v(utm_campaign=a)"),
    ),
    # Plausible without its cache: a gap of more than 30 whole minutes.
    (Rules(inactivity=31 * MINUTE, starts_at_border=True), ("v 30m v", "v 1859s v", "v | 1860s v")),
    # Umami without the token of a visit: an hour of UTC.
    (
        Rules(inactivity=12 * HOUR, split_at_utc_hour=True),
        ("v 3599s v", "v | 1h v", "3599s v | 1s v", "10h v 5m v | 56m v"),
    ),
    # Session windows of Kafka Streams (KStreamSessionWindowAggregateProcessorTest) and session_window of Spark, whose
    # documented example is the last: a gap exactly as long as the timeout is in the session.
    (
        Rules(inactivity=5 * MINUTE),
        (
            "v 150s v 151s v",
            "v | 301s v 0s v | 301s v 0s v 0s v",
            "v | 301s v 150s v",
            "v | 451s v",
            "v 0s v",
            "v 5m v",
            "v 270s v | 330s v",
        ),
    ),
    # row_window_session of Kusto: its documented example. There, a gap of five minutes starts a session.
    (
        Rules(inactivity=5 * MINUTE, starts_at_border=True, longest=HOUR),
        ("10h v | 1h v", "616m v 2m v | 192m v", "v | 5m v 299s v", "v" + 12 * " 299s v" + " | 299s v"),
    ),
    # PostHog: a session has a longest time, here two hours.
    (Rules(longest=2 * HOUR), ("v 30m v 30m v 30m v | 30m v", "v 30m v 30m v 30m v 1799s v | 1s v 1799s v")),
    # The session id of a tracker: Snowplow, PostHog and Google Analytics 4.
    (
        Rules(client_sessions="key_without_timeout"),
        (
            "v(client_session_id=x) 2h v(client_session_id=x)",
            "v(client_session_id=x) | 1m v(client_session_id=y)",
            "86100s v(client_session_id=x) 10m v(client_session_id=x)",
        ),
    ),
)

# The same and further ones as definitions of daily_definitions, which also have times in seconds, events that end a
# session, and flags. Insight's challenge with the log of EDGAR: two seconds. retentioneering: bounds.
DEFINITIONS: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "edgar": ({"inactivity_seconds": 2}, ("v", "v 0s v 1s v 2s v", "v | 3s v", "v 2s v", "v 2s v 2s v | 3s v")),
    # Session windows, with gaps of seconds: SessionsTest of Beam and sessionWindow of DolphinDB, where a gap as long as
    # the timeout starts a session; DataFrameSessionWindowingSuite of Spark and EventTimeSessionWindowsTest of Flink,
    # where it does not.
    "beam": (
        {"inactivity_seconds": 10, "at_border": "starts"},
        ("v | 10s v | 91s v", "v 1s v 3s v 4s v | 91s v 1s v", "v 9s v 5s v 7s v 8s v | 65s v 5s v 1s v"),
    ),
    "dolphindb": ({"inactivity_seconds": 5, "at_border": "starts"}, ("v 4s v 1s v | 6s v 1s v 0s v 2s v",)),
    "spark": ({"inactivity_seconds": 10}, ("v 5s v | 17s v 8s v", "v 6s v", "v | 12s v 6s v", "v 10s v", "v | 22s v")),
    "flink": ({"inactivity_seconds": 1}, ("v 1s v 1s v | 2s v 1s v", "v 0s v 1s v | 2s v 1s v")),
    "edgar_hour": ({"inactivity_seconds": 3600}, ("v 1h v | 3601s v",)),
    "flags": (
        {"like": "matomo", "needs": "event"},
        ("v 251s v", "v | 251s v(new_visit=1)", "v | v(new_visit=1) | v(new_visit=1) v", "v(new_visit=1) v"),
    ),
    "bounds": (
        {"starts": "event_name = 'start'", "ends": "event_name = 'end'"},
        ("start a b end", "start a b 0s end | 1m start 0s c 0s end", "start a | start b end"),
    ),
    "hours": ({"like": "umami"}, ("v 3599s v", "v | 1h v", "3599s v | 1s v")),
    "minutes": ({"inactivity_seconds": 1860, "at_border": "starts"}, ("v 1859s v", "v | 31m v")),
    "users": ({"user": True}, ("v(user_id=a) | v(user_id=b)", "v v(user_id=a) v")),
    "midnight": ({"like": "matomo"}, ("86398s v | 3s v", "86398s v 1s v", "v | 30m v", "v 1799s v")),
    # The examples of docs/other_tools.md.
    "mixpanel": (
        {"inactivity_seconds": 1800, "midnight": True},
        ("v 30m v | 1801s v", "86398s v 1s v | 1s v", "86398s v | 3s v"),
    ),
    "adobe": (
        {"inactivity_seconds": 1800, "max_hours": 12},
        ("v" + 24 * " 30m v" + " | 1s v", "20h v" + 24 * " 30m v" + " | 30m v" + 23 * " 30m v" + " | 30m v"),
    ),
    "ids": ({"like": "posthog"}, ("v(client_session_id=x) 2h v(client_session_id=x) | v(client_session_id=y)",)),
}


def session_cases() -> Iterator[tuple[Rules, tuple[Journey, ...]]]:
    """Yield the journeys of each product, with its rules."""
    for rules, happened in _CASES:
        yield rules, tuple(map(journey_of, happened))
