"""Generates synthetic shop traffic: delivered files, and the truth about them.

The truth comes from the generator's own decisions (when a session ends, what happens in it), never from reading what it
wrote. The same arguments give the same lines.

The generator knows the format of delivered files and the default settings. It does not use the pipeline; the tests
compare the pipeline's results with the truth.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Final, TypedDict

from session_pipeline.errors import WrongUseError
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.sample.deliveries import LONGEST_LATENCY, DeliveredFile, Deliveries
from session_pipeline.sample.faults import Fault
from session_pipeline.sample.times import DAY, day_number
from session_pipeline.sample.truth import Truth
from session_pipeline.sample.visitors import plan_visits
from session_pipeline.sample.visits import Visit, Visits
from session_pipeline.sample.writing import whole_file
from session_pipeline.store.files import make_folder


class SampleSize(TypedDict):
    """The arguments that determine the content of a sample."""

    visitors: int
    days: int
    seed: int


SMALL: Final[SampleSize] = {"visitors": 2_900, "days": 7, "seed": 3}
"""The committed sample: one week, less than 1 MB."""
FIRST_DAY: Final = date(2026, 10, 5)


@dataclass(frozen=True)
class SampleSummary:
    """The numbers of what was written.

    `lines` = `events` + `duplicates` + `bad_lines`; the sum of `outcomes` is `sessions`.
    """

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
    start: date = FIRST_DAY,
    truth_folder: Path | None = None,
    faults: Sequence[Fault] = (),
) -> SampleSummary:
    """Write delivered files for each day to a folder, and the truth about them to another folder.

    Args:
        folder: Receives `events-YYYY-MM-DD.jsonl.gz` and, for days on which the contact form was sent,
            `contact-forms-YYYY-MM-DD.csv`. It is created if it does not exist; it must be empty.
        visitors: Number of human visitors. Bots are added to them.
        days: Number of days that the data covers. Sessions that are open at the end are cut there.
        seed: Seed of the random numbers. Another seed gives another sample.
        start: The first day, in UTC.
        truth_folder: Receives `sessions.csv.gz`, `events.csv.gz` and `files.csv`. The default is `truth`, next to the
            parent of `folder`. It is created if it does not exist; it must be empty.
        faults: Planted faults. The days before the first of them are the same without them.

    Raises:
        WrongUseError: A folder is not empty, a number is below 1, the last day is after the last date, or a fault
            begins before the first day or after the last.
    """
    truth_folder = truth_folder or folder.parent.parent / "truth"
    _check(visitors=visitors, days=days)
    if days > (date.max - start).days:  # the last events are delivered on the day after
        raise WrongUseError(f"{days} days from {start} on are too many; the last possible day is {date.max - ONE_DAY}")
    _check_days(faults, start, start + timedelta(days=days - 1))
    for target in (folder, truth_folder):
        _make_empty(target)

    chance = Random(seed)
    first_day = day_number(start)
    end = (first_day + days) * DAY
    plan = plan_visits(chance, visitors, first_day, days)
    visits = Visits(chance, faults)
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
            raise WrongUseError(f"{name} is {number}; write at least 1")


def _check_days(faults: Sequence[Fault], first: date, last: date) -> None:
    for fault in faults:
        if not first <= fault.first_day <= last:
            raise WrongUseError(
                f"a fault begins on {fault.first_day}, but the days of the sample are {first} to {last}; name one of"
                " these days, or change the days of the sample (--start and --days)"
            )


def _make_empty(folder: Path) -> None:
    make_folder(folder)
    if any(folder.iterdir()):
        raise WrongUseError(f"{folder} is not empty; name another folder, or empty it first")


def _before(visit: Visit, end: int) -> Visit:
    """Return the visit without the events after the end of the data."""
    if visit.events[-1].time < end:
        return visit
    return Visit(visit.visitor, [event for event in visit.events if event.time < end])


def _write_files(path: Path, files: list[DeliveredFile]) -> None:
    with whole_file(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(DeliveredFile._fields)
        rows.writerows(sorted(files))
