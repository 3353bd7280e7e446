"""Lists sixty days of a small shop: which files arrive, what breaks, what is deployed, which alerts are correct.

How the schedule and the sensors respond is in sixty_days.py.
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from session_pipeline_tests.orchestration import SMALL

DAYS = 60
FIRST = date(2024, 3, 4)  # a Monday; daylight saving time begins on day 28
LAST = FIRST + timedelta(days=DAYS - 1)
HOME = ZoneInfo("Europe/Berlin")
VISITORS = 4

GOOD: dict[str, Any] = {
    **SMALL,
    "timezone": HOME.key,
    "start_date": FIRST,
    "resources": {"threads": 1},
    "sources": {"web": {"expected_by": "06:00"}},
}
WRONG: dict[str, Any] = {
    **GOOD,
    "timezone": "America/New_York",
    "sessions": {"inactivity_minutes": 5},
    "outcomes": [{"name": "purchase", "where": "event_name = 'add_to_cart'", "is_conversion": True}],
}
UNUSABLE: dict[str, Any] = {**GOOD, "sessions": {"inactivity_minuets": 30}}
SETTINGS = {"good": GOOD, "wrong": WRONG, "unusable": UNUSABLE}


@dataclass(frozen=True)
class Arrives:
    """A file with the events of some visitors on one day.

    Attributes:
        of: The day, from 1.
        visitors: The visitors in the file; the others arrive in another file, or not at all.
        name: The file name, if it is not the usual one; it may replace an existing file.
        bad_lines: Number of unreadable lines.
        form: plain, gz, or cut: a gz file without its second half.
    """

    of: int
    visitors: Sequence[int] = range(VISITORS)
    name: str = ""
    bad_lines: int = 0
    form: str = "plain"

    @property
    def path(self) -> str:
        return f"web/{self.name or day(self.of)}.jsonl{'' if self.form == 'plain' else '.gz'}"

    @property
    def data(self) -> bytes:
        lines = [json.dumps(line) for visitor in self.visitors for line in events(self.of, visitor)]
        text = "".join(f"{line}\n" for line in [*lines, *(f"not JSON {number}" for number in range(self.bad_lines))])
        if self.form == "plain":
            return text.encode()
        packed = gzip.compress(text.encode(), mtime=0)
        return packed if self.form == "gz" else packed[: len(packed) // 2]

    def __str__(self) -> str:
        bad = f", {self.bad_lines} bad lines" if self.bad_lines else ""
        return (
            f"{self.path} ({len(self.visitors)} visitors of day {self.of}{bad}{', cut short' * (self.form == 'cut')})"
        )


@dataclass(frozen=True)
class Deploys:
    """settings.toml is replaced and the code location is restarted."""

    settings: str

    def __str__(self) -> str:
        return f"{self.settings} settings"


@dataclass(frozen=True)
class Breaks:
    """Something breaks, or works again.

    Attributes:
        what: daemon: there are no ticks; disk: the disk is full; run: the next build is killed half way.
    """

    what: str
    is_over: bool = False

    def __str__(self) -> str:
        said = {"daemon": "the daemon stops", "disk": "the disk is full", "run": "the next build will be killed"}
        return f"{self.what} back" if self.is_over else said[self.what]


Happening = Arrives | Deploys | Breaks

# The usual file of a day arrives in the following night, at one of these hours in turn.
USUAL_HOURS = ("01:20", "02:50", "00:10", "05:40", "02:15", "01:05", "00:45")
EMPTY_DAY = 35
# Days whose events arrive differently, as listed below, or not at all.
UNUSUAL_DAYS = {3, 6, 9, 18, 20, EMPTY_DAY, 42}

STORY: Sequence[tuple[int, str, Happening]] = (
    # In two parts, the first before the day is over.
    (3, "23:15", Arrives(3, visitors=(0, 1, 2), name="day 3 part 1")),
    (4, "04:20", Arrives(3, visitors=(3,), name="day 3 part 2")),
    # Twice: the second time under another name and compressed.
    (6, "12:00", Arrives(5, name="day 5 again", form="gz")),
    # Half of the file, then the whole file under the same name.
    (7, "01:10", Arrives(6, visitors=(0, 1))),
    (7, "02:40", Arrives(6)),
    # One day late.
    (8, "14:20", Arrives(7, visitors=(101,), name="late by 1 day")),
    # More than a fifth of the lines are unreadable.
    (10, "01:45", Arrives(9, bad_lines=9)),
    # Unusable settings are deployed, and reverted the next day.
    (12, "16:00", Deploys("unusable")),
    (13, "11:00", Deploys("good")),
    # Usable but wrong settings are deployed, and reverted the next day.
    (15, "12:00", Deploys("wrong")),
    (16, "12:30", Deploys("good")),
    # Nothing arrived by six; the file arrives at eleven.
    (19, "11:05", Arrives(18)),
    # Damaged in transfer, and delivered again under the same name.
    (21, "04:10", Arrives(20, form="cut")),
    (21, "05:15", Arrives(20, form="gz")),
    # First outage: no ticks for three days.
    (22, "12:00", Breaks("daemon")),
    (25, "12:00", Breaks("daemon", is_over=True)),
    # Five days late.
    (26, "17:05", Arrives(21, visitors=(105,), name="late by 5 days")),
    # Second outage, a short one: the process is killed while it builds.
    (32, "00:05", Breaks("run")),
    # Third outage: the disk is full for most of a day.
    (38, "20:00", Breaks("disk")),
    (39, "16:00", Breaks("disk", is_over=True)),
    # A day with unusually many visitors.
    (43, "03:30", Arrives(42, visitors=range(12))),
    # Forty days late.
    (45, "22:10", Arrives(5, visitors=(140,), name="late by 40 days")),
)

# Every alert that is correct: the day of the alert, its kind, and its subject.
EXPECTED: Sequence[tuple[int, str, str]] = (
    (10, "check_warned", "check set_aside_rate"),  # bad lines
    (13, "run_failed", "job ingest"),  # unusable settings
    (19, "check_warned", "check source_arrived"),  # nothing by six
    (21, "check_warned", "check set_aside_rate"),  # the damaged file
    (32, "run_failed", "job build"),  # killed
    (36, "check_warned", "check source_arrived"),  # the day without events
    (39, "run_failed", "job build"),  # the disk is full
    (39, "run_failed", "job ingest"),  # still full at the next file
    (43, "check_warned", "check outcome_alerts"),  # unusually many visitors, most of whom see one page
    (43, "check_warned", "check volume_unusual"),
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def moment(number: int, hour: str) -> datetime:
    return datetime.combine(day(number), time.fromisoformat(hour), HOME)


def agenda() -> list[tuple[datetime, Happening]]:
    """Return all happenings in order of time."""
    usual = [
        (moment(number + 1, USUAL_HOURS[number % len(USUAL_HOURS)]), Arrives(number))
        for number in range(1, DAYS + 1)
        if number not in UNUSUAL_DAYS
    ]
    of_the_story = [(moment(number, hour), happening) for number, hour, happening in STORY]
    return sorted([*usual, *of_the_story], key=lambda happens: happens[0].astimezone(UTC))


def events(number: int, visitor: int) -> list[dict[str, Any]]:
    """Return a visitor's events on a day, including the end of a session that began the day before."""
    visits = [*(visit(number - 1, visitor) if number - 1 not in (0, EMPTY_DAY) else []), *visit(number, visitor)]
    return [
        event for event in visits if datetime.fromisoformat(event["event_time"]).astimezone(HOME).date() == day(number)
    ]


def visit(number: int, visitor: int) -> list[dict[str, Any]]:
    """Return the events of a session by its first day.

    Visitor 0 buys, visitor 2 pauses, visitor 3 stays past midnight.
    """
    walks: dict[int, tuple[str, Sequence[tuple[int, str]]]] = {
        0: ("10:00", ((0, "page_view"), (1, "page_view"), (2, "add_to_cart"), (3, "begin_checkout"), (4, "purchase"))),
        1: ("14:00", ((0, "page_view"), (1, "page_view"))),
        2: ("18:00", ((0, "page_view"), (10, "page_view"), (11, "add_to_cart"))),
        3: ("23:50", ((0, "page_view"), (15, "page_view"))),
    }
    hour, steps = walks.get(visitor, ("12:00", ((0, "page_view"),)))
    start = moment(number, hour).astimezone(UTC)
    return [
        {
            "event_id": f"{number}-{visitor}-{minute}",
            "visitor_id": f"visitor {visitor}",
            "event_time": (start + timedelta(minutes=minute)).isoformat(),
            "event_name": name,
            "page_url": f"https://shop.example/{minute}",
            "value": 20 if name == "purchase" else None,
        }
        for minute, name in steps
    ]
