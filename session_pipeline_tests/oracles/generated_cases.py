"""Groups generated cases. Many cases share one data folder, so that thousands of cases take minutes.

Each case has its own visitors, so cases do not affect each other. PIPELINE_TESTS_CASES sets their number.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from random import Random
from typing import Any

from session_pipeline_tests.deliveries import Delivery, delivery, settings
from session_pipeline_tests.oracles.border_cases import (
    HOUR,
    SECOND,
    SEPARATOR,
    BorderCases,
    Record,
)
from session_pipeline_tests.oracles.funnels import Exclusion, Funnel
from session_pipeline_tests.oracles.sessions import CHANGES, ONE_DAY, Rules

CASE_COUNT = int(os.environ.get("PIPELINE_TESTS_CASES", "2000"))
CASES_IN_A_GROUP = 200
SEEDS = range(-(-CASE_COUNT // CASES_IN_A_GROUP))

# Four days from each of these: ordinary days, and some with a day of 23, 24.5 or 25 hours, or without any time.
PLACES = (
    ("UTC", date(2024, 1, 1)),
    ("America/New_York", date(2024, 3, 8)),
    ("Pacific/Apia", date(2011, 12, 28)),
    ("America/New_York", date(2024, 11, 1)),
    ("Africa/Abidjan", date(2024, 2, 26)),
    ("America/Sao_Paulo", date(2018, 11, 2)),
    ("Australia/Lord_Howe", date(2024, 4, 5)),
    ("America/St_Johns", date(2010, 11, 5)),
    ("Pacific/Kiritimati", date(2024, 2, 27)),
    ("America/Sao_Paulo", date(2018, 2, 15)),
)
DAY_COUNT = 4

# inactivity_minutes and max_hours. Their number and that of PLACES have no common factor, so that the seeds cover all
# pairs.
TIMINGS = ((30, 24), (720, 24), (30, 1), (1, 1), (720, 12), (600, 24), (30, 3))

# Rules of other tools.
VARIANTS: tuple[dict[str, bool], ...] = (
    {},
    {"starts_at_border": True},
    {"breaks_at_first_campaign": True},
    {"split_at_utc_hour": True},
)

# In most groups, the sessions of sources are ignored.
CLIENT_SESSIONS = ("ignore", "ignore", "key", "ignore", "key_without_timeout")

SITES = {"second": "second"}
SOURCE_OF_SITE = {"main": "test", "second": "second"}


@dataclass(frozen=True)
class Group:
    """Cases that share settings, days and files. Events after the day `until` stay pending.

    The files of `late` have few events, so that they change little: in one place only the recent ids, in another only
    the open sessions.
    """

    seed: int
    rules: Rules
    first_day: date
    until: date
    funnels: dict[str, Funnel]
    early: tuple[Delivery, ...]
    late: tuple[Delivery, ...]

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        return self.early + self.late

    @property
    def settings(self) -> dict[str, Any]:
        return settings(self.rules, self.first_day - ONE_DAY, self.funnels, SITES)

    @cached_property
    def days(self) -> list[date]:
        """The days of the cases, one more day on which open sessions close, and one day without events."""
        return [self.first_day + offset * ONE_DAY for offset in range(DAY_COUNT + 2)]

    def __str__(self) -> str:
        return f"group({self.seed}): {self.rules}, until {self.until}"


def group(seed: int) -> Group:
    """Make the cases of a seed. The result is always the same."""
    random = Random(seed)
    timezone, first_day = PLACES[seed % len(PLACES)]
    rules = _rules(random, timezone, TIMINGS[seed % len(TIMINGS)], splits_at_midnight=seed % 4 == 3)
    rules = replace(rules, **VARIANTS[(seed + seed // 4) % len(VARIANTS)])
    rules = replace(rules, client_sessions=CLIENT_SESSIONS[seed % len(CLIENT_SESSIONS)])
    cases = BorderCases(random, rules, first_day, DAY_COUNT)
    records = [record for case in range(CASES_IN_A_GROUP) for record in cases.case(f"{case:04d}")]
    last_hour = [cases.comes_late("late", HOUR), cases.comes_late("later", HOUR - SECOND)]
    before_it = [cases.comes_late("latest", 5 * HOUR)]
    last_day = first_day + (DAY_COUNT - 1) * ONE_DAY
    return Group(
        seed=seed,
        rules=rules,
        first_day=first_day,
        until=last_day + (2, 1, 0, -1)[seed // 2 % 4] * ONE_DAY,
        funnels=_funnels(random),
        early=tuple(_deliveries(random, records + [copy for _, copy in last_hour + before_it])),
        late=(
            delivery("in-the-last-hour", [_line(first) for first, _ in last_hour]),
            delivery("before-the-last-hour", [_line(first) for first, _ in before_it]),
        ),
    )


def _rules(random: Random, timezone: str, timing: tuple[int, int], splits_at_midnight: bool) -> Rules:
    inactivity_minutes, max_hours = timing
    return Rules(
        timezone=timezone,
        inactivity=timedelta(minutes=inactivity_minutes),
        longest=timedelta(hours=max_hours),
        split_at_midnight=splits_at_midnight,
        separator=SEPARATOR if random.random() < 0.5 else None,
        breaks_at=frozenset(change for change in CHANGES if random.random() < 0.6),
    )


def _funnels(random: Random) -> dict[str, Funnel]:
    steps = (frozenset({"page_view"}), frozenset({"page_view", "cart"}), frozenset({"purchase"}))
    windows = (None, 30 * SECOND, HOUR, 30 * HOUR)
    a_day_and_more = random.choice([25 * HOUR, 30 * HOUR, 47 * HOUR])
    after = random.choice([1, 2])
    exclusion = Exclusion(frozenset({"logout"}), after, random.choice(range(after + 1, 4)))
    return {
        "in the session": Funnel(steps, "session", random.choice(windows)),
        "in the session, excluding": Funnel(steps, "session", random.choice(windows), (exclusion,)),
        "by the visitor": Funnel(steps[1:], "visitor", a_day_and_more),
        "by the visitor, excluding": Funnel(steps, "visitor", random.choice(windows), (exclusion,)),
    }


def _deliveries(random: Random, records: Sequence[Record]) -> list[Delivery]:
    """Return the files of each site, sorted by time or shuffled, then redelivered lines and files."""
    deliveries = []
    for site, file_count in (("main", 4), ("second", 2)):
        source = SOURCE_OF_SITE[site]
        files: list[list[Record]] = [[] for _ in range(file_count)]
        for record in records:
            if record["site"] == site:
                random.choice(files).append(_line(record))
        for place, lines in enumerate(files):
            random.shuffle(lines)
            if place % 2:
                lines.sort(key=lambda line: line["event_time"])
            deliveries.append(delivery(f"{source}-{place}", lines, source))

    first, second, *_ = deliveries
    again = random.sample(second.lines, len(second.lines) // 10)
    return [
        *deliveries,
        Delivery(f"{first.name}-again", first.lines, first.source),
        Delivery(f"{first.name}-grown", (*first.lines, *again), first.source),
        Delivery("some-again", tuple(again), second.source),
    ]


def _line(record: Record) -> Record:
    """Return the fields of a line in a file. The site is left out because the source sets it."""
    return {name: said for name, said in record.items() if name != "site"}
