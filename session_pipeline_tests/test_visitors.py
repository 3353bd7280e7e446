"""Tests the tables of visitors: against an oracle on random histories with late files, and on published cases."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from session_pipeline.build import stale_days
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT, blocks
from session_pipeline_tests.oracles import visitors as oracle
from session_pipeline_tests.oracles.published_cases import FIXTURES, NEEDS_FIXTURES
from session_pipeline_tests.oracles.visitors import Visit
from session_pipeline_tests.reliability.figures import effort
from session_pipeline_tests.test_stretches import cut_after

BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"
FIRST = date(2024, 5, 16)  # day number 19,859
DAYS, WEEKS = 9, 3
SETTINGS: dict[str, Any] = {
    "start_date": date(2020, 1, 1),
    "outcomes": [{"name": "buy", "where": "event_name = 'purchase'", "is_conversion": True, "value": "value"}],
    "goals": [],
    "funnels": [],
    "visitors": {"retention_days": DAYS, "retention_weeks": WEEKS},
    "dimensions": {},
    "breakdowns": {"dimensions": ["lifecycle"]},
}


def visits_of(random: Random) -> list[Visit]:
    """Return sessions of a few visitors on days close together, and on some days years and months before and after."""
    near = [FIRST + timedelta(days=offset) for offset in range(15)]
    far = [FIRST + timedelta(days=random.randint(-1200, 300)) for _ in range(8)]
    found = {}
    for _ in range(120):
        day = random.choice(near * 3 + far)
        at = datetime(day.year, day.month, day.day) + timedelta(hours=2 * random.randrange(12))
        site, visitor_id = random.choice("ab"), random.choice(("v1", "v2", "v3", "v4", f"w{random.randrange(40)}"))
        is_bot, is_converted = random.random() < 0.1, random.random() < 0.2
        found[site, visitor_id, at] = Visit(
            site,
            visitor_id,
            at,
            is_converted,
            random.choice((None, Decimal("2.5"), Decimal(1))) if is_converted else None,
            random.choice((None, None, "u1", "u2")),
            random.choice((None, "k1", "k2")),
            is_bot,
        )
    return list(found.values())


def line_of(visit: Visit) -> dict[str, Any]:
    campaign = f"?utm_campaign={visit.campaign}" if visit.campaign else ""
    return {
        "visitor_id": visit.visitor_id,
        "event_time": f"{visit.at.isoformat()}Z",
        "event_name": "purchase" if visit.is_converted else "page_view",
        "page_url": f"https://x.example/{campaign}",
        "user_id": visit.user_id,
        "user_agent": BOT if visit.is_bot else None,
        "value": None if visit.value is None else float(visit.value),
    }


def deliver(deployment: Deployment, name: str, visits: Sequence[Visit]) -> None:
    for site in "ab":
        lines = [line_of(visit) for visit in visits if visit.site == site]
        if lines:
            deployment.deliver(name, lines, source=site)


def rows(deployment: Deployment, table: str, like: Sequence[oracle.Row]) -> list[oracle.Row]:
    """Return the rows of a table, with the columns of the expected rows."""
    frame = deployment.table(table)
    return [{name: plain(row[name]) for name in (like[0] if like else {})} for row in frame.to_dict(orient="records")]


def plain(value: Any) -> Any:
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


def check(deployment: Deployment, visits: Sequence[Visit], until: date) -> None:
    expected = {
        "visitor_days": oracle.visitor_days(visits),
        "daily_visitors": oracle.daily_visitors(visits, until),
        "visitors": oracle.visitors(visits),
        "retention": oracle.retention(visits, DAYS, WEEKS),
        "daily_breakdowns": oracle.lifecycle_breakdown(visits),
    }
    for name, wanted in expected.items():
        assert rows(deployment, name, wanted) == wanted, name


# The tables of visitors, and one that is made from them.
TABLES = ("visitor_days", "daily_visitors", "visitors", "retention", "daily_breakdowns")


def settings_of_sites() -> dict[str, Any]:
    return {**SETTINGS, "sources": {site: {"site": site} for site in "ab"}}


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.nightly if seed else pytest.mark.long) for seed in range(1 + effort())],
)
def test_tables_equal_the_oracle_after_each_late_file(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    file_count = 6 if seed else 3
    visits = visits_of(random)
    until = max(visit.day for visit in visits) + timedelta(days=random.randrange(3))
    cuts = [0, *sorted(random.sample(range(1, len(visits)), file_count - 1)), len(visits)]
    if random.random() < 0.5:  # otherwise, each file has visits of all times
        visits.sort(key=lambda visit: visit.at)
        # a last file with the only visits of an old day, and with one more of another
        visits = [*visits[3:], *visits[:3]]
    deployment = Deployment(tmp_path / "late", settings_of_sites(), only=TABLES)
    for number, (first, end) in enumerate(pairwise(cuts)):
        deliver(deployment, f"f{number}", visits[first:end])
        deployment.run(until)
        check(deployment, visits[:end], until)
    monkeypatch.setattr(stale_days, "first_stretch", cut_after(random.choices(range(4, 40), k=5)))
    once = Deployment(tmp_path / "once", settings_of_sites(), only=TABLES)
    for number, (first, end) in enumerate(pairwise(cuts)):
        deliver(once, f"f{number}", visits[first:end])
    once.run(until)
    assert once.hashes() == deployment.hashes()


def seen(days: dict[str, Sequence[date]]) -> list[Visit]:
    """Return a session of each visitor at noon of each of their days."""
    return [
        Visit("a", visitor_id, datetime(day.year, day.month, day.day, 12))
        for visitor_id, own in days.items()
        for day in own
    ]


def test_life_cycle_equals_the_published_example_of_posthog(tmp_path: Path) -> None:
    january = {"p1": (11, 12, 13, 15, 17, 19), "p2": (9, 12), "p3": (12,), "p4": (15,)}
    days = {visitor_id: [date(2020, 1, number) for number in own] for visitor_id, own in january.items()}
    deployment = Deployment(tmp_path, settings_of_sites(), only=TABLES)
    deliver(deployment, "visits", seen(days))
    deployment.run(date(2020, 1, 19))
    names = ("new_count", "returning_count", "resurrected_count", "dormant_count")
    found = deployment.table("daily_visitors")
    from_12 = found[found["session_date"] >= date(2020, 1, 12)]
    assert {name: from_12[name].tolist() for name in names} == {
        "new_count": [1, 0, 0, 1, 0, 0, 0, 0],
        "returning_count": [1, 1, 0, 0, 0, 0, 0, 0],
        "resurrected_count": [1, 0, 0, 1, 0, 1, 0, 1],
        "dormant_count": [0, 2, 1, 0, 2, 0, 1, 0],
    }


def retention_cases() -> list[dict[str, Any]]:
    path = FIXTURES / "sequence_cases.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else []
    return [case for case in cases if case.get("kind") == "retention"]


@NEEDS_FIXTURES
@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=pytest.mark.long if number else []) for number in range(len(retention_cases()))],
)
def test_retention_equals_the_published_cases(number: int, tmp_path: Path) -> None:
    """A visitor meets the first condition, and a later one: they are in the cohort of that day, and came again."""
    case = retention_cases()[number]
    days = [date.fromisoformat(condition.removeprefix("day=")) for condition in case["conditions"]]
    own = [date.fromisoformat(day) for visitor_id, day in case["actions"] if visitor_id == case["visitor"]]
    deployment = Deployment(tmp_path, settings_of_sites(), only=TABLES)
    deliver(deployment, "visits", seen({case["visitor"]: own}))
    deployment.run(max(own))
    returned = {
        row["periods_after"]: row["returned_count"]
        for row in deployment.table("retention").to_dict(orient="records")
        if (row["cohort"], row["period"], row["cohort_date"]) == ("first_visit", "day", days[0])
    }
    assert [bool(returned.get((day - days[0]).days)) for day in days] == case["expected"]


# Retention in the tests and manuals of other products: the period, the days on which each visitor came, from the first
# day on, and by the day of the cohort how many came in each period. A visitor signs up on the day before a bar.
RETENTION: Mapping[str, tuple[str, tuple[str, ...], Mapping[int, Sequence[int]]]] = {
    "posthog_visits": ("day", ("0 1 2 5 6", "1 2 3 6"), {0: [1, 1, 1, 0, 0, 1, 1], 1: [1, 1, 1, 0, 0, 1]}),
    "posthog_sign_ups": (
        "day",
        ("4 | 5 6 7 10 11", "4 | 6 7 8 11", "5 | 6 8 9 10", "7 | 8 10", "0 |"),
        {0: [1, 0, 0, 0], 4: [2, 1, 2, 2, 1, 0, 1], 5: [1, 1, 0, 1, 1, 1], 7: [1, 1, 0, 1]},
    ),
    "clickhouse": ("day", ("0 1 2",) * 5 + ("1 2",) * 5 + ("2",) * 5, {0: [5, 5, 5], 1: [5, 5], 2: [5]}),
    "behavioral": ("day", ("0 1 2", "0 1", "1 2 3"), {0: [2, 2, 1, 0], 1: [1, 1, 1]}),
    "weeks": ("week", ("0 6", "0 7", "0 13 14", "0 20", "6 12 13"), {0: [4, 2, 2], 6: [1, 1, 0]}),
}


@pytest.mark.long
def test_retention_equals_that_of_other_products(tmp_path: Path) -> None:
    """Each case has a site of its own."""
    sources = {"sources": {name: {"site": name} for name in RETENTION}}
    deployment = Deployment(tmp_path, SETTINGS | sources, only=("retention",))
    for name, (_, visitors, _) in RETENTION.items():
        visits = []
        for visitor, happened in enumerate(visitors):
            days, bar, later = happened.partition("|")
            visits += [
                Visit(name, f"v{visitor}", datetime(2024, 5, 16, 12) + timedelta(days=int(day)), is_converted)
                for part, is_converted in ((days, bool(bar)), (later, False))
                for day in part.split()
            ]
        deployment.deliver("visits", list(map(line_of, visits)), source=name)
    deployment.run(FIRST + timedelta(days=21))
    found = deployment.records("retention")
    for name, (period, visitors, expected) in RETENTION.items():
        cohort = "first_conversion" if any("|" in happened for happened in visitors) else "first_visit"
        for day, counts in expected.items():
            of_cohort = name, cohort, period, FIRST + timedelta(days=day)
            returned = {
                row["periods_after"]: row["returned_count"]
                for row in found
                if (row["site"], row["cohort"], row["period"], row["cohort_date"]) == of_cohort
            }
            assert [returned[number] for number in range(len(counts))] == counts, of_cohort


@pytest.mark.long
def test_documented_query_counts_cohorts_of_each_day_as_posthog(tmp_path: Path) -> None:
    """The numbers are those of test_day_interval in PostHog's tests of retention."""
    page = blocks((ROOT / "docs" / "other_tools.md").read_text())
    [query] = [block.code for block in page if (block.heading, block.language) == ("Retention", "sql")]
    days = {"person1": (0, 1, 2, 5, 6), "person2": (1, 2, 3, 6)}
    deployment = Deployment(tmp_path, settings_of_sites(), only=("visitor_days",))
    deliver(
        deployment, "visits", seen({name: [FIRST + timedelta(days=day) for day in own] for name, own in days.items()})
    )
    deployment.run(FIRST + timedelta(days=7))
    visitor_days = deployment.table("visitor_days")
    found = duckdb.connect().register("visitor_days", visitor_days).sql(query).fetchall()
    assert {((cohort - FIRST).days, after): count for cohort, after, count in found} == {
        (day, after): count
        for day, counts in enumerate(
            ([1, 1, 1, 0, 0, 1, 1], [2, 2, 1, 0, 1, 2], [2, 1, 0, 1, 2], [1, 0, 0, 1], [], [1, 1], [2])
        )
        for after, count in enumerate(counts)
        if count
    }


@pytest.mark.parametrize(
    ("splits", "days"),
    [(False, [FIRST]), pytest.param(True, [FIRST, FIRST + timedelta(days=1)], marks=pytest.mark.long)],
)
def test_session_over_midnight_is_on_two_days_only_if_it_ends_there(
    splits: bool, days: list[date], tmp_path: Path
) -> None:
    settings = {**SETTINGS, "sessions": {"split_at_midnight": splits}}
    deployment = Deployment(tmp_path, settings, only=("visitor_days",))
    midnight = datetime(FIRST.year, FIRST.month, FIRST.day) + timedelta(days=1)
    visits = [Visit("main", "v1", midnight + timedelta(minutes=minutes)) for minutes in (-10, 10)]
    deployment.deliver("visits", list(map(line_of, visits)))
    deployment.run(FIRST + timedelta(days=2))
    assert [row["session_date"] for row in deployment.records("visitor_days")] == days


@pytest.mark.long
def test_late_file_changes_only_days_whose_visitors_it_concerns(tmp_path: Path) -> None:
    first = date(2024, 5, 16)
    days = [first + timedelta(days=offset) for offset in range(30)]
    deployment = Deployment(tmp_path, settings_of_sites(), only=TABLES)
    deliver(deployment, "visits", seen({"v1": days[5:], "v2": [days[20]]}))
    deliver(deployment, "other", [Visit("b", "w", datetime(2024, 5, 16, 12))])
    deployment.run(days[-1])
    deliver(deployment, "late", seen({"v2": [days[3]]}))
    built = deployment.run(days[-1])
    assert [day for step, day in built if step == "daily_breakdowns"] == [days[3], days[4], days[20]]
    assert ("visitor_days", days[29]) in built, "it read a changed block"
    again = seen({"v3": [days[6]]})
    again[0] = Visit(**{**vars(again[0]), "is_bot": True})
    deliver(deployment, "bot", again)
    built = deployment.run(days[-1])
    assert [day for step, day in built if step == "visitor_days"] == [], "no visitor's state changed"
