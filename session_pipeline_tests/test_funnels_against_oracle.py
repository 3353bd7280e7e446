"""Tests funnels with exclusions on thousands of short random sessions: pipeline, oracle and brute force agree.

The brute force lists every chain of events that takes the steps in order, and chooses by the definitions alone. A
session has a few events within seconds, with many equal times, so that several attempts compete in it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from session_pipeline_tests.deliveries import Delivery, delivery, read_lines, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import entry_row
from session_pipeline_tests.oracles.funnels import Exclusion, Funnel, attempts
from session_pipeline_tests.oracles.sessions import Event, Rules

VISIT_COUNT = 2000
NOON = datetime(2026, 10, 5, 12)
DAY = date(2026, 10, 5)
RULES = Rules()

A, B, C, X, Y = (frozenset(name) for name in "abcxy")
X_AT_ALL = Exclusion(X, 1, 3)
FUNNELS = {
    "two steps": Funnel((A, B), exclusions=(Exclusion(X, 1, 2),)),
    "between the first two": Funnel((A, B, C), exclusions=(Exclusion(X, 1, 2),)),
    "between the last two": Funnel((A, B, C), exclusions=(Exclusion(X, 2, 3),)),
    "two exclusions": Funnel((A, B, C), exclusions=(X_AT_ALL, Exclusion(Y, 2, 3))),
    "an exclusion that is a step": Funnel((A, B, C), exclusions=(Exclusion(A, 1, 3),)),
    "a step that is met twice": Funnel((A | B, B, C), exclusions=(X_AT_ALL,)),
    "within a window": Funnel((A, B, C), window=timedelta(seconds=3), exclusions=(X_AT_ALL,)),
    "of the visitor": Funnel((A, B, C), "visitor", timedelta(seconds=4), exclusions=(X_AT_ALL,)),
}
USUAL = ("two steps", "two exclusions", "of the visitor")


@dataclass(frozen=True)
class Tried:
    """The events that took the steps of an attempt, and whether the attempt is excluded."""

    path: tuple[Event, ...]
    is_excluded: bool


def visits() -> Delivery:
    """Return sessions of up to nine events at whole seconds, each of its own visitor."""
    random = Random(9)
    lines = [
        {
            "event_id": f"{number}",
            "visitor_id": f"{visit:04d}",
            "event_time": NOON + timedelta(seconds=random.randint(0, 6)),
            "event_name": random.choice("aabbccxy"),
        }
        for visit in range(VISIT_COUNT)
        for number in range(random.randint(2, 9))
    ]
    return delivery("visits", lines)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return oracle.sessionize(read_lines([visits()]), RULES)


def chains(entry: Event, events: Sequence[Event], funnel: Funnel) -> Iterator[tuple[Event, ...]]:
    """Yield every sequence of distinct events that takes the first steps in order from an entry."""

    def longer(chain: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
        yield chain
        if len(chain) == len(funnel.steps):
            return
        for event in events:
            is_in_time = funnel.window is None or event.event_time <= entry.event_time + funnel.window
            is_next = event.line.event_name in funnel.steps[len(chain)] and event.event_time >= chain[-1].event_time
            if is_next and is_in_time and event not in chain:
                yield from longer((*chain, event))

    yield from longer((entry,))


def is_excluded(chain: Sequence[Event], events: Sequence[Event], funnel: Funnel) -> bool:
    for exclusion in funnel.exclusions:
        if len(chain) < exclusion.after_step:
            continue
        for event in events:
            is_after = event.event_time > chain[exclusion.after_step - 1].event_time
            if len(chain) >= exclusion.before_step:
                is_before = event.event_time < chain[exclusion.before_step - 1].event_time
            else:
                is_before = funnel.window is None or event.event_time <= chain[0].event_time + funnel.window
            if event.line.event_name in exclusion.event_names and is_after and is_before:
                return True
    return False


def tried_by_brute_force(events: Sequence[Event], funnel: Funnel) -> list[Tried]:
    """Return the attempts of one session, the deciding one first."""
    tried = []
    for entry in events:
        if entry.line.event_name in funnel.steps[0]:
            # Each step takes its earliest event: the first chain in lexicographic order, if each chain comes before
            # its own prefixes.
            end = ((1,),)
            path = min(chains(entry, events, funnel), key=lambda chain: (*((0, *event.order) for event in chain), *end))
            tried.append(Tried(path, is_excluded(path, events, funnel)))
    return sorted(tried, key=lambda one: (-len(one.path), one.is_excluded, one.path[0].order))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in USUAL else pytest.mark.long) for name in FUNNELS]
)
def test_oracle_equals_brute_force(name: str, events: list[Event]) -> None:
    funnel = FUNNELS[name]
    found = {
        attempt.entry.line.visitor_id: Tried(attempt.taken, attempt.is_excluded)
        for attempt in attempts(events, funnel, RULES)
    }
    met: Counter[str] = Counter()
    visit_of_visitor = defaultdict(list)
    for event in events:
        visit_of_visitor[event.line.visitor_id].append(event)
    for visitor, visit in visit_of_visitor.items():
        tried = tried_by_brute_force(visit, funnel)
        assert found.get(visitor) == next(iter(tried), None), visitor
        met.update(kinds_of(tried))
    assert all(met[kind] > 10 for kind in ("excluded", "clean", "clean after excluded")), met


def kinds_of(tried: Sequence[Tried]) -> Iterator[str]:
    """Yield the kinds of a session. "clean after excluded": an earlier attempt went as far but is excluded."""
    for first in tried[:1]:
        yield "excluded" if first.is_excluded else "clean"
        if not first.is_excluded and any(
            other.is_excluded and len(other.path) == len(first.path) and other.path[0].order < first.path[0].order
            for other in tried
        ):
            yield "clean after excluded"


@pytest.mark.long
def test_pipeline_equals_oracle(tmp_path: Path, events: list[Event]) -> None:
    deployment = Deployment(tmp_path, settings(RULES, DAY - timedelta(days=1), FUNNELS), only=("funnel_entries",))
    delivered = visits()
    deployment.deliver(delivered.name, delivered.lines)
    deployment.run(until=DAY)
    rows = deployment.table("funnel_entries")
    for name, funnel in FUNNELS.items():
        expected = [
            entry_row(name, funnel, attempt, RULES.timezone) for attempt in attempts(events, funnel, RULES, DAY)
        ]
        columns = list(expected[0])
        found = rows[rows["funnel"] == name][columns].itertuples(index=False, name=None)
        assert Counter(found) == Counter(tuple(row.values()) for row in expected), name
