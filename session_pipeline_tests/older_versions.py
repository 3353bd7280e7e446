"""Builds three days, and changes their store to what an older version of the package would have left, for tests."""

from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.store.records import Recipe, Written
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.deployment import Deployment

FIRST = date(2026, 10, 5)
UNTIL = date(2026, 10, 20)
SETTINGS = {"start_date": date(2026, 10, 1)}


def lines(day: int, visitors: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{day}-{visitor}-{minute}",
            "visitor_id": f"v{visitor}",
            "event_time": f"2026-10-{day:02}T10:{minute:02}:00Z",
            "event_name": name,
            "page_url": f"https://shop.example/{name}",
            "page_title": f"Page {minute}",
        }
        for visitor in range(visitors)
        for minute, name in ((0, "page_view"), (5, "search"), (9, "purchase"))
    ]


def build_days(folder: Path) -> Deployment:
    """Build three days. A late event makes the first day built again, so its history has two entries."""
    deployment = Deployment(folder, SETTINGS)
    for day in range(5, 8):
        deployment.deliver(f"day-{day}", lines(day))
    deployment.run(UNTIL)
    deployment.deliver("late", lines(5, visitors=4)[-1:])
    deployment.run(UNTIL)
    return deployment


def copy_of(deployment: Deployment, folder: Path) -> Deployment:
    """Return a copy that a test may change. It was run once, so that the copied files are known."""
    copy = deployment.copied_to(folder)
    copy.run(UNTIL)
    return copy


def written_by_an_older_version(deployment: Deployment, name: str, select: str) -> None:
    """Change the store to what an older version would have left, which wrote these columns of a table.

    Everything is fresh except for the contract of the table.
    """
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run:
        for number, partition in enumerate(run.store.of_table(name)):
            path = run.store.scratch / f"{number}.parquet"
            source = f"read_parquet('{run.store.path_of(partition)}', hive_partitioning = false)"
            run.engine.connection.execute(f"copy ({select.format(source=source)}) to '{path}' (format parquet)")
            counts = dict(partition.counts)
            run.store.commit(
                [Written(partition.key, path, partition.row_count, "older", dict(partition.parts), counts)],
                run_id="older",
            )
        with run.store.catalog.transaction():
            _record_as_fresh(run, name)
        run.store.catalog.set_state("published_contracts", 1)


def _record_as_fresh(run: Run, older: str) -> None:
    run.store.refresh()
    for step in STEPS:
        parts_of_recipe = dict(run.planner.fingerprints.recipe(step).parts)
        for key, partition in list(run.store.partitions.items()):
            if key.table not in step.tables:
                continue
            run.planner._partitions = run.store.partitions
            run.planner.inputs.forget_raw()
            fingerprint = run.planner.fingerprints.of(step, key.date)
            assert fingerprint is not None
            parts, value = dict(fingerprint.parts), fingerprint.value
            if older in step.tables:
                parts["recipe"] = value = f"older {step.name}"
                run.store.catalog.put_recipe(Recipe(value, parts_of_recipe | {f"contract of {older}": "older"}))
            fresh = partition._replace(fingerprint=value, parts=parts)
            run.store.catalog.put([fresh])
            run.store.partitions[key] = fresh
