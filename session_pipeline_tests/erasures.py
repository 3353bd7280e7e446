"""Two deliveries with a visitor who is to be erased, and the steps of an erasure, for tests."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from session_pipeline import report
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.run import erasure
from session_pipeline.run.held import Held, find_held
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables import TABLES
from session_pipeline_tests.canaries import all_places
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 8)
CANARY, CANARY_USER = "canary-3141592653", "user=271828@example.org"
SETTINGS = {"start_date": date(2026, 10, 1), "resources": {"threads": 1}}
OF_FILES = ("file_id", "line_number")


def event(visitor: str, day: int, minute: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{visitor}/{day}/{minute}",
        "visitor_id": visitor,
        "event_time": f"2026-10-{day:02}T10:{minute:02}:00Z",
        "event_name": "page_view",
        "page_url": f"https://shop.example/{minute}",
        **more,
    }


# The canary comes with an id of its own, in two files and on two days, and alone on one of them. On 2026-10-06 it
# shares the day with others. Its device is not shared. BAD are lines that contain the id and are no events.
CANARY_LINES = [
    event(CANARY, 5, 1, page_url=f"https://shop.example/account/{CANARY}"),
    event(CANARY, 6, 2, user_id=CANARY_USER),
    event(CANARY, 6, 3, properties={"own": CANARY}),
]
OTHERS = [*(event("ada", 6, minute) for minute in range(4)), *(event("bob", day, 7) for day in (6, 7))]
THIRD = [event(CANARY, 5, 0), event("eve", 6, 9), event("bob", 7, 0)]
BAD = [
    f'{{"visitor_id": "{CANARY}", ',
    "GET /?id=canary%2D3141592653 is no JSON",
    '{"event_name": "x", "note": "canary\\u002d3141592653"}',
]
OTHER_BAD = [f'{{"visitor_id": "{CANARY}9"', "no JSON"]


def deliver(deployment: Deployment, *, with_canary: bool = True) -> None:
    canary, bad = (CANARY_LINES, BAD) if with_canary else ([], [])
    deployment.deliver("first", [*canary[:2], *OTHERS[:3], *bad, *OTHER_BAD])
    deployment.deliver("second", [*OTHERS[3:], *canary[1:]])


def build_with_canary(folder: Path) -> Deployment:
    """Build a deployment with the canary, published several times, so that there are files of earlier states."""
    deployment = Deployment(folder, SETTINGS)
    deliver(deployment)
    deployment.run(UNTIL)
    report.write(deployment.folder)
    deployment.deliver("third", THIRD)  # the first of these is the new beginning of a session of the canary
    deployment.run(UNTIL)
    shutil.copyfile(deployment.folder.reports / "latest.html", deployment.folder.reports / "2026-10-05.html")
    (deployment.folder.reports / "index.html").write_text("a page of others")
    return deployment


class Erased(NamedTuple):
    """A deployment after an erasure, what it held about the person, and the reports that were deleted."""

    deployment: Deployment
    held: Held
    reports: Sequence[Path]


def erase_canary(deployment: Deployment) -> Erased:
    held = begin(deployment, Person(CANARY, None, None))
    return Erased(deployment, held, complete(deployment))


def begin(deployment: Deployment, person: Person, until: date = UNTIL) -> Held:
    """Record an erasure, as the command does."""
    with open_run(deployment.folder, run_id="test", until=until) as run:
        held = find_held(run, person)
        erasure.record(run, held)
    return held


def complete(deployment: Deployment) -> Sequence[Path]:
    """Do the remaining steps of an erasure, as the commands do, without the history of runs."""
    deployment.run(UNTIL)
    report.write(deployment.folder)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        left = unfinished_in(deployment.folder)
        assert left is not None
        reports = erasure.delete_leftovers(run, left)
        erasure.finish(run)
    return reports


def texts_left(deployment: Deployment, texts: Sequence[str]) -> list[str]:
    """Return the places that have one of these texts, without the delivered files."""
    return sorted(set(all_places(deployment.folder, texts)))


def rows_without_files(deployment: Deployment) -> dict[str, list[str]]:
    """Return the rows of all tables that can be rebuilt, without the columns about delivered files."""
    return {
        name: sorted(map(repr, _without_files(deployment.table(name)).itertuples(index=False)))
        for name, contract in TABLES.items()
        if not contract.is_log and name not in ("source_files", "warehouse_info")
    }


def _without_files(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=[name for name in rows.columns if name in OF_FILES])
