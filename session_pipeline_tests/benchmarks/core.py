"""Runs the core of the project in this process: files to events, sessions, actions, outcomes and their warehouse.

`python -m session_pipeline_tests.benchmarks.core FOLDER` prints the number of sessions. It does the same work as the
peers: no goals, funnels, daily tables, checks, report, lake and Dagster.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import warehouse_file
from session_pipeline.publish.new_warehouse import GIGABYTE
from session_pipeline.publish.published_state import published_partitions
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables import table
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import by_step

TABLES = ("events", "sessions", "session_actions", "session_outcomes")


def needed_steps() -> set[str]:
    """Return the names of the steps that build TABLES and what they read."""
    found: set[str] = set()
    waiting: list[Step] = [STEP_OF_TABLE[name] for name in TABLES]
    while waiting:
        step = waiting.pop()
        if step.name not in found:
            found.add(step.name)
            waiting += [STEP_OF_TABLE[what.table] for what in step.inputs if what.table in STEP_OF_TABLE]
    return found


def run_core(folder: Path) -> int:
    """Run the core on a data folder that was not built before; return the number of sessions."""
    needed = needed_steps()
    with open_run(DataFolder(folder), run_id="core") as run:
        run.ingest()
        for step, days in by_step(run.plan()):
            if step.name in needed:
                run.build(step, days)
        built_at = datetime.now(UTC).replace(tzinfo=None)
        info = {
            "built_at": built_at,
            "data_until": run.until,
            "generation": 1,
            "package_version": "",
            "settings_hash": "",
            "timezone": run.settings.timezone,
            "outdated_day_count": 0,
        }
        new = warehouse_file.NewFile(run.folder.warehouse, is_only_writer=True)
        new.write(
            run.store,
            [partition for partition in published_partitions(run.store) if partition.key.table in TABLES],
            pa.Table.from_pylist([info], schema=table("warehouse_info").schema),
            native_limit_bytes=run.settings.publish.native_limit_gb * GIGABYTE,
        )
        new.put_in_place()
        return sum(partition.row_count for partition in run.store.of_table("sessions"))


if __name__ == "__main__":
    print(run_core(Path(sys.argv[1])))
