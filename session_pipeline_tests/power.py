"""Measures how small a fault progress_changes detects, and writes the table into docs/reliability.md.

`python -m session_pipeline_tests.power` plants faults in the sample, 90 days after its start, and looks for the first
alert at the right step and segment. Quiet months count false alerts, of outcomes those that are bad news. It takes some
minutes. The sessions are those of the sample, counted by the oracle; a test compares the oracle with the models.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from session_pipeline.reference.changes import is_worse
from session_pipeline.sample.faults import Fault
from session_pipeline.sample.times import day_number
from session_pipeline.sample.visitors import plan_visits
from session_pipeline.sample.visits import Visit, Visits
from session_pipeline.tables.changes.found_outcomes import outcome_changes
from session_pipeline.tables.changes.found_progress import progress_changes
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.oracles.progress import ROWS, Counts, Session, daily_counts, rows_of_counts

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- power: begin -->", "<!-- power: end -->"

FIRST = date(2026, 1, 5)
QUIET_DAYS, FAULTY_DAYS, MONTH = 90, 28, 30
LOOKED_AT = (1, 2, 3, 4, 5, 7, 10, 14, 21, 28)  # days after the fault began
SESSIONS_PER_VISITOR = 1.5
SIZES = (150, 700, 2_000)  # sessions a day
DROPS = (0.2, 0.35, 0.5)
QUIET_SEEDS = (1, 2, 3)
CONVERSIONS = ("purchase", "contact")


@dataclass(frozen=True)
class Planted:
    """A planted fault, and the alerts that name it."""

    name: str
    segment: str
    step: str
    next_step: str
    found_as: tuple[str, str]
    actions: Collection[str]
    next_actions: Collection[str]


CHECKOUT = {"begin_checkout", "/checkout/shipping"}
PAYMENT = {"/checkout/payment", "add_payment_info"}
FAULTS = (
    Planted("all: cart > checkout", "all", "cart", "checkout", ("all", "all"), {"/cart"}, CHECKOUT),
    Planted("phones: shipping > payment", "phone", "checkout", "payment", ("device", "phone"), CHECKOUT, PAYMENT),
    Planted(
        "variant b: product > add to cart",
        "b",
        "look",
        "add",
        ("variant", "b"),
        {"/product", "click"},
        {"add_to_cart", "click", "/cart"},
    ),
)


def counts_of(size: int, days: int, seed: int, first: date, faults: Sequence[Fault] = ()) -> Counts:
    """Return the daily counts of a sample of about so many sessions a day."""
    made = sample(size, days, seed, first, faults)
    return daily_counts(session_of(day, f"{day}-{number}", visit) for number, (day, visit) in enumerate(made))


def sample(size: int, days: int, seed: int, first: date, faults: Sequence[Fault] = ()) -> Iterator[tuple[date, Visit]]:
    """Yield the visits of people in a sample of about so many sessions a day, each with its day."""
    chance = Random(seed)
    visits = Visits(chance, faults)
    plan = plan_visits(chance, round(size * days / SESSIONS_PER_VISITOR), day_number(first), days)
    for offset, planned in enumerate(plan):
        for each in planned:
            for visit in visits.make(each):
                if not visit.visitor.is_bot:
                    yield first + timedelta(days=offset), visit


def outcome_of(visit: Visit) -> str:
    """Return how a visit ended: the last conversion, or what stands for none."""
    names = [event.name for event in visit.events if event.name != "page_ping"]
    conversions = [name for name in names if name in CONVERSIONS]
    if conversions:
        return conversions[-1]
    if "add_to_cart" in names:
        return "abandoned_cart"
    return "bounce" if len(names) == 1 else "engaged"


def outcome_counts(size: int, days: int, seed: int, asked_for: Collection[date]) -> pa.Table:
    """Return the rows of outcome_counts of a sample."""
    totals: Counter[tuple[date, str, str]] = Counter()
    found: Counter[tuple[date, str, str, str]] = Counter()
    for day, visit in sample(size, days, seed, FIRST):
        outcome = outcome_of(visit)
        of_dimensions = ["(converted)"] * (outcome in CONVERSIONS) + ["bounce"] * (outcome == "bounce")
        for segment in (("device", str(visit.visitor.device)), ("variant", str(visit.visitor.variant))):
            totals[day, *segment] += 1
            found.update((day, *segment, name) for name in of_dimensions)
        totals[day, "all", "all"] += 1
        found[day, "all", "all", outcome] += 1
    return pa.Table.from_pylist(
        [
            {"session_date": day, "is_asked_for": day in asked_for, "site": "main", "dimension": dimension}
            | {"dimension_value": value, "outcome": outcome, "session_count": totals[day, dimension, value]}
            | {"outcome_count": count}
            for (day, dimension, value, outcome), count in sorted(found.items())
        ]
    )


def session_of(day: date, session_id: str, visit: Visit) -> Session:
    """Return a visit as a session: pages of products and help are one action each, other events are their names."""
    actions = [
        (event.number, event.page.path if event.name == "page_view" else event.name)
        for event in visit.events
        if event.name != "page_ping"
    ]
    folded = [
        (number, "/".join(action.split("/")[:2]) if action.startswith(("/product", "/help", "/category")) else action)
        for number, action in actions
    ]
    converted = [event.number for event in visit.events if event.name in CONVERSIONS]
    return Session(
        day,
        session_id,
        folded,
        max(converted, default=None),
        (
            ("device", str(visit.visitor.device)),
            ("variant", str(visit.visitor.variant)),
            ("landing_action", folded[0][1]),
        ),
    )


def alerts(counts: Counts, asked_for: Collection[date]) -> Iterator[Mapping[str, Any]]:
    """Yield the alerts of some days."""
    rows = pa.Table.from_pylist(rows_of_counts(counts, asked_for), schema=ROWS)
    yield from (row for row in progress_changes(rows).to_pylist() if row["is_alert"])


def steps_with_an_alert(counts: Counts, days: Collection[date]) -> set[tuple[str, str, str, str]]:
    """Return the steps with an alert on some days."""
    names = ("dimension", "dimension_value", "action", "next_action")
    return {tuple(row[name] for name in names) for row in alerts(counts, days)}


def days_until_detection(planted: Planted, quiet: Counts, size: int, drop: float) -> int | None:
    """Return after how many days the first alert names a fault; None if none does within four weeks."""
    begin = FIRST + timedelta(days=QUIET_DAYS)
    fault = Fault(planted.segment, planted.step, planted.next_step, drop, begin)
    counts = {**quiet, **counts_of(size, FAULTY_DAYS, 11, begin, [fault])}
    found = [
        (row["session_date"] - begin).days + 1
        for row in alerts(counts, {begin + timedelta(days=days - 1) for days in LOOKED_AT})
        if (row["dimension"], row["dimension_value"]) == planted.found_as
        and row["action"] in planted.actions
        and row["next_action"] in planted.next_actions
    ]
    return min(found, default=None)


def false_alerts(size: int) -> tuple[float, float]:
    """Return the number of steps, and of outcomes, with an alert in a quiet month, on average."""
    steps = outcomes = 0
    days = {FIRST + timedelta(days=QUIET_DAYS + offset) for offset in range(MONTH)}
    for seed in QUIET_SEEDS:
        counts = counts_of(size, QUIET_DAYS + MONTH, seed, FIRST)
        steps += len(steps_with_an_alert(counts, days))
        rows = outcome_changes(outcome_counts(size, QUIET_DAYS + MONTH, seed, days)).to_pylist()
        bad = [row for row in rows if row["is_alert"] and is_worse(row, set(CONVERSIONS))]
        outcomes += len({(row["dimension_value"], row["outcome"]) for row in bad})
    return steps / len(QUIET_SEEDS), outcomes / len(QUIET_SEEDS)


def table() -> str:
    """Return the table as Markdown."""
    lines = [
        "| fault | sessions a day | " + " | ".join(f"drop of {drop:.0%}" for drop in DROPS) + " |",
        "|---|---:|" + "---:|" * len(DROPS),
    ]
    quiet_lines = ["| sessions a day | false alerts of steps per quiet month | of outcomes |", "|---:|---:|---:|"]
    for size in SIZES:
        of_steps, of_outcomes = false_alerts(size)
        quiet_lines.append(f"| {size:,} | {of_steps:.1f} | {of_outcomes:.1f} |")
        print(quiet_lines[-1], file=sys.stderr, flush=True)
        quiet = counts_of(size, QUIET_DAYS, 7, FIRST)
        for planted in FAULTS:
            found = [days_until_detection(planted, quiet, size, drop) for drop in DROPS]
            cells = [f"day {days}" if days else "no" for days in found]
            lines.append(f"| {planted.name} | {size:,} | " + " | ".join(cells) + " |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join([*lines, "", *quiet_lines])


def with_table(page: Path, text: str, begin: str, end: str) -> str:
    """Return the page with the table between its two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE, table(), BEGIN, END), encoding="utf-8")
