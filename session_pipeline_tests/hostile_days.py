"""Makes hostile events: copies that repeat over midnight, endless visitors, days of 23 and 25 hours, empty days.

The settings beside them use every kind of session, funnel, pattern and signal.
"""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from session_pipeline.reference.days import Calendar

PLACES = (
    ("Europe/Berlin", date(2024, 3, 22)),
    ("America/St_Johns", date(2024, 10, 26)),
    ("UTC", date(2024, 2, 20)),
    ("Asia/Kolkata", date(2023, 12, 20)),
    ("America/New_York", date(2024, 3, 2)),
)
TIMINGS = ((30, 24), (720, 12), (5, 1), (240, 5), (60, 2))
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
