"""Generates random cases at the limits of the session rules: gaps, midnight, max_hours, breaks, copies and order.

A case consists of the records of its own one or more visitors. Records are written to files in generated_cases.py. The
expected rows are computed in expected_tables.py.
"""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from session_pipeline_tests.oracles.sessions import (
    CLIENT_SESSION_TIMEOUT,
    MICROSECOND,
    ONE_DAY,
    Rules,
    day_start,
)

SEPARATOR = "login"
EVENT_NAMES = ("page_view", "page_view", "page_view", "cart", "purchase", "logout")
OVER_MIDNIGHT = "over midnight"

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

# The fields of an event, with the names of a raw line, and `site`, which is set by the source.
Record = dict[str, Any]


def case_of(visitor_id: str) -> str:
    """Return the number of the case that a visitor belongs to."""
    return visitor_id.split("-")[0]


class BorderCases:
    """Makes the records of cases: the times of events, their fields, and the lines that repeat them."""

    def __init__(self, random: Random, rules: Rules, first_day: date, day_count: int) -> None:
        self.random = random
        self.rules = rules
        self.midnights = [day_start(first_day + offset * ONE_DAY, rules.timezone) for offset in range(day_count + 1)]

    def case(self, number: str) -> list[Record]:
        """Return the records of one case, of one or two visitors and sometimes further ones with copies."""
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
        for _ in range(self.random.randint(0, 4) if records else 0):
            records.append(self.copy(self.random.choice(records)))
        if self.random.random() < 0.3:
            records += self.copies_over_midnight(number)
        return records

    def is_within(self, at: datetime) -> bool:
        return self.midnights[0] <= at < self.midnights[-1]

    def moment(self) -> datetime:
        seconds = (self.midnights[-1] - self.midnights[0]) // SECOND
        return self.midnights[0] + self.random.randrange(seconds) * SECOND

    def timeout(self) -> timedelta:
        """Return the timeout; where the sessions of sources have another one, often that."""
        if self.rules.client_sessions != "key_without_timeout":
            return self.rules.inactivity
        return self.random.choice([self.rules.inactivity, CLIENT_SESSION_TIMEOUT])

    # Times of events

    def gaps(self) -> list[datetime]:
        """Return times with gaps around the timeout, with ties, often over midnight."""
        timeout = self.timeout()
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
        """Return times on both sides of a midnight: at it, at the timeout, and at the hour in which ids are kept."""
        midnight = self.random.choice(self.midnights)
        timeout = self.timeout()
        times = []
        for _ in range(self.random.randint(2, 10)):
            distance = self.random.choice([0 * SECOND, SECOND, timeout // 2, timeout, HOUR])
            side = self.random.choice([-1, 1])
            times.append(midnight + side * distance + self.random.choice([-1, 0, 0, 1]) * MICROSECOND)
        return times

    def long_sessions(self) -> list[datetime]:
        """Return times without a gap up to multiples of max_hours, which are hit or missed by a microsecond."""
        start = self.random.choice([self.moment(), *(midnight - MICROSECOND for midnight in self.midnights[1:-1])])
        longest, timeout = self.rules.longest, self.rules.inactivity
        multiples = 1 if longest > 10 * timeout else self.random.choice([1, 2, 3])
        times = [start + place * timeout for place in range(multiples * (longest // timeout) + 1)]
        for multiple in range(1, multiples + 1):
            border = start + multiple * longest
            nearby = [-HOUR // 2, -MICROSECOND, 0 * SECOND, 0 * SECOND, MICROSECOND]
            times += [border + self.random.choice(nearby) for _ in range(2)]
        return self.random.sample(times, len(times) - self.random.choice([0, 0, 0, 0, 1]))

    def anytime(self) -> list[datetime]:
        """Return random times, some close together and some far apart."""
        times = []
        for _ in range(self.random.randint(1, 5)):
            start = self.moment()
            times += [start + self.random.choice([0, 10, 100, 1000]) * SECOND for _ in range(3)]
        return times

    # Fields of events

    def record(self, visitor_id: str, at: datetime, says: float) -> Record:
        """Return an event that has each field that can start a session with probability `says`."""

        def said(*choices: Any, often: float = says) -> Any:
            return self.random.choice(choices) if self.random.random() < often else None

        page_url = f"https://shop.example/{self.random.choice('pqr')}"
        campaign = said("spring", "summer", "Spring")
        in_url = campaign and self.random.random() < 0.3
        in_client_session = says if self.rules.client_sessions == "ignore" else max(says, 0.6)
        return {
            "site": "main",
            "visitor_id": visitor_id,
            "event_time": at,
            "event_name": said(SEPARATOR) or self.random.choice(EVENT_NAMES),
            "page_url": f"{page_url}?utm_campaign={campaign}" if in_url else page_url,
            "utm_campaign": None if in_url else campaign,
            "user_id": said("ann", "bob"),
            "client_session_id": said("first", "second", often=in_client_session),
            "sequence": said(*range(6)),
            "referrer": said("https://search.example/", "https://shop.example/p"),
        }

    # Lines that repeat events

    def copy(self, record: Record) -> Record:
        """Return the event again: unchanged, or with another field, time, site or visitor."""
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
            {"visitor_id": f"{case_of(record['visitor_id'])}-c"},
        )
        copy = record | self.random.choice(changes)
        return copy if self.is_within(copy["event_time"]) else dict(record)

    def copies_over_midnight(self, number: str) -> list[Record]:
        """Return an event around the start of a day's last hour, and lines with the same id on the next day.

        Some of the lines are of another visitor or site, so they are not copies.
        """
        midnight = self.random.choice(self.midnights[1:-1])
        before = self.random.choice([MICROSECOND, HOUR - SECOND, HOUR, HOUR, HOUR + MICROSECOND, 2 * HOUR])
        first = self.record(f"{number}-d", midnight - before, 0.5) | {"event_id": OVER_MIDNIGHT}
        copies = []
        for _ in range(2):
            after = self.random.choice([0 * SECOND, MICROSECOND, HOUR, 20 * HOUR])
            change = self.random.choice([{}, {"user_id": "cyd"}, {"site": "second"}, {"visitor_id": f"{number}-e"}])
            copies.append(first | {"event_time": midnight + after} | change)
        return [first, *copies]

    def comes_late(self, number: str, before: timedelta) -> tuple[Record, Record]:
        """Return an event `before` a midnight and its copy on the next day. The copy is to be delivered first."""
        midnight = self.random.choice(self.midnights[1:3])
        first = self.record(f"{number}-a", midnight - before, says=0) | {"event_id": OVER_MIDNIGHT}
        return first, first | {"event_time": midnight + HOUR}
