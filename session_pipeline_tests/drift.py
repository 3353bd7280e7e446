"""Measures how often steps have false alerts while rates drift, and writes the table into docs/changes.md.

`python -m session_pipeline_tests.drift` simulates months without a fault, each after 90 days of the same kind, and
counts the steps with an alert. It takes some minutes. Daily counts are drawn, not sessions; a test compares them with
those of the oracle. How small a fault is detected is measured by power.py.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import product
from math import prod
from random import Random
from unittest.mock import patch

from session_pipeline.tables.changes import progress
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Counts, Segment, Step
from session_pipeline_tests.power import FIRST, MONTH, QUIET_DAYS, steps_with_an_alert, with_table

PAGE = ROOT / "docs" / "changes.md"
BEGIN, END = "<!-- drift: begin -->", "<!-- drift: end -->"

SIZE = 2_000  # sessions a day
SEEDS = range(1, 9)  # of the months of each kind
DAYS = QUIET_DAYS + MONTH

# The rate of each action is that of going on to the next one; sessions that go on from the last one convert.
RATES = {"home": 0.7, "list": 0.8, "product": 0.4, "cart": 0.6, "address": 0.8, "shipping": 0.8, "payment": 0.8}
ACTIONS = tuple(RATES)
# The values of each dimension, with their shares of the sessions. All rates of mobile sessions are lower.
DIMENSIONS = {
    "device": {"mobile": 0.6, "desktop": 0.4},
    "channel": {"search": 0.5, "direct": 0.3, "ads": 0.2},
    "plan": {"free": 0.7, "paid": 0.3},
}
MOBILE, ADS = ("device", "mobile"), ("channel", "ads")
MOBILE_FACTOR = 0.95

DEVIATION = 0.07  # of rates that vary, relative to their mean
CORRELATION = 0.7
FALLING_ACTIONS = ("home", "product", "address")
CAMPAIGN_DAYS = range(QUIET_DAYS + 7, QUIET_DAYS + 21)
CAMPAIGN_FACTOR = 4

Cell = tuple[Segment, ...]  # a value of each dimension
CELLS: Mapping[Cell, float] = {
    cell: prod(DIMENSIONS[dimension][value] for dimension, value in cell)
    for cell in product(*([(dimension, value) for value in values] for dimension, values in DIMENSIONS.items()))
}


def constant(_chance: Random, _action: str) -> list[float]:
    """Return the factors on the rate of an action by day, as do the functions below."""
    return [1.0] * DAYS


def daily(chance: Random, _action: str) -> list[float]:
    return [chance.gauss(1, DEVIATION) for _ in range(DAYS)]


def weekly(_chance: Random, _action: str) -> list[float]:
    return [0.83 if (FIRST + timedelta(days=day)).isoweekday() > 5 else 1.0 for day in range(DAYS)]


def stepwise(chance: Random, _action: str) -> list[float]:
    found: list[float] = []
    while len(found) < DAYS:
        found += [chance.gauss(1, DEVIATION)] * chance.randint(3, 10)
    return found[:DAYS]


def autocorrelated(chance: Random, _action: str) -> list[float]:
    found = [chance.gauss(0, DEVIATION)]
    while len(found) < DAYS:
        found.append(CORRELATION * found[-1] + chance.gauss(0, DEVIATION * (1 - CORRELATION**2) ** 0.5))
    return [1 + each for each in found]


def falling(_chance: Random, action: str) -> list[float]:
    return [0.999**day if action in FALLING_ACTIONS else 1.0 for day in range(DAYS)]


CAMPAIGN = "constant, but a campaign brings four times the mobile visits of one channel for two weeks"
KINDS: Mapping[str, Callable[[Random, str], list[float]]] = {
    "constant": constant,
    "another one each day, with a standard deviation of 7 %": daily,
    "17 % lower at weekends": weekly,
    CAMPAIGN: constant,
    "another one every 3 to 10 days, with a standard deviation of 7 %": stepwise,
    "of each day like that of the day before (correlation 0.7), with a standard deviation of 7 %": autocorrelated,
    "of three steps, 0.1 % lower each day": falling,
}


def simulated(kind: str, seed: int, size: int) -> Counts:
    """Return the daily counts of a month and of the days before it."""
    chance = Random(seed)
    factors = [KINDS[kind](chance, action) for action in ACTIONS]
    counts = {}
    for day in range(DAYS):
        is_campaign = kind == CAMPAIGN and day in CAMPAIGN_DAYS
        weights = [
            share * (CAMPAIGN_FACTOR if is_campaign and {MOBILE, ADS} <= set(cell) else 1)
            for cell, share in CELLS.items()
        ]
        sessions = Counter(chance.choices(tuple(CELLS), weights, k=round(size * sum(weights))))
        rates = [rate * by_day[day] for rate, by_day in zip(RATES.values(), factors, strict=True)]
        counts[FIRST + timedelta(days=day)] = counts_of_day(chance, sessions, rates)
    return counts


def counts_of_day(
    chance: Random, sessions: Mapping[Cell, int], rates: Sequence[float]
) -> dict[Step, tuple[int, int, int]]:
    """Return the counts of a day with so many sessions of each cell, as `daily_counts` of the oracle does."""
    reached: dict[Segment, list[int]] = defaultdict(lambda: [0] * (len(ACTIONS) + 1))
    for cell, started in sessions.items():
        numbers = [started]
        for rate in rates:
            of_cell = rate * (MOBILE_FACTOR if MOBILE in cell else 1)
            numbers.append(sum(chance.random() < of_cell for _ in range(numbers[-1])))
        for segment in (WHOLE, *cell):
            reached[segment] = [sum(both) for both in zip(reached[segment], numbers, strict=True)]
    found = {(WHOLE, GOAL, GOAL): (reached[WHOLE][-1], 0, 0)}
    for segment, (*numbers, converted) in reached.items():
        for place, action in enumerate(ACTIONS):
            found[segment, action, GOAL] = numbers[place], converted, 0
            for next_action, number in zip(ACTIONS[place + 1 :], numbers[place + 1 :], strict=True):
                found[segment, action, next_action] = number, converted, converted
    return {step: numbers for step, numbers in found.items() if numbers[0] or step[1] == GOAL}


def table(seeds: Sequence[int] = SEEDS, size: int = SIZE) -> str:
    """Return the table as Markdown. Its last two columns have a spread whose weeks are not drawn towards 1."""
    lines = [
        "| rates | months with an alert of a step | steps per month | months, not drawn | steps, not drawn |",
        "|---|---:|---:|---:|---:|",
    ]
    month = {FIRST + timedelta(days=day) for day in range(QUIET_DAYS, DAYS)}
    for kind in KINDS:
        usual, undrawn = [], []
        for seed in seeds:
            counts = simulated(kind, seed, size)
            usual.append(len(steps_with_an_alert(counts, month)))
            with patch.object(progress, "WEEK_PRIOR", 0.0):
                undrawn.append(len(steps_with_an_alert(counts, month)))
        cells = [f"{sum(map(bool, each))} of {len(seeds)} | {sum(each) / len(seeds):.1f}" for each in (usual, undrawn)]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE, table(), BEGIN, END), encoding="utf-8")
