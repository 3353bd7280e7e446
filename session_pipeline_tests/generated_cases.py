"""Random cases that aim at the borders: of gaps, midnight, max_hours, breaks, copies and order.

Many cases share one group, that is one data folder with one settings file: each has visitors of
its own, so it is as good as alone, and thousands take minutes. SESSION_PIPELINE_CASES sets how many
there are. Knows what a source may deliver. Does not know what should come of it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from session_pipeline_tests.deliveries import Delivery, delivery, settings
from session_pipeline_tests.funnel_oracle import Exclusion, Funnel
from session_pipeline_tests.oracle import CHANGES, MICROSECOND, ONE_DAY, Rules, day_start

CASE_COUNT = int(os.environ.get("SESSION_PIPELINE_CASES", "2000"))
CASES_IN_A_GROUP = 200
SEEDS = range(-(-CASE_COUNT // CASES_IN_A_GROUP))

# Five days from each of these: plain ones, and some with a day of 23, 24.5 or 25 hours, or of none.
PLACES = (
    ("UTC", date(2024, 1, 1)),
    ("America/New_York", date(2024, 3, 8)),
    ("Pacific/Apia", date(2011, 12, 27)),
    ("America/New_York", date(2024, 11, 1)),
    ("Asia/Kathmandu", date(2024, 1, 1)),
    ("America/Sao_Paulo", date(2018, 11, 2)),
    ("Australia/Lord_Howe", date(2024, 4, 5)),
    ("America/St_Johns", date(2010, 11, 5)),
    ("Pacific/Kiritimati", date(2024, 2, 27)),
    ("America/Sao_Paulo", date(2018, 2, 15)),
)
DAY_COUNT = 5

# inactivity_minutes and max_hours. Their number and that of PLACES share no factor, so that seeds
# meet all pairs.
TIMINGS = ((720, 24), (30, 24), (30, 1), (1, 1), (720, 12), (600, 24), (30, 3))

SEPARATOR = "login"
EVENT_NAMES = ("page_view", "page_view", "page_view", "cart", "purchase", "logout")
SITES = {"second": "second"}

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

Record = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Cases that share settings, days and files. Events after the day `until` wait."""

    seed: int
    rules: Rules
    first_day: date
    until: date
    funnels: dict[str, Funnel]
    deliveries: tuple[Delivery, ...]

    @property
    def settings(self) -> dict[str, Any]:
        return settings(self.rules, self.first_day - ONE_DAY, self.funnels, SITES)

    @cached_property
    def days(self) -> list[date]:
        """The days of the cases, and two more on which open sessions close."""
        return [self.first_day + offset * ONE_DAY for offset in range(DAY_COUNT + 2)]

    def __str__(self) -> str:
        return f"group({self.seed}): {self.rules}, until {self.until}"


def case_of(visitor_id: str) -> str:
    """The number of the case that a visitor belongs to."""
    return visitor_id.split("-")[0]


def group(seed: int) -> Group:
    """Make the cases of a seed; the same again each time."""
    random = Random(seed)
    timezone, first_day = PLACES[seed % len(PLACES)]
    rules = _rules(random, timezone, TIMINGS[seed % len(TIMINGS)], splits_at_midnight=seed % 3 == 1)
    aim = Aim(random, rules, first_day)
    records = [record for case in range(CASES_IN_A_GROUP) for record in aim.case(f"{case:04d}")]
    last_day = first_day + (DAY_COUNT - 1) * ONE_DAY
    return Group(
        seed=seed,
        rules=rules,
        first_day=first_day,
        until=last_day + random.choice([1, 1, 0, -2]) * ONE_DAY,
        funnels=_funnels(random),
        deliveries=tuple(_deliveries(random, records)),
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
    after = random.choice([1, 2])
    exclusion = Exclusion(frozenset({"logout"}), after, random.choice(range(after + 1, 4)))
    return {
        "in the session": Funnel(steps, "session", random.choice(windows)),
        "in the session, excluding": Funnel(steps, "session", random.choice(windows), (exclusion,)),
        "by the visitor": Funnel(steps[1:], "visitor", random.choice(windows)),
        "by the visitor, excluding": Funnel(steps, "visitor", random.choice(windows), (exclusion,)),
    }


class Aim:
    """Makes the records of cases: when events happen, what they say, which lines repeat them."""

    def __init__(self, random: Random, rules: Rules, first_day: date) -> None:
        self.random = random
        self.rules = rules
        self.midnights = [day_start(first_day + offset * ONE_DAY, rules.timezone) for offset in range(DAY_COUNT + 1)]

    def case(self, number: str) -> list[Record]:
        """The records of one case, of one or two visitors."""
        records = []
        for visitor in ("a", "b")[: self.random.choice([1, 1, 2])]:
            walks = [self.gaps, self.around_midnight, self.long_sessions, self.anytime]
            times = self.random.choice(walks)()
            says = self.random.choice([0, 0, 0.1, 0.5])
            sites = self.random.choice([["main"], ["main"], ["second"], ["main", "second"]])
            records += [
                self.record(f"{number}-{visitor}", at, says) | {"site": self.random.choice(sites)}
                for at in times
                if self.is_within(at)
            ]
        for place, record in enumerate(records):
            record["event_id"] = f"{place:02d}"
        copied = self.random.sample(records, min(len(records), self.random.randint(0, 4)))
        records += [self.copy(record) for record in copied]
        if self.random.random() < 0.3:
            records += self.copies_over_midnight(number)
        return records

    def is_within(self, at: datetime) -> bool:
        return self.midnights[0] <= at < self.midnights[-1]

    def moment(self) -> datetime:
        seconds = (self.midnights[-1] - self.midnights[0]) // SECOND
        return self.midnights[0] + self.random.randrange(seconds) * SECOND

    # When events happen

    def gaps(self) -> list[datetime]:
        """Gaps around the timeout, ties among them, often over midnight."""
        timeout = self.rules.inactivity
        steps = (
            0 * SECOND,
            0 * SECOND,
            MICROSECOND,
            timeout // 2,
            timeout - SECOND,
            timeout - MICROSECOND,
            timeout,
            timeout + MICROSECOND,
            timeout + SECOND,
        )
        at = self.random.choice([self.moment(), self.random.choice(self.midnights) - 2 * timeout])
        times = [at]
        for _ in range(self.random.randint(1, 12)):
            at += self.random.choice(steps)
            times.append(at)
        return times

    def around_midnight(self) -> list[datetime]:
        """On both sides of a midnight: at it, by the timeout, by the hour that carries ids."""
        midnight = self.random.choice(self.midnights)
        timeout = self.rules.inactivity
        times = []
        for _ in range(self.random.randint(2, 10)):
            distance = self.random.choice([0 * SECOND, SECOND, timeout // 2, timeout, HOUR])
            side = self.random.choice([-1, 1])
            times.append(midnight + side * distance + self.random.choice([-1, 0, 0, 1]) * MICROSECOND)
        return times

    def long_sessions(self) -> list[datetime]:
        """Unbroken up to one or two multiples of max_hours, hit or missed by a microsecond."""
        start = self.random.choice([self.moment(), self.random.choice(self.midnights) - MICROSECOND])
        longest, timeout = self.rules.longest, self.rules.inactivity
        multiples = 1 if longest > 10 * timeout else self.random.choice([1, 2, 3])
        times = [start + place * timeout for place in range(multiples * (longest // timeout) + 1)]
        for multiple in range(1, multiples + 1):
            border = start + multiple * longest
            nearby = [-HOUR // 2, -MICROSECOND, 0 * SECOND, 0 * SECOND, MICROSECOND]
            times += [border + self.random.choice(nearby) for _ in range(2)]
        return self.random.sample(times, len(times) - self.random.choice([0, 0, 0, 0, 1]))

    def anytime(self) -> list[datetime]:
        """Far apart and near, without a plan."""
        times = []
        for _ in range(self.random.randint(1, 5)):
            start = self.moment()
            times += [start + self.random.choice([0, 10, 100, 1000]) * SECOND for _ in range(3)]
        return times

    # What they say

    def record(self, visitor_id: str, at: datetime, says: float) -> Record:
        """An event that says each thing that could begin a session with probability `says`."""

        def said(*choices: Any) -> Any:
            return self.random.choice(choices) if self.random.random() < says else None

        page_url = f"https://shop.example/{self.random.choice('pqr')}"
        campaign = said("spring", "summer")
        in_url = campaign and self.random.random() < 0.3
        return {
            "site": "main",
            "visitor_id": visitor_id,
            "event_time": at,
            "event_name": said(SEPARATOR) or self.random.choice(EVENT_NAMES),
            "page_url": f"{page_url}?utm_campaign={campaign}" if in_url else page_url,
            "utm_campaign": None if in_url else campaign,
            "user_id": said("ann", "bob"),
            "client_session_id": said("first", "second"),
            "sequence": said(*range(6)),
        }

    # Which lines repeat them

    def copy(self, record: Record) -> Record:
        """The same event again: to the letter, with another payload, at another time or place."""
        at = record["event_time"] + self.random.choice([-1, 1]) * self.random.choice(
            [MICROSECOND, SECOND, HOUR, HOUR + SECOND, ONE_DAY]
        )
        changes: tuple[Record, ...] = (
            {},
            {"user_id": "cyd"},
            {"utm_campaign": "autumn"},
            {"event_name": SEPARATOR},
            {"event_time": at},
            {"event_time": at, "sequence": 3},
            {"site": "second"},
            {"visitor_id": f"{record['visitor_id'].split('-')[0]}-c"},
        )
        copy = record | self.random.choice(changes)
        return copy if self.is_within(copy["event_time"]) else dict(record)

    def copies_over_midnight(self, number: str) -> list[Record]:
        """An event around the start of a day's last hour, and lines of the same id on the next day.

        Some of them are another visitor's or another site's, so they are no copies.
        """
        midnight = self.random.choice(self.midnights[1:-1])
        before = self.random.choice([MICROSECOND, HOUR - SECOND, HOUR, HOUR, HOUR + MICROSECOND, 2 * HOUR])
        first = self.record(f"{number}-d", midnight - before, 0.5) | {"event_id": "over midnight"}
        copies = []
        for _ in range(2):
            after = self.random.choice([0 * SECOND, MICROSECOND, HOUR, 20 * HOUR])
            change = self.random.choice([{}, {"user_id": "cyd"}, {"site": "second"}, {"visitor_id": f"{number}-e"}])
            copies.append(first | {"event_time": midnight + after} | change)
        return [first, *copies]


def _deliveries(random: Random, records: Sequence[Record]) -> list[Delivery]:
    """Files of each site, in order of time or in none; then lines and files delivered again."""
    deliveries = []
    for site, source, file_count in (("main", "test", 4), ("second", "second", 2)):
        files: list[list[Record]] = [[] for _ in range(file_count)]
        for record in records:
            if record["site"] == site:
                line = {name: said for name, said in record.items() if name != "site"}
                random.choice(files).append(line)
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
