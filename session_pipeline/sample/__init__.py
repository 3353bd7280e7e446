"""Synthetic shop traffic with known truth: delivered files, and what is true about them.

The truth comes from the generator's own decisions (when a visit ends, what happens in it), never
from reading what it wrote. The same arguments give the same lines.

Knows what delivered files look like, and the default settings. Does not know the pipeline.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Final, TypedDict

from session_pipeline.errors import WrongUseError
from session_pipeline.sample.deliveries import LONGEST_LATENCY, DeliveredFile, Deliveries
from session_pipeline.sample.times import DAY, day_number
from session_pipeline.sample.truth import Truth
from session_pipeline.sample.visitors import plan_visits
from session_pipeline.sample.visits import Visit, Visits
from session_pipeline.sample.writing import whole_file
from session_pipeline.store.files import make_folder


class SampleSize(TypedDict):
    """The arguments that decide what a sample holds."""

    visitors: int
    days: int
    seed: int


SMALL: Final[SampleSize] = {"visitors": 2_900, "days": 7, "seed": 3}
"""The committed sample: a week, under 1 MB."""


@dataclass(frozen=True)
class SampleSummary:
    """What was written: `lines` = `events` + `duplicates` + `bad_lines`; `outcomes` add up."""

    files: int
    lines: int
    events: int
    duplicates: int
    bad_lines: int
    sessions: int
    outcomes: Mapping[str, int]


def write_sample(
    folder: Path,
    *,
    visitors: int,
    days: int,
    seed: int,
    start: date = date(2026, 10, 5),
    truth_folder: Path | None = None,
) -> SampleSummary:
    """Writes delivered files for each day into the folder, and the truth about them into another.

    Args:
        folder: gets `events-YYYY-MM-DD.jsonl.gz` and, for days on which the contact form was sent,
            `contact-forms-YYYY-MM-DD.csv`. Made if absent; must be empty.
        visitors: how many people come; bots are on top.
        days: how many days the data covers. Visits under way at the end are cut there.
        seed: another seed is another sample.
        start: the first day, in UTC.
        truth_folder: gets `sessions.csv.gz`, `events.csv.gz` and `files.csv`; if none is given it
            is `truth`, beside the parent of `folder`. Made if absent; must be empty.

    Raises:
        WrongUseError: a folder is not empty, or a number is below 1.
    """
    truth_folder = truth_folder or folder.parent.parent / "truth"
    _check(visitors=visitors, days=days)
    for target in (folder, truth_folder):
        _make_empty(target)

    chance = Random(seed)
    first_day = day_number(start)
    end = (first_day + days) * DAY
    plan = plan_visits(chance, visitors, first_day, days)
    visits = Visits(chance)
    deliveries = Deliveries(chance, folder, end)
    with (
        whole_file(truth_folder / "sessions.csv.gz") as sessions,
        whole_file(truth_folder / "events.csv.gz") as events,
    ):
        truth = Truth(sessions, events)
        for day, planned_visits in enumerate(plan, start=first_day):
            for planned in planned_visits:
                for visit in visits.make(planned):
                    seen = _before(visit, end - LONGEST_LATENCY)
                    if seen.events:
                        truth.add(seen)
                        deliveries.add(seen)
            deliveries.write_day(day)
    _write_files(truth_folder / "files.csv", deliveries.files)
    return SampleSummary(
        files=len(deliveries.files),
        lines=sum(file.lines for file in deliveries.files),
        events=truth.event_count,
        duplicates=deliveries.duplicate_count,
        bad_lines=sum(file.set_aside for file in deliveries.files),
        sessions=truth.session_count,
        outcomes=dict(truth.outcomes.most_common()),
    )


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise WrongUseError(f"{name} is {number}: a sample needs at least 1.")


def _make_empty(folder: Path) -> None:
    make_folder(folder)
    if any(folder.iterdir()):
        raise WrongUseError(f"{folder} is not empty: name another folder, or empty it first.")


def _before(visit: Visit, end: int) -> Visit:
    """The visit as far as it is seen when the data ends."""
    if visit.events[-1].time < end:
        return visit
    return Visit(visit.visitor, [event for event in visit.events if event.time < end])


def _write_files(path: Path, files: list[DeliveredFile]) -> None:
    with whole_file(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(DeliveredFile._fields)
        rows.writerows(sorted(files))
