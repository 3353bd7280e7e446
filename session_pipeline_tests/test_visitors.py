"""Tests the tables of visitors: against an oracle on random histories with late files, and on published cases."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.build import builder
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import visitors as oracle
from session_pipeline_tests.oracles.visitors import Visit
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


def settings_of_sites() -> dict[str, Any]:
    return {**SETTINGS, "sources": {site: {"site": site} for site in "ab"}}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 30))])
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
    deployment = Deployment(tmp_path / "late", settings_of_sites())
    for number, (first, end) in enumerate(pairwise(cuts)):
        deliver(deployment, f"f{number}", visits[first:end])
        deployment.run(until)
        check(deployment, visits[:end], until)
    monkeypatch.setattr(builder, "first_stretch", cut_after(random.choices(range(4, 40), k=5)))
    once = Deployment(tmp_path / "once", settings_of_sites())
    for number, (first, end) in enumerate(pairwise(cuts)):
        deliver(once, f"f{number}", visits[first:end])
    once.run(until)
    assert once.hashes() == deployment.hashes()
