"""Three days to build in Dagster, for tests whose runs die, and what must hold after the next start.

Kills at chosen places of the code are in crashes/.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline.run.pipeline import open_store
from session_pipeline.store.records import Key, Partition
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, Orchestrated, orchestrated, shop_lines
from session_pipeline_tests.reliability.figures import record, record_most
from session_pipeline_tests.servers import PATIENCE

FIRST = date(2024, 5, 6)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
FAILURE, CANCELED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED
STARTING, SUCCESS = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.SUCCESS
PROMISED_SECONDS = 60.0
T = TypeVar("T")


@contextmanager
def three_days(folder: Path) -> Iterator[Orchestrated]:
    """A deployment with three delivered days and nothing built."""
    with orchestrated(folder) as made:
        for day in DAYS:
            made.deliver(str(day), shop_lines(day))
        yield made


def status_of(deployment: Orchestrated, run: dg.DagsterRun | str) -> dg.DagsterRunStatus:
    found = deployment.instance.get_run_by_id(run if isinstance(run, str) else run.run_id)
    assert found is not None
    return found.status


def ignore_interrupts() -> None:
    """Ignore SIGINT, as in a process that a script starts with &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def recovered(deployment: Orchestrated, died: int, seconds: float) -> None:
    """Test the result after a recovery, and that it took no longer than promised.

    On a slow or busy machine everything takes longer. Then the limit is a multiple of the time of a clean run.
    """
    started = monotonic()
    assert_equal_to_a_clean_run(deployment)
    limit = max(PROMISED_SECONDS, 30 * (monotonic() - started))
    record(dead_runs_recovered=died)
    record_most(longest_recovery_seconds=round(seconds))
    assert seconds <= limit, f"it took {seconds:.0f} s, more than {limit:.0f} s"


def assert_equal_to_a_clean_run(deployment: Orchestrated) -> None:
    clean = Deployment(deployment.folder.path.parent / f"clean {uuid4()}", SMALL)
    for path in sorted((deployment.folder.raw / "test").iterdir()):
        clean.deliver(path.stem, path.read_text().splitlines())
    clean.run()
    assert deployment.hashes() == clean.hashes()
    assert deployment.folder.warehouse.is_file()


def partitions(deployment: Orchestrated) -> dict[Key, Partition]:
    with closing(open_store(deployment.folder)) as store:
        return store.partitions


def messages(deployment: Orchestrated, run_id: str) -> list[str]:
    return [entry.user_message for entry in deployment.instance.all_logs(run_id)]


def wait_until(condition: Callable[[], T], what: str) -> T:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if found := condition():
            return found
        sleep(0.2)
    pytest.fail(f"in vain it was waited until {what}")
