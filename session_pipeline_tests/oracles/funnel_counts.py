"""Computes the counts of funnels in plain Python from the attempts of funnels.py: funnel_steps and funnel_drops.

Each event is an action here, called by its event name, as for events that are no page views. There are no bots.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from session_pipeline_tests.oracles.funnels import Attempt, Funnel
from session_pipeline_tests.oracles.sessions import Event, local_date

Row = dict[str, Any]
MOST_ACTIONS = 10


def entry_date(attempt: Attempt, funnel: Funnel, timezone: str) -> date:
    entry = attempt.entry
    return entry.session_date if funnel.grain == "session" else local_date(entry.event_time, timezone)


def actions_after(events: Iterable[Event]) -> dict[tuple[str, int], list[str]]:
    """Return the next three actions of each event, by session and event number."""
    sessions = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.session_id, event.event_number)):
        sessions[event.session_id].append(event)
    return {
        (session_id, event.event_number): [later.line.event_name for later in found[place + 1 : place + 4]]
        for session_id, found in sessions.items()
        for place, event in enumerate(found)
    }


def action_count(attempt: Attempt, event: Event) -> int | None:
    """Return the number of actions after the entry up to an event of the same session."""
    if event.session_id != attempt.entry.session_id:
        return None
    return max(event.event_number - attempt.entry.event_number, 0)


def step_rows(
    name: str, funnel: Funnel, attempts: Sequence[Attempt], timezone: str, value_of: Callable[[Event], int | None]
) -> list[Row]:
    """Return the rows of funnel_steps, without rates."""
    days = defaultdict(list)
    for attempt in attempts:
        days[entry_date(attempt, funnel, timezone), attempt.entry.line.site].append(attempt)
    rows = []
    for (day, site), tried in days.items():
        for number in funnel.numbers:
            clean = [attempt for attempt in tried if not attempt.is_excluded]
            taken = [(attempt, attempt.steps.index(number)) for attempt in clean if number in attempt.steps]
            if number in funnel.optional:
                reached = [attempt for attempt, _ in taken]
            else:
                reached = [one for one in clean if one.steps[0] <= number <= one.step_reached]
            excluded = [one for one in tried if one.is_excluded and one.steps[0] == number]
            values = [value_of(one.taken[at]) for one, at in taken]
            actions = [action_count(one, one.taken[at]) for one, at in taken]
            seconds = sorted(
                (one.taken[at].event_time - time_before(one, at)).total_seconds() for one, at in taken if at
            )
            rows.append(
                {
                    "entry_date": day,
                    "funnel": name,
                    "site": site,
                    "step_number": number,
                    "is_optional": number in funnel.optional,
                    "started_count": sum(one.steps[0] == number for one in tried),
                    "entered_count": len(reached) + len(excluded),
                    "reached_count": len(reached),
                    "dropped_count": sum(one.step_reached == number and not one.is_converted for one in clean),
                    "excluded_count": len(excluded),
                    "median_seconds": middle(seconds),
                    "p90_seconds": seconds[-(-9 * len(seconds) // 10) - 1] if seconds else None,
                    "value": total(values),
                    "attempt_count": sum(one.count for one in reached),
                    "action_count": total(actions),
                }
            )
    return rows


def time_before(attempt: Attempt, at: int) -> datetime:
    """Return the time of the step that was reached before one; optional steps can be reached in any order."""
    times = [event.event_time for event in attempt.taken]
    return max(time for place, time in enumerate(times) if (time, place) < (times[at], at))


def total(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def middle(numbers: Sequence[float]) -> float | None:
    """Return the median of sorted numbers."""
    if not numbers:
        return None
    half = len(numbers) // 2
    return float(Fraction(numbers[half] + numbers[-half - 1]) / 2) if len(numbers) % 2 == 0 else numbers[half]


def drop_rows(
    name: str, funnel: Funnel, attempts: Sequence[Attempt], timezone: str, after: Mapping[tuple[str, int], list[str]]
) -> list[Row]:
    """Return the rows of funnel_drops."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for one in attempts:
        if one.is_converted and not one.is_excluded:
            continue
        last = one.taken[-1]
        actions = [] if one.is_converted else after[last.session_id, last.event_number]
        for number in (1, 2, 3):
            action = actions[number - 1] if len(actions) >= number else "(none)"
            place = (entry_date(one, funnel, timezone), one.entry.line.site, one.step_reached, one.excluded_by or 0)
            counts[(*place, number, action)] += 1
    groups = defaultdict(list)
    for (*group, action), count in counts.items():
        groups[tuple(group)].append((-count, action))
    rows = []
    for (day, site, step, exclusion, number), found in groups.items():
        ranked = sorted(found)
        shown = [(action, -count) for count, action in ranked[:MOST_ACTIONS]]
        rest = sum(-count for count, _ in ranked[MOST_ACTIONS:])
        for rank, (action, count) in enumerate([*shown, *([("(other)", rest)] if rest else [])], start=1):
            rows.append(
                {
                    "entry_date": day,
                    "funnel": name,
                    "site": site,
                    "step_number": step,
                    "exclusion_number": exclusion,
                    "next_number": number,
                    "rank": rank,
                    "action": action,
                    "attempt_count": count,
                }
            )
    return rows
