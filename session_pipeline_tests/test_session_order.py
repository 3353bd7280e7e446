"""Tests the order of a visitor's sessions: those that start at the same time, and the parts of a long one."""

import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import call

FIRST = datetime(2026, 10, 5, 10)
LANDING = "https://shop.example/landing?utm_source=google&utm_medium=cpc"
SPLITS = {"separator": "login", "split_on_user": True, "split_on_campaign": True}


def settings(sessions: dict[str, Any]) -> dict[str, Any]:
    return {"start_date": FIRST.date(), "goals": [], "funnels": [], "dimensions": {}, "sessions": sessions}


def test_visitors_begin_with_the_session_of_their_first_event(tmp_path: Path) -> None:
    """Each visitor has a page view and, at the same second, a login, which starts a session."""
    shop = Deployment(tmp_path, settings({"separator": "login"}), only=("visitors",))
    shop.deliver(
        "lines",
        [
            {"visitor_id": f"v{n}", "event_id": f"{name}{n}", "event_time": f"{FIRST.isoformat()}Z"}
            | {"event_name": name, "sequence": sequence, "page_url": url}
            for n in range(8)
            for name, sequence, url in (("login", 2, "https://shop.example/app"), ("page_view", 1, LANDING))
        ],
    )
    shop.run(until=FIRST.date())
    assert shop.table("visitors")["first_channel"].tolist() == 8 * ["paid_search"]


@pytest.mark.long
def test_part_of_max_hours_goes_on_after_midnight(tmp_path: Path) -> None:
    """Each day is built by itself, so the second one begins with the last event of the first, in a later part."""
    shop = Deployment(tmp_path, settings({"max_hours": 1}), only=("sessions",))
    start = FIRST.replace(hour=22, minute=30)
    times = [start + timedelta(minutes=20 * n) for n in range(12)]
    lines = [
        {"visitor_id": "v", "event_id": f"e{n}", "event_time": f"{at.isoformat()}Z", "event_name": "page_view"}
        for n, at in enumerate(times)
    ]
    shop.deliver("first", lines[:5])
    shop.run(until=FIRST.date())
    shop.deliver("second", lines[5:])
    shop.run(until=FIRST.date() + timedelta(days=1))
    table = shop.table("sessions").sort_values("started_at")
    assert table["started_at"].tolist() == times[::3]
    assert table["event_count"].tolist() == [3, 3, 3, 3]
    assert shop.table("sessions")["break_reason"].tolist() == ["inactivity", *3 * ["max_hours"]]


@pytest.mark.long
@pytest.mark.parametrize("sessions", [{**SPLITS, "split_on_client_session": True}, {"client_sessions": "key"}])
def test_sessions_are_in_the_order_of_their_events(sessions: dict[str, Any], tmp_path: Path) -> None:
    """Many sessions start at the time of another one, and their ids say nothing about their order."""
    lines = random_lines(Random(1))
    shop = Deployment(tmp_path, settings(sessions))
    shop.deliver("lines", lines)
    shop.run(until=FIRST.date() + timedelta(days=2))
    session_of = dict(shop.table("events")[["event_id", "session_id"]].itertuples(index=False))
    expected: dict[str, list[str]] = defaultdict(list)  # the sessions of each visitor, in order
    for line in sorted(lines, key=lambda line: (line["event_time"], line["sequence"])):
        own, session_id = expected[line["visitor_id"]], session_of[line["event_id"]]
        if session_id not in own:
            own.append(session_id)

    table = shop.table("sessions").sort_values(["session_date", "day_session_number"])
    assert table.groupby("visitor_id")["session_id"].agg(list).to_dict() == expected
    assert table.duplicated(["visitor_id", "started_at"]).sum() > len(expected), "few sessions start at once"
    facts = shop.table("session_facts").sort_values("visit_number")
    assert facts.groupby("visitor_id")["session_id"].agg(list).to_dict() == expected
    assert (facts.groupby("visitor_id").cumcount() + 1 == facts["visit_number"]).all()

    channel_of = dict(table[["session_id", "channel"]].itertuples(index=False))
    for visitor in shop.records("visitors"):
        first = expected[visitor["visitor_id"]][0]
        assert (visitor["first_session_id"], visitor["first_channel"]) == (first, channel_of[first])
    for visit in shop.records("visitor_days"):
        assert expected[visit["visitor_id"]][visit["visit_number"] - 1] == visit["first_session_id"]

    own = max(expected.values(), key=len)
    shown = [json.loads(call("show", session_id, "--json", "--data", tmp_path)[1]) for session_id in own]
    assert [neighbour(facts, "session_before") for facts in shown] == [None, *own[:-1]]
    assert [neighbour(facts, "session_after") for facts in shown] == [*own[1:], None]


@pytest.mark.long
def test_show_says_that_sessions_overlap(tmp_path: Path) -> None:
    """The second session lies within the first, so the visitor goes on after it."""
    shop = Deployment(tmp_path, settings({"client_sessions": "key"}))
    shop.deliver(
        "lines",
        [
            {"visitor_id": "v", "event_id": f"e{minute}", "event_time": f"{FIRST.isoformat()[:-5]}{minute:02}:00Z"}
            | {"event_name": "page_view", "client_session_id": key}
            for minute, key in ((0, "a"), (5, "b"), (20, "a"))
        ],
    )
    shop.run(until=FIRST.date() + timedelta(days=1))
    a, b = shop.table("sessions").sort_values("started_at")["session_id"]
    outer, inner = (" ".join(call("show", each, "--data", tmp_path)[1].split()) for each in (a, b))
    assert "the visitor's first known session ended" in outer
    assert f"overlaps with session {b[:8]} of the visitor, which started later" in outer
    assert f"overlaps with session {a[:8]} of the visitor, which started before ended" in inner
    assert f"overlaps with session {a[:8]} of the visitor, which ended later" in inner


def neighbour(facts: dict[str, Any], which: str) -> str | None:
    return facts[which] and facts[which]["session_id"]


def random_lines(random: Random) -> list[dict[str, Any]]:
    """Return shuffled lines of thirty visitors at a few times of three days, with what splits sessions."""
    lines = []
    for visitor in range(30):
        sequences = random.sample(range(100), 12)
        for number, sequence in enumerate(sequences):
            time = FIRST + timedelta(days=random.choice((0, 0, 2)), minutes=random.choice((0, 0, 1, 50)))
            campaign = random.choice(("", "&utm_campaign=spring", "&utm_campaign=autumn"))
            lines.append(
                {
                    "visitor_id": f"v{visitor}",
                    "event_id": f"e{random.randrange(10**9)}-{number}",
                    "event_time": f"{time.isoformat()}Z",
                    "sequence": sequence,
                    "event_name": random.choice(("page_view", "page_view", "login")),
                    "page_url": f"{LANDING}{campaign}" if campaign else "https://shop.example/",
                    "user_id": random.choice((None, "ann", "ben")),
                    "client_session_id": random.choice((None, "c1", "c2")),
                }
            )
    random.shuffle(lines)
    return lines
