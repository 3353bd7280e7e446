"""Compares the preset `snowplow` with the events and expected tables of Snowplow's own web model.

The expected tables are those of dbt-snowplow-web 0.15.2, for its test events. Figures that agree are asserted, and each
difference has its reason: REASONS for sessions, and a test of its own for page views, users and enrichments.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.admission.recognition import recognized_preset
from session_pipeline.settings import packaged_preset
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.published_cases import FIXTURES, NEEDS_FIXTURES

Row = Mapping[str, Any]
FOLDER = FIXTURES / "snowplow_web_0.15.2"
NAMES = ("events", "sessions_expected", "page_views_expected", "users_expected", "base_quarantined_sessions_expected",
         "spider_context", "yauaa_context")  # fmt: skip
UNTIL = date(2021, 3, 20)
SHORTEST_VISIT = timedelta(seconds=5)  # min_visit_length, by which they begin a page view before its first page ping
LONGEST_SESSION = timedelta(days=3)  # max_session_days

pytestmark = NEEDS_FIXTURES


@dataclass(frozen=True)
class Figures:
    """What a session has in their table and in ours."""

    started_at: datetime
    ended_at: datetime
    page_view_count: int
    event_count: int


@dataclass
class Result:
    """Their files, and what a run over their events gives here."""

    deployment: Deployment
    theirs: Mapping[str, list[Row]]

    @cached_property
    def events(self) -> list[Row]:
        return self._rows("events")

    @cached_property
    def sessions(self) -> list[Row]:
        return self._rows("sessions")

    def _rows(self, table: str) -> list[Row]:
        frame = self.deployment.table(table)
        return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]

    @cached_property
    def event_of(self) -> Mapping[str, Row]:
        return {event["event_id"]: event for event in self.events}

    @cached_property
    def sessions_of_id(self) -> Mapping[str | None, list[Row]]:
        found = defaultdict(list)
        for session in sorted(self.sessions, key=lambda row: row["started_at"]):
            found[session["client_session_id"]].append(session)
        return found

    @cached_property
    def case_of_id(self) -> Mapping[str, str]:
        """The case that their file tests with each session; it is written in user_id."""
        return {row["domain_sessionid"]: row["user_id"].split(":")[0] for row in self.theirs["events"]}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    assert {path.name for path in FOLDER.glob("*.csv")} == {f"snowplow_web_{name}.csv" for name in NAMES}
    theirs = {name: rows_of(FOLDER / f"snowplow_web_{name}.csv") for name in NAMES}
    settings = {
        "start_date": date(2020, 7, 1),
        "sources": {"web": {"preset": "snowplow"}},
        "sessions": {"client_sessions": "key_without_timeout"},
    }
    deployment = Deployment(tmp_path_factory.mktemp("snowplow"), settings, only=("events", "sessions"))
    delivered = deployment.folder.raw / "web" / "events.csv"
    delivered.parent.mkdir(parents=True)
    delivered.write_bytes((FOLDER / "snowplow_web_events.csv").read_bytes())
    deployment.run(until=UNTIL)
    return Result(deployment, theirs)


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def their_figures(row: Row) -> Figures:
    return Figures(
        time_of(row["start_tstamp"]), time_of(row["end_tstamp"]), int(row["page_views"]), int(row["total_events"])
    )


def our_figures(row: Row) -> Figures:
    return Figures(
        row["started_at"].replace(tzinfo=None),
        row["ended_at"].replace(tzinfo=None),
        row["page_view_count"],
        row["event_count"],
    )


# Events


def test_their_file_is_recognized() -> None:
    path = FOLDER / "snowplow_web_events.csv"
    with path.open("rb") as file:
        assert recognized_preset(file, path, "csv") == "snowplow"


def test_every_line_is_an_event_and_an_event_id_counts_once(result: Result) -> None:
    assert result.deployment.table("quarantined_lines").empty
    lines = result.theirs["events"]
    assert len(result.deployment.table("raw_events")) == len(lines) == 160
    assert result.event_of.keys() == {line["event_id"] for line in lines}
    assert len(result.events) == 157


def test_structured_events_are_named_by_their_action(result: Result) -> None:
    """A structured event has its action as name, and every other event our name for its event_name."""
    ours = packaged_preset("snowplow").event_names
    actions = {line["event_id"]: line["se_action"] for line in result.theirs["events"] if line["event"] == "struct"}
    for line in result.theirs["events"]:
        name = actions.get(line["event_id"], ours.get(line["event_name"], line["event_name"]))
        assert result.event_of[line["event_id"]]["event_name"] == name
    assert set(actions.values()) == {"login"}


def test_parameters_of_urls_are_not_in_other_fields(result: Result) -> None:
    stored = " ".join(str(value) for event in result.events for value in event.values()).lower()
    clicks = {line["mkt_clickid"] for line in result.theirs["events"]} - {""}
    assert clicks
    assert not any(click.lower() in stored for click in clicks)
    assert "gclid=" not in stored
    assert {event["click_id_type"] for event in result.events} == {None, "gclid"}


# Sessions


def split_after_half_a_day(theirs: Figures, ours: list[Figures]) -> bool:
    """12 hours without an event end a session here; with them, a session id has no timeout."""
    gaps = [after.started_at - before.ended_at for before, after in pairwise(ours)]
    return bool(gaps) and min(gaps) > timedelta(hours=12) and ours[0].started_at == theirs.started_at


def split_by_visitor(theirs: Figures, ours: list[Figures]) -> bool:
    """A session belongs to one visitor here; with them, it can have several."""
    return (ours[0].started_at, ours[-1].ended_at, *totals(ours)) == (
        theirs.started_at, theirs.ended_at, theirs.page_view_count, theirs.event_count
    )  # fmt: skip


def page_view_id_twice(theirs: Figures, ours: list[Figures]) -> bool:
    """Two page views with one page_view_id are one page view with them, and two here."""
    [session] = ours
    return session == Figures(theirs.started_at, theirs.ended_at, theirs.page_view_count + 1, theirs.event_count)


def page_ping_alone(theirs: Figures, ours: list[Figures]) -> bool:
    """Page pings without their page view are a page view with them, which begins 5 seconds before the first."""
    [session] = ours
    return session == Figures(theirs.started_at + SHORTEST_VISIT, theirs.ended_at, 0, theirs.event_count)


def totals(sessions: Iterable[Figures]) -> tuple[int, int]:
    found = list(sessions)
    return sum(each.page_view_count for each in found), sum(each.event_count for each in found)


# Sessions that differ: the case and the number of events with them, and the reason.
REASONS: Mapping[tuple[str, int], Callable[[Figures, list[Figures]], bool]] = {
    ("long session", 3): split_after_half_a_day,
    ("Unexpired session", 1): split_after_half_a_day,
    ("Rotating domain_userid per session", 5): split_by_visitor,
    ("dupe", 11): page_view_id_twice,
    ("stray page ping", 1): page_ping_alone,
    ("No edge cases", 1): page_ping_alone,
}


def test_sessions_agree_or_differ_for_a_reason(result: Result) -> None:
    equal, different = 0, Counter[str]()
    for row in result.theirs["sessions_expected"]:
        theirs = their_figures(row)
        ours = [our_figures(session) for session in result.sessions_of_id[row["domain_sessionid"]]]
        if ours == [theirs]:
            equal += 1
            continue
        differs = REASONS[result.case_of_id[row["domain_sessionid"]], theirs.event_count]
        assert differs(theirs, ours), row["domain_sessionid"]
        different[differs.__name__] += 1
    assert equal == 11
    assert different == {
        "split_after_half_a_day": 2, "split_by_visitor": 1, "page_view_id_twice": 1, "page_ping_alone": 3
    }  # fmt: skip


def test_their_long_sessions_are_our_events_of_the_first_three_days(result: Result) -> None:
    """They leave out events later than three days (max_session_days) after the start. Here, all events stay."""
    [quarantined] = result.theirs["base_quarantined_sessions_expected"]
    assert result.case_of_id[quarantined["session_id"]] == "long session"
    later = {}
    for row in result.theirs["sessions_expected"]:
        case = result.case_of_id[row["domain_sessionid"]]
        if case not in ("long session", "Unexpired session"):
            continue
        theirs = their_figures(row)
        events = [
            (event["event_time"].replace(tzinfo=None), event["event_name"])
            for event in result.events
            if event["client_session_id"] == row["domain_sessionid"]
        ]
        kept = [(time, name) for time, name in events if time <= theirs.started_at + LONGEST_SESSION]
        times = [time for time, _ in kept]
        views = sum(name == "page_view" for _, name in kept)
        assert Figures(min(times), max(times), views, len(kept)) == theirs
        later[case] = len(events) - len(kept)
    assert later == {"long session": 8, "Unexpired session": 1}


def test_their_conversions_are_our_page_views(result: Result) -> None:
    """Their test counts each page view as a conversion, without its page_view_id. So no page view is left out."""
    more = {}
    for row in result.theirs["sessions_expected"]:
        ours = sum(session["page_view_count"] for session in result.sessions_of_id[row["domain_sessionid"]])
        if ours != (theirs := int(row["cv_view_page_volume"])):
            more[row["user_id"]] = ours - theirs
    assert more == {"long session": 2, "Unexpired session": 1}  # after three days


# Sessions that only we have: the case and how many.
ONLY_HERE = {
    "consent_accel": 26,  # no page view and no page ping; they build sessions from these only
    "late arriving": 1,  # sent more than three days after it happened (days_late_allowed)
    "NULL domain_sessionid": 1,  # they need a session id
    "NULL page_view_id": 1,  # they need the id of a page view
}


def test_sessions_that_only_we_have(result: Result) -> None:
    theirs = {row["domain_sessionid"] for row in result.theirs["sessions_expected"]}
    found = [session for session in result.sessions if session["client_session_id"] not in theirs]
    assert Counter(session["user_id"].split(":")[0] for session in found) == ONLY_HERE
    assert {session["page_view_count"] for session in found if session["user_id"] == "consent_accel"} == {0}


def test_first_and_last_page_source_and_referrer(result: Result) -> None:
    compared = 0
    for row in result.theirs["sessions_expected"]:
        ours = result.sessions_of_id[row["domain_sessionid"]]
        if [our_figures(session) for session in ours] != [their_figures(row)]:
            continue
        [session] = ours
        compared += 1
        assert (session["landing_page"], session["exit_page"]) == (row["first_page_urlpath"], row["last_page_urlpath"])
        for name in ("source", "medium", "campaign", "term", "content"):
            assert session[f"utm_{name}"] == (row[f"mkt_{name}"] or None)
        assert session["duration_seconds"] == (session["ended_at"] - session["started_at"]).total_seconds()
        assert abs(session["duration_seconds"] - int(row["absolute_time_in_s"])) < 1  # they count changes of the second
        if row["user_id"] not in ("Multiple first sessions per user", "Multiple last sessions per user"):
            assert session["referrer_host"] == (row["refr_urlhost"] or None)
    assert compared == 11


def test_channels_differ_where_theirs_are_unassigned(result: Result) -> None:
    """Theirs is "Unassigned" without refr_medium, also for a search engine and for visits without a referrer."""
    found = {
        (row["default_channel_group"], result.sessions_of_id[row["domain_sessionid"]][0]["channel"])
        for row in result.theirs["sessions_expected"]
    }
    assert found == {
        ("Display", "display"), ("Paid Other", "paid_other"), ("Unassigned", "direct"), ("Unassigned", "organic_search")
    }  # fmt: skip


def test_engaged_time_is_defined_otherwise(result: Result) -> None:
    """Theirs counts page pings in heartbeats of 10 seconds; without page pings it is 0. Ours adds gaps."""
    found = {
        row["engaged_time_in_s"]: result.sessions_of_id[row["domain_sessionid"]][0]["engaged_seconds"]
        for row in result.theirs["sessions_expected"]
        if row["user_id"] == "No edge cases"
    }
    assert found == {"45": pytest.approx(221.197), "5": 0}
    without_pings = [row for row in result.theirs["sessions_expected"] if row["engaged_time_in_s"] == "0"]
    assert len(without_pings) == 14
    seconds = [result.sessions_of_id[row["domain_sessionid"]][0]["engaged_seconds"] for row in without_pings]
    assert sum(each > 0 for each in seconds) == 10


# Page views

COLUMNS = {
    "domain_sessionid": "client_session_id", "user_id": "user_id", "page_title": "page_title",
    "page_urlhost": "page_host", "page_urlpath": "page_path", "mkt_source": "utm_source", "mkt_medium": "utm_medium",
    "mkt_campaign": "utm_campaign", "mkt_term": "utm_term", "mkt_content": "utm_content",
    "refr_urlhost": "referrer_host",
}  # fmt: skip
# Two lines of their file have a refr_urlhost that is not the host of their page_referrer. Here, the URL counts.
OTHER_HOST = "localhost-dummy-row"
PAGE_VIEWS_ONLY_HERE = {
    "long session": 2,  # after three days of the session
    "Unexpired session": 1,  # after three days of the session
    "late arriving": 1,
    "NULL page_view_id": 1,
    "dupe": 1,  # a page_view_id that was there already
}


def test_page_views_agree(result: Result) -> None:
    of_pings = 0
    for row in result.theirs["page_views_expected"]:
        event = result.event_of[row["event_id"]]
        assert event["event_name"] == "page_view"
        assert event["event_time"].replace(tzinfo=None) == time_of(row["derived_tstamp"])
        for theirs, ours in COLUMNS.items():
            expected = "localhost" if row[theirs] == OTHER_HOST else row[theirs] or None
            assert event[ours] == expected, (row["event_id"], theirs)
        # Parameters of the URL that describe no campaign, such as gclid, are not stored.
        assert row["page_url"].startswith(event["page_url"].split("?")[0])
        of_pings += row["start_tstamp"] != row["derived_tstamp"]
    assert (len(result.theirs["page_views_expected"]), of_pings) == (43, 0)


def test_page_views_that_only_we_have(result: Result) -> None:
    theirs = {row["event_id"] for row in result.theirs["page_views_expected"]}
    ours = {event["event_id"] for event in result.events if event["event_name"] == "page_view"}
    assert theirs <= ours
    assert Counter(result.event_of[each]["user_id"].split(":")[0] for each in ours - theirs) == PAGE_VIEWS_ONLY_HERE


# Users

# Users whose sessions or page views differ, as (sessions, page views) with them and here.
USERS = {
    "No edge cases": ((3, 6), (3, 4)),  # page pings alone
    "stray page ping": ((2, 2), (2, 1)),  # page pings alone
    "dupe: page_view_id different derived_tstamp": ((1, 7), (1, 8)),
    "long session": ((1, 2), (11, 4)),
    "Unexpired session": ((1, 1), (2, 2)),
    "Rotating domain_userid per session": ((1, 3), (1, 1)),  # their session has the first of three visitors
}


def test_users_agree_or_differ_for_a_reason(result: Result) -> None:
    different = {}
    for row in result.theirs["users_expected"]:
        sessions = [session for session in result.sessions if session["visitor_id"] == row["domain_userid"]]
        theirs = (int(row["sessions"]), int(row["page_views"]))
        ours = (len(sessions), sum(session["page_view_count"] for session in sessions))
        if ours != theirs:
            different[row["user_id"]] = (theirs, ours)
    assert different == USERS
    assert len(result.theirs["users_expected"]) == 11


def test_visitor_without_domain_userid_is_known_by_network_userid(result: Result) -> None:
    """They have no user for it; here it is a visitor."""
    [line] = [line for line in result.theirs["events"] if not line["domain_userid"]]
    assert result.event_of[line["event_id"]]["visitor_id"] == line["network_userid"]
    assert line["network_userid"] not in {row["network_userid"] for row in result.theirs["users_expected"]}


# Enrichments


def test_bots_agree(result: Result) -> None:
    verdicts = {row["root_id"]: row["spiderOrRobot"] for row in result.theirs["spider_context"]}
    assert {(verdicts[each["event_id"]], each["is_bot"]) for each in result.events} == {("false", False)}


def test_devices_follow_from_the_user_agent(result: Result) -> None:
    """Their context has the same made-up device for nearly all events; ours follows from the user agent."""
    classes = {row["root_id"]: row["deviceClass"] for row in result.theirs["yauaa_context"]}
    devices = {session["session_id"]: session["device"] for session in result.sessions}
    found = Counter((classes[each["event_id"]], devices[each["session_id"]]) for each in result.events)
    assert found == {("Desktop", "desktop"): 131, ("Desktop", "mobile"): 25, ("Mobile", "desktop"): 1}
    for line in result.theirs["events"]:
        is_phone = any(word in line["useragent"] for word in ("iPhone", "Android"))
        assert (devices[result.event_of[line["event_id"]]["session_id"]] == "mobile") == is_phone
