"""A deployment with its own Dagster instance, for tests: runs jobs in this process and reads what Dagster recorded."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs.deployment import make_definitions
from session_pipeline.defs.local_runs import instance_of
from session_pipeline.defs.tags import SCHEDULE, run_tags
from session_pipeline.run import pipeline
from session_pipeline.settings import load_settings
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.deployment import Deployment

COMMAND = [sys.executable, "-c", "from session_pipeline.cli import main; main()"]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
VISITS = (
    ("/", "page_view"),
    ("/product/lamp-1042", "page_view"),
    ("/cart", "add_to_cart"),
    ("/checkout", "begin_checkout"),
    ("/thanks", "purchase"),
)
SMALL = {
    "start_date": date(2024, 5, 1),
    "funnels": [
        {
            "name": "checkout",
            "steps": [
                {"name": "cart", "where": "event_name = 'add_to_cart'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
        }
    ],
}


def shop_lines(day: date, visitors: int = 5) -> list[dict[str, Any]]:
    """Each visitor has one session and gets one step further than the visitor before."""
    return [
        {
            "event_id": f"{day}-{visitor}-{number}",
            "visitor_id": f"visitor {visitor}",
            "event_time": f"{day}T10:{visitor:02d}:{number:02d}Z",
            "event_name": name,
            "page_url": f"https://shop.example{path}",
            "value": 20 if name == "purchase" else None,
        }
        for visitor in range(visitors)
        for number, (path, name) in enumerate(VISITS[: visitor % len(VISITS) + 1])
    ]


class Orchestrated(Deployment):
    """A deployment that runs through Dagster."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder, SMALL if settings is None else settings)
        self.instance = instance

    def definitions(self) -> dg.Definitions:
        return make_definitions(self.folder)

    def ingest(self, **run_tags: str) -> dg.ExecuteInProcessResult:
        return self.execute("ingest", run_tags)

    def planned(self, *, upgrade: bool = False) -> Plan:
        settings = load_settings(self.folder.path)
        return pipeline.current_plan(self.folder, settings, pipeline.horizon(settings, None), upgrade=upgrade)

    def build(self) -> dg.ExecuteInProcessResult:
        """Build everything in the plan in one Dagster run."""
        days = self.planned().days
        return self.execute("build", self.run_tags(days[0], days[-1]))

    def run_tags(self, first: date, last: date) -> Mapping[str, str]:
        return run_tags(self.planned(), str(first), str(last), SCHEDULE)

    def execute(
        self,
        job: str,
        tags: Mapping[str, str],
        assets: Sequence[dg.AssetKey] | None = None,
        definitions: dg.Definitions | None = None,
    ) -> dg.ExecuteInProcessResult:
        resolved = (definitions or self.definitions()).resolve_job_def(job)
        return resolved.execute_in_process(
            instance=self.instance, run_config=QUIET, tags=tags, asset_selection=assets, raise_on_error=False
        )

    def by_hand(self, day: date, *tables: str, definitions: dg.Definitions | None = None) -> dg.ExecuteInProcessResult:
        """Run what the button Materialize launches for one day of some tables."""
        job = (definitions or self.definitions()).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            run_config=QUIET,
            partition_key=str(day),
            asset_selection=[dg.AssetKey(name) for name in tables],
            raise_on_error=False,
        )

    def seen(self, table: str, day: date | None = None) -> Mapping[str, Any]:
        """Return the metadata of the latest materialization, as plain values."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(table), asset_partitions=[str(day)] if day else None), limit=1
        ).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {label: value.value for label, value in materialization.metadata.items()}


@contextmanager
def orchestrated(
    folder: Path, settings: Mapping[str, Any] | None = None, copy_of: Deployment | None = None
) -> Iterator[Orchestrated]:
    """A new deployment, or a copy of an existing one with its run history."""
    if copy_of is not None:
        shutil.copytree(copy_of.folder.path, folder)
    with instance_in(DataFolder(folder)) as instance:
        yield Orchestrated(folder, instance, settings)


@contextmanager
def instance_in(folder: DataFolder) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a data folder. New databases are copies: to create them takes ten times as long."""
    if not folder.dagster_home.exists():
        for path, content in _new_home().items():
            (folder.dagster_home / path).parent.mkdir(parents=True, exist_ok=True)
            (folder.dagster_home / path).write_bytes(content)
    with instance_of(folder) as instance:
        yield instance


@cache
def _new_home() -> Mapping[Path, bytes]:
    """Return the files of a new instance of Dagster, by their path below its folder."""
    with TemporaryDirectory() as place:
        home = DataFolder(Path(place)).dagster_home
        with instance_of(DataFolder(Path(place))):
            pass
        return {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the error message of each failed step, with the cause."""
    said = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            assert data.error is not None
            said.append(data.user_failure_data.description if data.user_failure_data else data.error.to_string())
    return [str(sentence) for sentence in said]


def steps_run(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.step_key for event in result.all_events if event.is_step_success and event.step_key}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def command_line(deployment: Deployment, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `session-pipeline run` in a separate process."""
    return run_program("run", "--data", deployment.folder.path, **variables)
