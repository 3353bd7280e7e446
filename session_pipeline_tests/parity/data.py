"""The data sets that both engines build: real ones, random events with every rule, and many generated events."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from random import Random

from session_pipeline.reference.days import Calendar
from session_pipeline_tests.benchmarks.generate import write
from session_pipeline_tests.compare_builds import DataSet, data_sets
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.hostile_days import PLACES, TIMINGS, events_of, settings_of

NAMES = ("sample", "nasa", "shop", "random", "persons", "generated")
# Tables that are empty with usual settings: sessions of persons, and counts by other definitions of a session.
PERSONS = {
    "identity": {"by": "person"},
    "definitions": {"also": ["ga4", "matomo", "plausible", "umami", "posthog", "snowplow"]},
}


def data_set(name: str, folder: Path, *, events: int) -> DataSet | None:
    """Return a data set; None if its file is not on this machine.

    Args:
        name: One of NAMES.
        folder: Where the events are written, if they are not from a file.
        events: The number of events of `generated`.
    """
    if name == "random":
        return random_events(folder)
    if name == "persons":
        return random_events(folder, seed=1, more_settings=PERSONS)
    if name == "generated":
        write("large", events, folder / "raw" / "web")
        return DataSet("generated", "2025-03-05", "", _below(folder / "raw"))
    return next((found for found in data_sets() if found.name == name), None)


def random_events(
    folder: Path, seed: int = 0, day_count: int = 7, more_settings: Mapping[str, object] | None = None
) -> DataSet:
    """Return the events of hostile_days in one file for each UTC date and two shares of the visitors.

    They have copies that repeat over midnight, endless sessions, a day of 23 hours and days without events.

    Args:
        folder: Where the events are written.
        seed: Decides about the events and the settings.
        day_count: The number of days.
        more_settings: Settings besides those that follow from the seed.
    """
    random = Random(seed)
    timezone, first = PLACES[seed % len(PLACES)]
    timing = TIMINGS[(seed + seed // len(PLACES)) % len(TIMINGS)]
    days = [first + timedelta(days=offset) for offset in range(day_count)]
    settings = {**settings_of(random, timezone, first, timing), **(more_settings or {})}
    lines = events_of(random, Calendar(timezone), days, timing[0])
    deployment = Deployment(folder, settings)
    files: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        share = int(str(line["visitor_id"])[-1]) % 2
        files.setdefault(f"{str(line['event_time'])[:10]}-{share}", []).append(line)
    for name, of_file in files.items():
        deployment.deliver(name, of_file, source="web")
    return DataSet("random", str(days[-1]), deployment.folder.settings.read_text(), _below(folder / "raw"))


def _below(raw: Path) -> dict[str, Path]:
    return {str(path.relative_to(raw)): path for path in sorted(raw.rglob("*")) if path.is_file()}
