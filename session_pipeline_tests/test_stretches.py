"""Tests that days built together have the same bytes as days built alone, however the days are cut into stretches."""

import os
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from session_pipeline.build import builder
from session_pipeline.build.stretches import BIG_DAY_EVENTS, MOST_DAYS, MOST_EVENTS, first_stretch
from session_pipeline.engines import duckdb as engine
from session_pipeline.reference.days import Calendar
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment

FIRST = date(2026, 10, 5)
DAYS = [FIRST + timedelta(days=offset) for offset in range(3000)]


def counts(*events: int) -> Callable[[date], int]:
    return dict(zip(DAYS, events, strict=False)).__getitem__


# How days are cut


def test_small_neighbours_are_built_together() -> None:
    assert first_stretch(DAYS[:3], counts(10, 0, 20)) == tuple(DAYS[:3])


def test_big_day_is_a_stretch_of_its_own() -> None:
    events = counts(10, BIG_DAY_EVENTS + 1, 10)
    assert first_stretch(DAYS[:3], events) == (DAYS[0],)
    assert first_stretch(DAYS[1:3], events) == (DAYS[1],)


def test_stretch_is_limited_to_a_number_of_events() -> None:
    days = MOST_EVENTS // BIG_DAY_EVENTS
    assert len(first_stretch(DAYS[: days + 5], lambda day: BIG_DAY_EVENTS)) == days


def test_stretch_is_limited_to_a_number_of_days() -> None:
    assert len(first_stretch(DAYS, lambda day: 1)) == MOST_DAYS


def test_five_years_of_few_events_are_one_stretch() -> None:
    days = DAYS[: 5 * 366]
    assert first_stretch(days, lambda day: 100) == tuple(days)


# Hostile events: copies that repeat over midnight, endless visitors, days of 23 and 25 hours, days without events

PLACES = (
    ("Europe/Berlin", date(2024, 3, 22)),
    ("America/St_Johns", date(2024, 10, 26)),
    ("UTC", date(2024, 2, 20)),
    ("Asia/Kolkata", date(2023, 12, 20)),
    ("America/New_York", date(2024, 3, 2)),
)
TIMINGS = ((30, 24), (720, 12), (5, 1), (240, 5), (60, 2))
DAY_COUNT = 16
FEW_DAYS = 7
SEED_COUNT = int(os.environ.get("SESSION_PIPELINE_STRETCH_SEEDS", "0"))  # with many days, which take minutes
AGENTS = (None, "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0", "Googlebot/2.1 (+http://www.google.com/bot.html)")


def settings_of(random: Random, timezone: str, first: date, timing: tuple[int, int]) -> dict[str, Any]:
    steps = [
        {"name": name, "where": f"event_name in ({names})"}
        for name, names in (("view", "'page_view'"), ("add", "'add'"), ("buy", "'purchase', 'add'"))
    ]
    exclusions = [{"where": "event_name = 'leave'", "after_step": 1, "before_step": 3}]
    return {
        "timezone": timezone,
        "start_date": first - timedelta(days=2),
        "sessions": {
            "inactivity_minutes": timing[0],
            "max_hours": timing[1],
            "separator": "leave",
            **{f"split_{kind}": random.random() < 0.5 for kind in ("at_midnight", "on_user", "on_campaign")},
            "split_on_client_session": random.random() < 0.5,
            "client_sessions": random.choice(("ignore", "ignore", "key", "key_without_timeout")),
        },
        "outcomes": [{"name": "buy", "where": "event_name = 'purchase'", "is_conversion": True, "value": "value"}],
        "goals": [{"name": "added", "where": "event_name = 'add'"}],
        "dimensions": {"plan": "user_id"},
        "funnels": [
            {
                "name": "visitor",
                "grain": "visitor",
                "window_seconds": random.choice((3600, 3 * 86_400, 30 * 86_400)),
                "steps": steps,
                "exclusions": exclusions,
            },
            {"name": "session", "steps": steps, "exclusions": exclusions, "breakdown": "device"},
            {
                "name": "attempt",
                "grain": "attempt",
                "repeats": "restart",
                "steps": steps,
                "breakdown": ["device", "landing_page"],
                "breakdown_at": "last",
            },
            {"name": "unordered", "grain": "visitor", "mode": "unordered", "steps": steps},
            {"name": "strict", "mode": "strict", "stop_ends": "all", "steps": steps},
        ],
        "paths": {"max_steps": 3, "max_path_actions": 4, "max_paths": 3, "min_session_count": 2},
        "patterns": [{"name": "added", "pattern": "[^add]* -> add -> .* -> purchase", "within_seconds": 3600}],
        "friction": {
            "click": "event_name = 'add'",
            "error": "event_name = 'leave'",
            "submit": "event_name = 'purchase'",
            "forms": [{"start": "event_name = 'add'", "submit": "event_name = 'purchase'"}],
            "dead_end_sessions": 3,
            "dead_end_exit_percent": 60,
        },
        "breakdowns": {"dimensions": ["channel", "device", "landing_page", "lifecycle"]},
    }


def events_of(random: Random, calendar: Calendar, days: list[date], inactivity_minutes: int) -> list[dict[str, Any]]:
    gap = inactivity_minutes * 60
    lines: list[dict[str, Any]] = []

    def happen(visitor: str, at: datetime, event_id: str | None = None) -> None:
        lines.append(
            {
                "event_id": event_id or f"e{len(lines)}",
                "visitor_id": visitor,
                "event_time": at.isoformat() + "Z",
                "received_at": (at + timedelta(hours=random.choice((0, 1, 30)))).isoformat() + "Z",
                "event_name": random.choice(["page_view"] * 5 + ["add", "purchase", "leave"]),
                "page_url": random.choice(("https://x.example/", "https://x.example/a?utm_campaign=k1")),
                "user_id": random.choice((None, None, "u1", "u2")),
                "client_session_id": random.choice((None, None, None, "c1", "c2")),
                "user_agent": random.choice(AGENTS),
                "value": random.choice((None, 1, 2.5)),
                "currency": random.choice(("EUR", "USD")),
            }
        )

    empty = set(random.sample(days[2:], 3))
    used = [day for day in days if day not in empty]
    for visitor in range(10):
        for day in used:
            start, end = calendar.start(day), calendar.end(day)
            at = start + timedelta(seconds=random.randrange(int((end - start).total_seconds())))
            for _ in range(random.randrange(6)):
                happen(f"v{visitor}", at)
                at += timedelta(seconds=random.choice((0, 1, 60, gap - 1, gap, gap + 1)))
            if random.random() < 0.4:
                at = end - timedelta(seconds=random.choice((1, 60, gap - 1, gap)))
                for _ in range(3):
                    happen(f"v{visitor}", at)
                    at += timedelta(seconds=random.choice((1, gap - 1, gap)))
    for visitor in range(2):  # sessions of max_hours, one after the other
        at = calendar.start(days[1])
        while at < calendar.start(days[4]):
            happen(f"endless{visitor}", at)
            at += timedelta(minutes=min(inactivity_minutes, 50))
    for visitor in range(6):  # an id that comes back on adjacent days, mostly in the last hour
        for day in used:
            for _ in range(random.choice((0, 1, 1, 2))):
                before_end = timedelta(seconds=random.choice((1, 1800, 3599, 3600, 3601, 7200)))
                happen(f"v{visitor}", calendar.end(day) - before_end, event_id=f"again{visitor}")
    return lines


def build(
    folder: Path, settings: dict[str, Any], files: list[list[dict[str, Any]]], until: date
) -> tuple[Deployment, list[int]]:
    """Build everything; returns the deployment and the number of days of each stretch of sessionize."""
    deployment = Deployment(folder, settings)
    for number, lines in enumerate(files):
        deployment.deliver(f"web/{number}.jsonl", lines)
    lengths = []
    original = builder.Builder._build

    def recorded(self: builder.Builder, step: Any, stretch: Any) -> Any:
        if step.name == "sessionize":
            lengths.append(len(stretch))
        return original(self, step, stretch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder.Builder, "_build", recorded)
        deployment.run(until, publishes=False)
    return deployment, lengths


def cut_after(lengths: Iterable[int]) -> Callable[..., tuple[date, ...]]:
    """Return a replacement of first_stretch that returns stretches of these lengths, again and again."""
    wanted = list(lengths)

    def cut(days: Iterable[date], events_of: Any, scale: int) -> tuple[date, ...]:
        length = wanted[0]
        wanted.append(wanted.pop(0))
        return tuple(day for _, day in zip(range(length), days, strict=False))

    return cut


@pytest.mark.long
@pytest.mark.parametrize(
    ("seed", "day_count"), [(0, FEW_DAYS), (1, FEW_DAYS), *((seed, DAY_COUNT) for seed in range(SEED_COUNT))]
)
def test_any_cut_into_stretches_gives_the_same_bytes(
    seed: int, day_count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    timezone, first = PLACES[seed % len(PLACES)]
    timing = TIMINGS[(seed + seed // len(PLACES)) % len(TIMINGS)]
    days = [first + timedelta(days=offset) for offset in range(day_count)]
    settings = settings_of(random, timezone, first, timing)
    lines = events_of(random, Calendar(timezone), days, timing[0])
    random.shuffle(lines)
    files = [lines[0::3], lines[1::3], lines[2::3]]
    until = days[-1] + timedelta(days=random.choice((0, 1, 3)))

    together, lengths = build(tmp_path / "together", settings, files, until)
    assert lengths[0] > day_count // 2, "many days are built together"
    monkeypatch.setattr(builder, "first_stretch", cut_after([1]))
    alone, lengths = build(tmp_path / "alone", settings, files, until)
    assert set(lengths) == {1}
    assert together.hashes() == alone.hashes()
    for threads in (1, 3) if day_count == DAY_COUNT else (3,):
        monkeypatch.setattr(builder, "first_stretch", cut_after(random.choices(range(1, 7), k=5)))
        cut, lengths = build(tmp_path / f"cut{threads}", {**settings, "resources": {"threads": threads}}, files, until)
        assert len(set(lengths)) > 1
        assert cut.hashes() == alone.hashes()
    figures = {name: len(alone.table(name)) for name in ("duplicate_events", "open_sessions", "funnel_entries")}
    assert all(figures.values()), figures


@pytest.mark.long
def test_late_file_builds_only_its_days_and_where_the_carry_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = DAYS[:12]
    lines = [
        {
            "event_id": f"{day}{hour}",
            "event_name": "page_view",
            "visitor_id": "v",
            "event_time": f"{day}T{hour:02}:00:00Z",
        }
        for day in days
        for hour in (9, 12)
    ]
    deployment = Deployment(tmp_path / "data", {"start_date": days[0]})
    deployment.deliver("web/all.jsonl", lines)
    deployment.run(days[-1])
    noon = {"event_id": "noon", "event_name": "page_view", "visitor_id": "v", "event_time": f"{days[2]}T12:01:00Z"}
    midnight = {
        "event_id": "midnight",
        "event_name": "page_view",
        "visitor_id": "w",
        "event_time": f"{days[8]}T23:50:00Z",
    }
    deployment.deliver("web/late.jsonl", [noon, midnight])
    built = deployment.run(days[-1])
    assert [day for step, day in built if step == "sessionize"] == [days[2], days[8], days[9]]
    deployment_of_once = Deployment(tmp_path / "once", {"start_date": days[0]})
    deployment_of_once.deliver("web/all.jsonl", lines)
    deployment_of_once.deliver("web/late.jsonl", [noon, midnight])
    deployment_of_once.run(days[-1], publishes=False)
    assert deployment.hashes() == deployment_of_once.hashes()


def test_splitting_days_restores_the_settings_of_the_engine(tmp_path: Path) -> None:
    made = engine.DuckDBEngine(engine.Limits(threads=3), tmp_path)
    with made.job() as job:
        contract = TABLES["recent_event_ids"]
        days = {day: tmp_path / f"{day}.parquet" for day in DAYS[:5]}
        columns = ", ".join(f"cast(null as {column.type}) as {column.name}" for column in contract.columns)
        job._write_days(contract, f"select {columns}, date '{DAYS[0]}' as event_date", days)
    assert made.connection.execute("select current_setting('threads')").fetchone() == (3,)
    assert made.connection.execute("select current_setting('disabled_optimizers')").fetchone() == ("",)
    assert len({path.read_bytes() for path in days.values()}) == 2
    made.close()
