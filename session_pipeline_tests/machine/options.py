"""The settings that the machine changes, also as rules for the oracles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from session_pipeline_tests.deliveries import settings
from session_pipeline_tests.oracles.funnels import Funnel
from session_pipeline_tests.oracles.sessions import Rules, day_start

FIRST = date(2024, 3, 9)  # on the next day, daylight saving time begins in New York
DAYS = tuple(FIRST + timedelta(days=offset) for offset in range(-1, 6))
SEPARATOR = "login"
HOUR = timedelta(hours=1)

FUNNELS = {
    "in the session": Funnel((frozenset({"page_view"}), frozenset({"purchase"})), "session"),
    "by the visitor": Funnel((frozenset({"page_view"}), frozenset({"cart", "purchase"})), "visitor", 30 * HOUR),
}
OUTCOMES = [
    {"name": "carted", "where": "event_name = 'cart'", "is_conversion": True},
    {"name": "bought", "where": "event_name = 'purchase'", "value": "value", "is_conversion": True},
]


@dataclass(frozen=True)
class Options:
    """The settings of a deployment that can change."""

    timezone: str = "UTC"
    start_date: date = FIRST - timedelta(days=1)
    inactivity_minutes: int = 30
    max_hours: int = 24
    split_at_midnight: bool = False
    has_separator: bool = False
    splits_on_user: bool = False
    has_funnels: bool = True
    has_own_outcomes: bool = False
    second_site: str = "second"
    takes_member_as_user: bool = False
    has_views: bool = False
    max_rebuild_days: int = 30

    @property
    def rules(self) -> Rules:
        return Rules(
            timezone=self.timezone,
            inactivity=timedelta(minutes=self.inactivity_minutes),
            longest=timedelta(hours=self.max_hours),
            split_at_midnight=self.split_at_midnight,
            separator=SEPARATOR if self.has_separator else None,
            breaks_at=frozenset({"user"} if self.splits_on_user else ()),
        )

    @property
    def funnels(self) -> Mapping[str, Funnel]:
        return FUNNELS if self.has_funnels else {}

    @property
    def sites(self) -> Mapping[str, str]:
        return {"second": self.second_site}

    @property
    def earliest(self) -> datetime:
        """The earliest event time that is accepted."""
        return day_start(self.start_date, self.timezone)

    @property
    def reading(self) -> tuple[Any, ...]:
        """The options that the rows of a delivered file depend on."""
        return self.earliest, self.second_site, self.takes_member_as_user

    @property
    def settings(self) -> dict[str, Any]:
        """The options as the content of settings.toml."""
        said = settings(self.rules, self.start_date, self.funnels, self.sites)
        users = {"columns": {"user_id": "member"}} if self.takes_member_as_user else {}
        said["sources"] = {"test": users, "second": {"site": self.second_site, **users}}
        if self.has_own_outcomes:
            said["outcomes"] = OUTCOMES
        if self.has_views:
            said["publish"] = {"native_limit_gb": 0}
        said["max_rebuild_days"] = self.max_rebuild_days
        return said


# All possible changes, each as option and value.
CHANGES: tuple[tuple[str, Any], ...] = (
    ("timezone", "America/New_York"),
    ("timezone", "Asia/Kolkata"),
    ("timezone", "UTC"),
    ("start_date", FIRST + timedelta(days=1)),
    ("start_date", FIRST - timedelta(days=1)),
    ("inactivity_minutes", 10),
    ("inactivity_minutes", 60),
    ("max_hours", 1),
    ("split_at_midnight", True),
    ("has_separator", True),
    ("splits_on_user", True),
    ("has_funnels", False),
    ("has_own_outcomes", True),
    ("second_site", "main"),
    ("takes_member_as_user", True),
    ("has_views", True),
)
