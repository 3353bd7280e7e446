"""Two days to build in Dagster, and ticks of the sensors over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from session_pipeline.defs import tags
from session_pipeline_tests.orchestration import Orchestrated, orchestrated, shop_lines

DAY, FAR_DAY = date(2024, 5, 6), date(2024, 6, 3)
RUNS_OF_RANGES = [("2024-05-06", "2024-05-07"), ("2024-06-03", "2024-06-04")]


@contextmanager
def two_days(folder: Path) -> Iterator[Orchestrated]:
    """A deployment with two days a month apart, ingested but not built."""
    with orchestrated(folder) as deployment:
        for day in (DAY, FAR_DAY):
            deployment.deliver(str(day), shop_lines(day))
        assert deployment.ingest().success
        yield deployment


def tick(deployment: Orchestrated, name: str, cursor: str | None = None) -> SensorExecutionData:
    """Let a sensor look at the deployment once."""
    definitions = deployment.definitions()
    with dg.build_sensor_context(instance=deployment.instance, cursor=cursor, definitions=definitions) as context:
        return definitions.resolve_sensor_def(name).evaluate_tick(context)


def range_of(request: dg.RunRequest) -> tuple[str, str]:
    """Return the first and the last day that a requested run builds."""
    return request.tags[tags.RANGE_START], request.tags[tags.RANGE_END]


def remember(
    deployment: Orchestrated, job: str, status: dg.DagsterRunStatus, run_id: str | None = None, **run_tags: str
) -> str:
    """Add a run to the history."""
    run = dg.DagsterRun(job_name=job, run_id=run_id or str(uuid4()), status=status, tags=run_tags)
    deployment.instance.add_run(run)
    return run.run_id


def planned(deployment: Orchestrated) -> dict[str, str]:
    """Return the tag of a run of the present plan."""
    return {tags.PLANNED: tags.plan_id(deployment.planned())}
