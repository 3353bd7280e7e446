"""Asks the checks about a store, and changes its tables as if a model were wrong, for tests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from session_pipeline.checks import Verdict
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines

WEEKS = [date(2024, 5, 6) + timedelta(weeks=week) for week in range(4)]
DAY = WEEKS[-1]


def build_four_weeks(folder: Path) -> Deployment:
    """Build four Mondays, the last with a duplicate line."""
    deployment = Deployment(folder, SMALL)
    for day in WEEKS:
        deployment.deliver(str(day), shop_lines(day))
    deployment.deliver("again", shop_lines(DAY)[-1:])
    deployment.run()
    return deployment


@contextmanager
def opened(deployment: Deployment, until: date | None = None) -> Iterator[Run]:
    with open_run(deployment.folder, run_id="test", until=until) as run:
        yield run


def asked(
    deployment: Deployment, check: Callable[[Run, Sequence[date]], Verdict], day: date = DAY, until: date | None = None
) -> Verdict:
    with opened(deployment, until) as run:
        return check(run, [day])


def change(deployment: Deployment, name: str, select: str, day: date | None = DAY, file_id: str = "") -> None:
    """Commit other rows for a partition, as if its model had returned them."""
    with opened(deployment) as run:
        partition = run.store.partitions[Key(name, day, file_id)]
        path = run.store.scratch / "changed.parquet"
        with run.engine.job() as job:
            job.add_input(table(name), [run.store.path_of(partition)])
            count = job.write(table(name), select, path)
        _commit(run, partition, path, count)


def _commit(run: Run, partition: Partition, path: Path, count: int) -> None:
    parts, counts = dict(partition.parts), dict(partition.counts)
    run.store.commit(
        [Written(partition.key, path, count, partition.fingerprint, parts, counts, "a test")], run_id="test"
    )


def file_ids(deployment: Deployment, day: date = DAY) -> list[str]:
    with opened(deployment) as run:
        return [key.file_id for key in run.store.partitions if key.table == "raw_events" and key.date == day]
