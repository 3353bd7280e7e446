"""Compares bots, their reasons and daily_bots with a plain count over random events, built at once and day by day."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline_tests.deployment import Deployment

FIRST, UNTIL = date(2026, 10, 5), date(2026, 10, 8)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
)
REASON_OF_AGENT: Mapping[str | None, str | None] = {
    None: None,
    CHROME: None,
    "curl/8.4.0": "crawler list: curl",
    "ShopMonitor/1.0": "settings: ^ShopMonitor",
    "python-requests/2.31": None,  # an exception
}
MOST_IN_A_MINUTE, MOST_ON_A_DAY = 4, 9
SETTINGS: Mapping[str, Any] = {
    "sources": {"app": {"site": "app"}},
    "bots": {
        "patterns": ["^ShopMonitor"],
        "exceptions": ["^python-requests/"],
        "page_views_per_minute": MOST_IN_A_MINUTE,
        "page_views_per_day": MOST_ON_A_DAY,
        "single_hit": True,
    },
}


def lines_of(random: Random, source: str) -> Iterator[dict[str, Any]]:
    number = 0
    for visitor in range(60):
        time = datetime(2026, 10, 5) + timedelta(minutes=random.randrange(3 * 1_440))
        agent = random.choice([CHROME, CHROME, *REASON_OF_AGENT])
        for _ in range(random.choice([1, 1, 2, 5, 14])):
            time += timedelta(seconds=random.choice([0, 1, 5, 20, 70, 600, 3_600]))
            number += 1
            line = {
                "event_id": f"e{number}",
                "visitor_id": f"v{visitor}",
                "event_time": time.isoformat() + "Z",
                "event_name": random.choice(["page_view", "page_view", "page_view", "asset", "purchase"]),
                "referrer": random.choice([None, None, "https://search.example/"]),
                "user_agent": agent if random.random() < 0.95 else random.choice([*REASON_OF_AGENT]),
                "method": random.choice([None, "GET", "POST", "email"]),
            }
            # The common log format has no user agents.
            yield {name: value for name, value in line.items() if value is not None and (source, name) != NO_AGENTS}


NO_AGENTS = ("common", "user_agent")


def delivered(folder: Path) -> tuple[Deployment, list[dict[str, Any]]]:
    random, deployment, events = Random(11), Deployment(folder, SETTINGS), []
    for source in ("web", "app", "common"):
        lines = [{**line, "visitor_id": f"{source} {line['visitor_id']}"} for line in lines_of(random, source)]
        random.shuffle(lines)
        deployment.deliver("events", lines, source)
        events += [{"source": source, "site": "app" if source == "app" else "main", **line} for line in lines]
    return deployment, events


def reasons(events: list[dict[str, Any]]) -> dict[tuple[str, str], str | None]:
    """Return the reason of each event by source and id, from the rules as they are documented."""
    with_agents = {(event["source"], event["event_time"][:10]) for event in events if "user_agent" in event}
    days: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        days[event["site"], event["visitor_id"], event["event_time"][:10]].append(event)
    found = {}
    for (_, _, day), of_day in days.items():
        views = [event for event in of_day if event["event_name"] == "page_view"]
        minutes = Counter(event["event_time"][:16] for event in views)
        behaviour = None
        if max(minutes.values(), default=0) > MOST_IN_A_MINUTE:
            behaviour = "page views per minute"
        elif len(views) > MOST_ON_A_DAY:
            behaviour = "page views per day"
        elif len(of_day) == len(views) == 1 and "referrer" not in views[0]:
            behaviour = "single hit"
        for event in of_day:
            reason = REASON_OF_AGENT[event.get("user_agent")]
            is_request = event.get("method") in ("GET", "POST")
            if "user_agent" not in event and is_request and (event["source"], day) in with_agents:
                reason = "no user agent"
            found[event["source"], event["event_id"]] = reason or behaviour
    return found


@pytest.mark.long
def test_reasons_of_events_sessions_and_days(tmp_path: Path) -> None:
    deployment, lines = delivered(tmp_path)
    deployment.run(until=UNTIL)
    events, sessions = deployment.table("events"), deployment.table("sessions")

    expected = reasons(lines)
    found = {(row.source, row.event_id): row.bot_reason for row in events.itertuples()}
    assert {key: reason if isinstance(reason, str) else None for key, reason in found.items()} == expected
    assert (events["is_bot"] == events["bot_reason"].notna()).all()
    assert {*expected.values()} > {"no user agent", "page views per minute", "page views per day", "single hit"}

    first = events[events["is_bot"]].sort_values("event_number").groupby("session_id")["bot_reason"].first()
    by_id = sessions.set_index("session_id")["bot_reason"].dropna()
    assert by_id.to_dict() == first.to_dict()

    rows = deployment.table("daily_bots").set_index(["session_date", "site", "bot_reason"]).sort_index()
    keys = [sessions["session_date"], sessions["site"], sessions["bot_reason"].fillna("(people)")]
    groups = sessions.groupby([key.rename(name) for key, name in zip(keys, rows.index.names, strict=True)])
    for name, counts in {
        "session_count": groups.size(),
        "visitor_count": groups["visitor_id"].nunique(),
        "page_view_count": groups["page_view_count"].sum(),
        "event_count": groups["event_count"].sum(),
    }.items():
        assert rows[name].to_dict() == counts.to_dict()


@pytest.mark.long
@pytest.mark.parametrize("site", ["main", "app"])
def test_both_totals_are_those_of_the_summary(tmp_path: Path, site: str) -> None:
    deployment, _ = delivered(tmp_path)
    deployment.run(until=UNTIL)
    summary = deployment.table("daily_summary")
    rows = deployment.table("daily_bots")
    summary, rows = summary[summary["site"] == site], rows[rows["site"] == site]
    is_person = rows["bot_reason"] == "(people)"
    assert rows[is_person]["session_count"].sum() == summary["session_count"].sum()
    assert rows[~is_person]["session_count"].sum() == summary["bot_session_count"].sum()


@pytest.mark.long
def test_days_built_one_by_one_have_the_same_files(tmp_path: Path) -> None:
    (at_once, _), (one_by_one, _) = delivered(tmp_path / "at once"), delivered(tmp_path / "one by one")
    at_once.run(until=UNTIL, publishes=False)
    day = FIRST
    while day <= UNTIL:
        one_by_one.run(until=day, publishes=False)
        day += timedelta(days=1)
    assert one_by_one.hashes() == at_once.hashes()
