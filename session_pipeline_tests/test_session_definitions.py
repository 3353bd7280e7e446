"""Compares daily_definitions with an oracle on random events, and with published cases of the tools themselves."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from session_pipeline.settings import parse_settings
from session_pipeline.tables.definitions.from_settings import least_break
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import definitions as oracle
from session_pipeline_tests.oracles.definitions import HALF_AN_HOUR, TOOLS, Definition
from session_pipeline_tests.oracles.published_cases import EPOCH, NEEDS_FIXTURES, read_cases

FIRST, UNTIL = date(2026, 3, 5), date(2026, 3, 9)  # in New York, the 8th has 23 hours
OWN_RULES = {
    "user_and_campaign": Definition(
        is_too_long=lambda gap: gap > timedelta(minutes=20),
        campaign="changed",
        user=True,
        starts=lambda event: event["event_name"] == "log_in",
        ends=lambda event: event["event_name"] == "purchase",
        stays=lambda views, events, conversions, length: conversions > 0,
    ),
    "short_sessions": Definition(
        is_too_long=lambda gap: gap >= HALF_AN_HOUR,
        longest=timedelta(hours=2),
        stays=lambda views, events, conversions, length: length.total_seconds() >= 0.5,
    ),
}
SETTINGS: Mapping[str, Any] = {
    "timezone": "America/New_York",
    "sources": {"app": {"site": "app"}},
    "sessions": {"split_on_user": True, "max_hours": 12, "separator": "log_in"},
    "definitions": {
        "also": [*TOOLS, *OWN_RULES],
        "rules": {
            "user_and_campaign": {
                "inactivity_seconds": 1200,
                "campaign": "changed",
                "user": True,
                "starts": "event_name = 'log_in'",
                "ends": "event_name = 'purchase'",
                "bounce_unless": {"conversions": 1},
            },
            "short_sessions": {
                "inactivity_seconds": 1800,
                "at_border": "starts",
                "max_hours": 2,
                "bounce_unless": {"seconds": 0.5},
            },
        },
    },
}
EVENTS = (*("page_view",) * 6, "page_ping", "scroll", "asset", "click", "purchase", "log_in")
PAUSES = (
    *(0, 0.4, 0.5, 1, 9.9, 10, 10.000001, 20, 60, 600) * 3,
    *(1199.9, 1200, 1200.000001, 1799.999999, 1800, 1800.000001, 1801, 1859.999999, 1860, 1861, 3600, 30_000, 86_400),
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def lines_of(random: Random) -> Iterator[dict[str, Any]]:
    """Yield the events of visitors; some never pause for long, so that their sessions go over several midnights."""
    number = 0
    for visitor in range(30):
        pauses = (300, 1100, 1200, 1700, 1800) if visitor % 5 == 0 else PAUSES
        time = datetime(2026, 3, 5, 12) + timedelta(minutes=random.randrange(4_000))
        ids = random.random() < 0.4
        for _ in range(150 if visitor % 5 == 0 else random.randrange(1, 30)):
            time += timedelta(seconds=random.choice(pauses))
            number += 1
            line = {
                "event_id": f"e{number}",
                "visitor_id": f"v{visitor}",
                "event_time": time.isoformat() + "Z",
                "event_name": random.choice(EVENTS),
                "page_url": "https://shop.example/",
                "user_id": random.choice([None, None, None, "ann", "ben"]),
                "referrer": random.choice([None, None, None, "https://shop.example/", "https://search.example/"]),
                "utm_campaign": random.choice([None, None, None, None, "spring", "summer", "Spring"]),
                "client_session_id": random.choice([None, "c1", "c1", "c2"]) if ids else None,
                "new_visit": "1" if random.random() < 0.03 else None,
                "user_agent": BOT if random.random() < 0.005 else None,
            }
            yield {name: value for name, value in line.items() if value is not None}


COUNTED = ("events", "sessions", "daily_summary", "daily_definitions")


def delivered(folder: Path, seed: int, settings: Mapping[str, Any] = SETTINGS) -> Deployment:
    random = Random(seed)
    deployment = Deployment(folder, settings, only=COUNTED)
    for source in ("test", "app"):
        lines = list(lines_of(random))
        random.shuffle(lines)
        deployment.deliver(f"{source} 1", lines[::2], source)
        deployment.deliver(f"{source} 2", lines[1::2], source)
    return deployment


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        dict(zip(frame.columns, (None if value is pd.NaT else value for value in row), strict=True))
        for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    ]


# The usual tests have one random set of events, the long and the nightly ones one more each.
@pytest.fixture(
    scope="module", params=[0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.nightly)]
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Random events. Tests must not write to it."""
    deployment = delivered(tmp_path_factory.mktemp("definitions"), request.param)
    deployment.run(until=UNTIL)
    return deployment


def test_sessions_of_each_definition_equal_the_oracle(built: Deployment) -> None:
    own = [row for row in records(built.table("sessions")) if not row["is_bot"]]
    people = {row["session_id"] for row in own}
    events = [
        row | {"properties": json.loads(row["properties"] or "{}")}
        for row in records(built.table("events"))
        if row["session_id"] in people
    ]
    expected = oracle.daily_definitions(
        events, own, {**TOOLS, **OWN_RULES}, lambda event: event["event_name"] == "purchase"
    )
    found = {
        (row["session_date"], row["site"], row["definition"]): row
        for row in records(built.table("daily_definitions"))
        if row["definition"] != "own"
    }
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        average = row.pop("average_seconds")
        assert {name: found[key][name] for name in row} == row, key
        assert found[key]["average_seconds"] == pytest.approx(average), key
    causes = {cause for row in expected.values() for cause in oracle.CAUSES if row[f"{cause}_difference"]}
    assert causes == set(oracle.CAUSES), "the random events have no difference with another cause"


@pytest.mark.long
def test_days_built_one_by_one_have_the_same_files(tmp_path: Path) -> None:
    at_once, one_by_one = (delivered(tmp_path / name, 7) for name in ("at once", "one by one"))
    at_once.run(until=UNTIL)
    day = FIRST
    while day <= UNTIL:
        one_by_one.run(until=day)
        day += timedelta(days=1)
    hashes = at_once.hashes()
    assert {key: sha for key, sha in one_by_one.hashes().items() if key in hashes} == hashes


@pytest.mark.long
def test_visitor_after_days_away_has_the_same_differences_in_days_built_one_by_one(tmp_path: Path) -> None:
    """Of a day alone, the visitor's earlier event is not read; these definitions have no timeout."""
    events = [("always", day, minute, None) for day in range(1, 7) for minute in (0, 1)]
    events += [("away", 1, 0, None), ("away", 6, 1, "c"), ("away", 6, 2, None)]
    lines = [
        {
            "event_id": f"{visitor} {day} {minute}",
            "visitor_id": visitor,
            "event_time": f"2026-10-0{day}T10:0{minute}:00Z",
            "event_name": "page_view",
            "page_url": "https://shop.example/",
            **({"client_session_id": client_session} if client_session else {}),
        }
        for visitor, day, minute, client_session in events
    ]
    rules = {"days": {"midnight": True}, "logins": {"starts": "event_name = 'page_view'"}, "unlimited": {}}
    settings = {"definitions": {"also": ["umami", *rules], "rules": rules}}
    at_once, one_by_one = (Deployment(tmp_path / name, settings, only=COUNTED) for name in ("at once", "one by one"))
    for day in range(1, 7):
        of_day = [line for line in lines if line["event_time"].startswith(f"2026-10-0{day}")]
        for deployment in (at_once, one_by_one):
            deployment.deliver(str(day), of_day)
        one_by_one.run(until=date(2026, 10, day))
    at_once.run(until=date(2026, 10, 6))
    assert one_by_one.hashes() == at_once.hashes()


def test_differences_and_own_row_add_up(built: Deployment) -> None:
    rows = built.table("daily_definitions").set_index(["session_date", "site", "definition"]).sort_index()
    own = rows.xs("own", level="definition")
    assert (rows["session_count"] - rows["session_difference"] - own["session_count"] == 0).all()
    causes = [f"{cause}_difference" for cause in oracle.CAUSES]
    assert (rows[causes].sum(axis=1) == rows["session_difference"]).all()
    summary = built.table("daily_summary").set_index(["session_date", "site"])
    summary = summary[summary["session_count"] > 0].sort_index()
    for name in ("session_count", "visitor_count", "page_view_count", "engaged_count"):
        assert (own[name] == summary[name]).all()


def lines_within_hours(random: Random) -> Iterator[dict[str, Any]]:
    """Yield events of visitors of six hours, without new_visit, which `[sessions] definition` does not follow."""
    for line in lines_of(random):
        start = datetime(2026, 3, 6, int(line["visitor_id"][1:]) * 7 % 24)
        time = start + timedelta(seconds=random.randrange(6 * 3_600))
        kept = {name: value for name, value in line.items() if name not in ("new_visit", "user_agent")}
        yield {**kept, "event_time": f"{time.isoformat()}Z"}


@pytest.mark.long
@pytest.mark.parametrize("tool", TOOLS)
def test_sessions_that_follow_a_definition_are_those_that_it_counts(tool: str, tmp_path: Path) -> None:
    settings = {"sessions": {"definition": tool}, "definitions": {"also": [tool]}}
    deployment = Deployment(tmp_path, settings, only=COUNTED)
    deployment.deliver("events", list(lines_within_hours(Random(5))))
    deployment.run(until=UNTIL)
    rows = deployment.table("daily_definitions")
    causes = [f"{cause}_difference" for cause in oracle.CAUSES if cause != "uncounted"]
    assert not rows[causes].any(axis=None)
    assert rows["session_count"].sum() > 100


@pytest.mark.long
def test_nothing_is_built_without_definitions(tmp_path: Path) -> None:
    deployment = delivered(tmp_path, 1, {**SETTINGS, "definitions": {}})
    deployment.run(until=UNTIL)
    assert deployment.table("daily_definitions").empty


# Published cases

TOOL_OF_SOURCE = {"matomo-org": "matomo", "plausible": "plausible", "umami-software": "umami"}


def rules_of_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return a case's own rules as keys of a definition: those of the tool that it is from, and what it changes."""
    rule = case["rule"]
    said: dict[str, Any] = {"like": TOOL_OF_SOURCE.get(case["source"].split("/")[0], "snowplow"), "needs": "event"}
    if "timeout_seconds" in rule:
        said["inactivity_seconds"] = rule["timeout_seconds"]
    if "new_if" in rule:
        said["at_border"] = {">": "stays", ">=": "starts"}[rule["new_if"].split()[1]]
    if rule.get("new_if") == "floor(gap/60) > 30":  # 31 minutes or more
        said |= {"inactivity_seconds": 31 * 60, "at_border": "starts"}
    if "midnight_split" in rule:
        said["midnight"] = rule["midnight_split"]
    if "client_flag" in rule:
        said["starts"] = f"properties ->> '{rule['client_flag']}' = '1'"
    if "separator" in rule:
        said["starts"] = f"event_name = '{rule['separator']}'"
    if "bounds" in rule:
        start, end = rule["bounds"]
        said |= {"starts": f"event_name = '{start}'", "ends": f"event_name = '{end}'"}
    if "split_on_user_change" in rule:
        said["user"] = rule["split_on_user_change"]
    return said


def name_of_case(case: Mapping[str, Any]) -> str:
    return f"case_{case['id']}"


def lines_of_case(case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, (visitor, seconds, *said) in enumerate(case["events"], start=1):
        attributes = said[0] if said else {}
        name = attributes.get("name", attributes.get("event", "page_view"))
        line = {
            "event_id": f"{place:02d}",
            "visitor_id": visitor,
            "event_name": name.replace("pageview", "page_view"),
            "user_id": attributes.get("user_id"),
            "new_visit": attributes.get("new_visit"),
            "utm_campaign": attributes.get("utm_campaign", attributes.get("campaign")),
            "client_session_id": attributes.get("client_session_id", attributes.get("visit_id")),
            "event_time": None if seconds is None else f"{EPOCH + timedelta(seconds=seconds)}Z",
        }
        yield {name: value for name, value in line.items() if value is not None}


MOST_DEFINITIONS = 20  # the settings have at most as many


@pytest.mark.long
@NEEDS_FIXTURES
def test_published_cases_of_sessions_under_the_rules_of_their_tools(tmp_path: Path) -> None:
    """Each case has a site and a definition of its own; as many as possible are counted in one run."""
    cases = read_cases("sessionize_cases.json")
    for first in range(0, len(cases), MOST_DEFINITIONS):
        check_cases(tmp_path / str(first), cases[first : first + MOST_DEFINITIONS])


def check_cases(folder: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    names = [name_of_case(case) for case in cases]
    deployment = Deployment(
        folder,
        {
            "start_date": date(2009, 1, 1),
            "sources": {name: {"site": name} for name in names},
            "definitions": {"also": names, "rules": {name_of_case(case): rules_of_case(case) for case in cases}},
        },
        only=COUNTED,
    )
    for case in cases:
        deployment.deliver("events", list(lines_of_case(case)), name_of_case(case))
    deployment.run(until=date(2026, 11, 1))
    rows = deployment.table("daily_definitions")
    for case in cases:
        name = name_of_case(case)
        found = rows[(rows["site"] == name) & (rows["definition"] == name)]
        # A separator has no session there; here it is the first or the last event of one.
        expected = {
            (event[0], number)
            for event, number in zip(case["events"], case["expected_session_index_per_event"], strict=True)
            if number is not None
        }
        assert found["session_count"].sum() == len(expected), case["name"]
        if said := case.get("expected_session"):
            assert found["bounce_count"].sum() == said["is_bounce"], case["name"]
            assert found["average_seconds"].sum() == said["duration"], case["name"]
            assert found["page_view_count"].sum() == said["pageviews"], case["name"]


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        ("inactivity_seconds = 1800", 1800.000001),
        ('inactivity_seconds = 1800\nat_border = "starts"', 1800),
        ("midnight = true", None),
    ],
)
def test_border_is_the_shortest_gap_that_starts_a_session(rules: str, seconds: float | None) -> None:
    settings = parse_settings(f'[definitions]\nalso = ["mine"]\n[definitions.rules.mine]\n{rules}\n')
    expected = None if seconds is None else round(seconds * 1_000_000)
    assert least_break(settings.definitions.counted["mine"]) == expected


def test_half_an_hour_is_the_timeout_of_all_tools_that_have_one() -> None:
    settings = parse_settings(f"[definitions]\nalso = {json.dumps(list(TOOLS))}\n")
    timeouts = {name: tool.inactivity_seconds for name, tool in settings.definitions.counted.items()}
    assert timeouts == dict.fromkeys(TOOLS, HALF_AN_HOUR.total_seconds()) | {"umami": None}
