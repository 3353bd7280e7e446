"""Compares all rows and columns of progress_changes with the oracle, on random histories of sites with faults."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations, product
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from session_pipeline.tables.changes.found_progress import progress_changes
from session_pipeline_tests.oracles import progress_changes as oracle
from session_pipeline_tests.oracles.progress import GOAL, ROWS, WHOLE, Segment, Session, daily_counts, rows_of_counts
from session_pipeline_tests.reliability.figures import effort

Row = dict[str, Any]
Step = tuple[str, str]

FIRST = date(2026, 1, 1)
CHAIN = ("home", "list", "cart", "ship", "pay")  # the last one is followed by the conversion
ASIDE = ("form", "help", "search")  # actions that no conversion needs
DIGITS = {"associated_lost": 2e-3, "associated_lost_value": 2e-2}


class Fault:
    """A fault of random days: a step that fails, an event that is no longer sent, or visits that do not buy."""

    def __init__(self, random: Random, day_count: int) -> None:
        """Draw a fault."""
        self.kind = random.choice(("fails", "fails", "fails", "fails_aside", "is_not_sent", "more_visits"))
        self.action = random.choice(ASIDE if self.kind == "fails_aside" else (*CHAIN[1:], GOAL))
        self.segment = random.choice((None, ("device", "m"), ("device", "d"), ("channel", "ads"), ("variant", "b")))
        self.strength = random.choice((0.15, 0.4, 0.6, 0.95))
        self.first = day_count - random.randint(2, 25)
        self.end = day_count if random.random() < 0.7 else self.first + random.randint(1, 20)

    def applies(self, offset: int, segments: Sequence[tuple[str, str]]) -> bool:
        return self.first <= offset < self.end and (self.segment is None or self.segment in segments)


class History:
    """The sessions of a site: a chain of actions with some aside, dimensions, quiet days and faults."""

    def __init__(self, random: Random) -> None:
        """Draw what all days have in common."""
        self.random = random
        self.day_count = random.randint(60, 95)
        self.size = random.choice((10, 40, 60, 80))
        self.rates = {action: random.uniform(0.6, 0.97) for action in (*CHAIN[1:], *ASIDE, GOAL)}
        self.needs_aside = random.random() < 0.1
        self.faults = [Fault(random, self.day_count) for _ in range(random.choice((0, 1, 2, 2, 3)))]
        self.variants_from = random.choice((0, self.day_count - 40, self.day_count - 5))
        self.is_mirrored = random.random() < 0.4  # another dimension has the same parts: all scores are tied
        self.empty = set(random.sample(range(self.day_count), random.choice((0, 0, 5, 25))))
        self.without_goal = set(random.sample(range(self.day_count), random.choice((0, 0, 3, 20))))

    def sessions(self) -> list[Session]:
        found = []
        for offset in sorted(set(range(self.day_count)) - self.empty):
            more = [fault for fault in self.faults if fault.kind == "more_visits" and fault.first <= offset < fault.end]
            size = round(self.size * self.random.uniform(0.8, 1.2) * (0.6 if offset % 7 > 4 else 1))
            found += [self._session(offset, number, is_more=False) for number in range(size)]
            found += [self._session(offset, 1000 + number, is_more=True) for number in range(self.size * len(more))]
        return found

    def _segments(self, offset: int, *, is_more: bool) -> list[tuple[str, str]]:
        random = self.random
        device = random.choices("mdt", (50, 45, 3))[0]
        channel = "ads" if is_more else random.choices(("direct", "search", "ads", "rare"), (40, 40, 19, 1))[0]
        found = [("device", device), ("channel", channel)]
        if self.is_mirrored:
            found.append(("platform", f"on {device}"))
        if offset >= self.variants_from:
            found.append(("variant", random.choice("ab")))
        return found

    def _session(self, offset: int, number: int, *, is_more: bool) -> Session:
        random, segments = self.random, self._segments(offset, is_more=is_more)
        faults = [fault for fault in self.faults if fault.applies(offset, segments)]

        def goes_on(action: str) -> bool:
            rate = self.rates[action]
            for fault in faults:
                rate *= 1 - fault.strength * (fault.action == action and fault.kind.startswith("fails"))
            return random.random() < rate * (0.2 if is_more else 1)

        actions = ["home"] if random.random() < 0.9 else ["search", "home"]
        is_through = True
        for action in CHAIN[1:]:
            aside = random.choice(ASIDE)
            if random.random() < 0.3 and goes_on(aside):
                actions.append(aside)
            is_through = goes_on(action)
            if not is_through:
                break
            actions.append(action)
            if random.random() < 0.1:
                actions.append("home")
        if self.needs_aside and "form" not in actions:
            is_through = False
        is_converted = is_through and goes_on(GOAL) and offset not in self.without_goal
        if is_converted and random.random() < 0.5:
            actions.append("thanks")
        not_sent = {fault.action for fault in faults if fault.kind == "is_not_sent"}
        numbered = [(place, action) for place, action in enumerate(actions, start=1) if action not in not_sent]
        converted_at = math.inf if is_converted and random.random() < 0.05 else len(actions) + 0.5
        return Session(
            FIRST + timedelta(days=offset),
            f"{offset:03}-{number:04}",
            numbered,
            converted_at if is_converted else None,
            segments,
        )


def rows_of_history(random: Random, site: str) -> list[Row]:
    """Return random rows of progress_counts: some without a value, some days without the pairs of an action."""
    history = History(random)
    last = history.day_count - 1
    asked_for = {FIRST + timedelta(days=each) for each in {last, last - random.randint(1, 20)}}
    rows = rows_of_counts(daily_counts(history.sessions()), asked_for, site)
    has_values = random.random() < 0.8
    unfollowed = {FIRST + timedelta(days=each) for each in random.sample(range(last), random.choice((0, 0, 10)))}
    action = random.choice(CHAIN)
    found = []
    for row in rows:
        is_unfollowed = row["session_date"] in unfollowed and action in (row["action"], row["next_action"])
        if is_unfollowed and row["next_action"] != GOAL:
            continue
        ids = [f"{row['session_date']}/{row['dimension_value']}/{number}" for number in range(random.randint(0, 3))]
        found.append(
            {
                **row,
                "is_followed": not is_unfollowed,
                "converted_value": row["converted_value"] if has_values and random.random() < 0.9 else None,
                "stopped_session_ids": " ".join(ids) or None if row["next_action"] == GOAL != row["action"] else None,
            }
        )
    random.shuffle(found)
    return found


def compare(rows: Sequence[Row]) -> list[Row]:
    """Compare the rows of progress_changes with those of the oracle, in order, and return them."""
    found = progress_changes(pa.Table.from_pylist(list(rows), schema=ROWS)).to_pylist()
    expected = oracle.changes(rows)
    keys = ("site", "session_date", "rank", "window_days", "dimension", "dimension_value", "action", "next_action")
    assert [[row[key] for key in keys] for row in found] == [[row[key] for key in keys] for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        assert row.keys() == wanted.keys() | {"low", "high"} or row.keys() == wanted.keys()
        for name, value in wanted.items():
            if isinstance(value, float):
                value = pytest.approx(value, abs=DIGITS.get(name, 2e-6))
            assert row[name] == value, (name, [row[key] for key in keys])
    return found


def compare_random_sites(seed: int) -> list[Row]:
    random = Random(f"sites {seed}")
    return compare([row for site in "abc"[: random.choice((1, 1, 2, 3))] for row in rows_of_history(random, site)])


@dataclass(frozen=True)
class Drop:
    """A drop of a step in some parts of a site, with more or fewer of the conversions that depend on it."""

    step: Step
    part: str | None
    days: range
    strength: float
    missing: float


def random_counts(random: Random) -> list[Row]:
    """Return rows with large counts of five actions. Their steps drop apart from each other, so more rules decide."""
    last = 83
    parts = [device + channel for device in "md" for channel in "xyz"]
    weights = {part: random.uniform(0.05, 1) for part in parts}
    size, noise = random.choice((60, 300, 2000)), random.choice((0, 0.02, 0.1, 0.3))
    pairs = [*combinations("abcde", 2), *random.sample([(b, a) for a, b in combinations("abcde", 2)], 4)]
    steps = [*pairs, *((action, GOAL) for action in "abcde")]
    rates = {(a, b): random.uniform(0.1, 0.7) if a < b else random.uniform(0.02, 0.1) for a, b in pairs}
    goals = {each: random.uniform(0.3, 0.8) for each in (*pairs, *"abcde")}
    begins = random.choice((1, 3, 8, 12, 20))
    drops = [
        Drop(
            step=random.choice(steps),
            part=random.choice((None, None, *"mdxyz")),
            days=range(84 - random.choice((begins, random.randint(1, 28))), random.choice((84, 84, 84, 79))),
            strength=random.choice((0.08, 0.13, 0.3, 0.6, 0.9)),
            missing=random.choice((0, 0.3, 0.6, 1)),
        )
        for _ in range(random.choice((1, 2, 4, 8)))
    ]
    more_visits = {part: random.choice((1, 1, 1, 1.5, 3)) for part in parts}
    counts: dict[date, dict[tuple[Segment, str, str], list[int]]] = {}

    def count(of: float) -> int:
        return round(of * random.uniform(1 - noise, 1 + noise))

    for offset, part in product(range(84), parts):
        here = [drop for drop in drops if offset in drop.days and (drop.part is None or drop.part in part)]
        lowered = {step: math.prod(1 - drop.strength for drop in here if drop.step == step) for step in steps}
        missing = {a: math.prod(1 - d.strength * d.missing for d in here if d.step[0] == a) for a in "abcde"}
        is_weekend = offset % 7 > 4
        visits = {a: count(size * weights[part] * (0.5 if is_weekend else 1)) for a in "abcde"}
        if offset >= 84 - begins:
            visits = {a: round(n * more_visits[part]) for a, n in visits.items()}
        won = {a: min(n, count(n * goals[a] * missing[a] * lowered[a, GOAL])) for a, n in visits.items()}
        found = {(a, GOAL): (visits[a], won[a], 0) for a in "abcde"}
        for a, b in pairs:
            most = 0.8 if a < b else 0.2  # a session does the one first or the other
            passed = min(int(most * min(visits[a], visits[b])), count(visits[a] * rates[a, b] * lowered[a, b]))
            both = min(int(most * min(won[a], won[b])), passed, count(passed * goals[a, b]))
            found[a, b] = passed, both, int(0.9 * both)
        found[GOAL, GOAL] = won["a"], won["a"], 0
        of_day = counts.setdefault(FIRST + timedelta(days=offset), {})
        for segment in (WHOLE, ("device", part[0]), ("channel", part[1])):
            for step, of_step in found.items():
                if segment == WHOLE or step[0] != GOAL:
                    sums = of_day.setdefault((segment, *step), [0, 0, 0])
                    sums[:] = [sum(each) for each in zip(sums, of_step, strict=True)]
    asked_for = {FIRST + timedelta(days=last)}
    return rows_of_counts(
        {day: {step: (n, g, a) for step, (n, g, a) in of_day.items()} for day, of_day in counts.items()}, asked_for
    )


@pytest.mark.parametrize(
    "seed",
    [*(pytest.param(seed, marks=pytest.mark.long) for seed in (0, 8)), pytest.param(15, marks=pytest.mark.nightly)],
)
def test_rows_of_sessions_are_those_of_the_oracle(seed: int) -> None:
    compare_random_sites(seed)


@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(seed, marks=pytest.mark.long if seed < 3 else pytest.mark.nightly) for seed in range(1, 24))],
)
def test_rows_of_large_counts_are_those_of_the_oracle(seed: int) -> None:
    compare(random_counts(Random(f"counts {seed}")))


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=pytest.mark.long if seed == 101 else pytest.mark.nightly)
        for seed in range(100, 100 + 20 * effort())
    ],
)
def test_rows_are_those_of_the_oracle_for_more_seeds(seed: int) -> None:
    compare_random_sites(seed)
    compare(random_counts(Random(f"counts {seed}")))
