"""Tests dead machines and orphans: the next start needs no manual repair, and there is one writer.

The tests start the Dagster UI with its daemon, as users do, and kill the processes that a machine failure kills.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from urllib.request import Request, urlopen

import dagster as dg
import pytest

from session_pipeline.defs.dead_runs import PROCESS
from session_pipeline.run.pipeline import open_store
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.dying_runs import (
    CANCELED,
    DAYS,
    FAILURE,
    STARTED,
    SUCCESS,
    assert_equal_to_a_clean_run,
    ignore_interrupts,
    partitions,
    recovered,
    status_of,
    three_days,
    wait_until,
)
from session_pipeline_tests.orchestration import COMMAND, Orchestrated, command_line, shop_lines
from session_pipeline_tests.reliability.figures import effort
from session_pipeline_tests.servers import END_SECONDS, PATIENCE, reserved_port


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Orchestrated]:
    with three_days(tmp_path / "data") as made:
        yield made


@pytest.mark.reliability
@pytest.mark.timeout(36_000)
def test_recovery_from_dead_processes_machines_and_orphans(deployment: Orchestrated) -> None:
    for number in range(effort()):
        deliver_late(deployment, 4 * number)
        with dagster_dev(deployment) as machine:
            run = run_at_work(deployment)
            died_at = monotonic()
            os.kill(process_of(run), signal.SIGKILL)
            wait_until(lambda: is_done(deployment), "all days are built and published")
            recovered(deployment, 1, monotonic() - died_at)
            assert status_of(deployment, run) is FAILURE

            deliver_late(deployment, 4 * number + 1)
            run = run_at_work(deployment)
            machine.ask(f'mutation {{ terminateRun(runId: "{run.run_id}") {{ __typename }} }}')
            wait_until(lambda run=run: status_of(deployment, run) is CANCELED, "the run is canceled")
            kept = partitions(deployment)
            assert command_line(deployment).returncode == 0
            built = {key for key, partition in kept.items() if partition.run_id == run.run_id}
            assert {partitions(deployment)[key].run_id for key in built} == {run.run_id}, "it is not built again"
            assert_equal_to_a_clean_run(deployment)

            deliver_late(deployment, 4 * number + 2)
            run = run_at_work(deployment)
            machine.die()
            wait_until(lambda run=run: not is_alive(process_of(run)), "the machine is dead")
            assert status_of(deployment, run) is STARTED, "nobody was left to say that it died"

        started_at = monotonic()
        with dagster_dev(deployment) as machine:
            wait_until(lambda: is_done(deployment), "all days are built and published")
            recovered(deployment, 1, monotonic() - started_at)
            assert status_of(deployment, run) is FAILURE

            deliver_late(deployment, 4 * number + 3)
            run = run_at_work(deployment)
            machine.die(but=process_of(run))
            waits_for_the_orphan(deployment, run)


def deliver_late(deployment: Orchestrated, number: int) -> None:
    """Deliver new visitors for every day and a new day.

    The new day is needed because a sensor collects more changes of the same days for a while.
    """
    for day in DAYS:
        deployment.deliver(f"late {number} {day}", shop_lines(day, visitors=6 + number)[-6:])
    new_day = DAYS[-1] + timedelta(days=1 + number)
    deployment.deliver(str(new_day), shop_lines(new_day))
    assert deployment.ingest().success


def waits_for_the_orphan(deployment: Orchestrated, run: dg.DagsterRun) -> None:
    """Test that a command line run waits for an orphan that is stopped and continued."""
    orphan = process_of(run)
    os.kill(orphan, signal.SIGSTOP)
    held = partitions(deployment)
    try:
        command = [*COMMAND, "run", "--data", str(deployment.folder.path)]
        successor = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        try:
            assert successor.stderr is not None
            said = next((line for line in successor.stderr if "waiting for process" in line), "nothing")
            assert f"waiting for process {orphan} since" in said
            assert status_of(deployment, run) is STARTED, "it lives, and is left alone"
            assert partitions(deployment) == held, "nobody writes while it holds the store"
        finally:
            os.kill(orphan, signal.SIGCONT)
        _, errors = successor.communicate(timeout=PATIENCE)
        assert successor.returncode == 0, errors
        wait_until(lambda: status_of(deployment, run) is not STARTED, "the orphan ends")
    finally:
        with suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)
    assert status_of(deployment, run) is SUCCESS
    assert_equal_to_a_clean_run(deployment)


class Machine:
    """The Dagster UI, its daemon, the code server and the runs: one group of processes."""

    def __init__(self, group: int, port: int) -> None:
        self.group = group
        self.port = port

    def ask(self, query: str) -> None:
        """Send a GraphQL query to the UI's server, as a button does."""
        body = json.dumps({"query": query}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        with urlopen(Request(address, body, {"content-type": "application/json"}), timeout=PATIENCE) as answer:
            assert "errors" not in json.load(answer)

    def die(self, but: int | None = None) -> None:
        """Kill all processes at once, as a power loss does, or all but one."""
        if but is None:
            os.killpg(self.group, signal.SIGKILL)
            return
        for process in self.processes():
            if process != but:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def processes(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(path.read_text().rpartition(")")[2].split()[2]) == self.group:
                    found.append(int(path.parent.name))
        return found


@contextmanager
def dagster_dev(deployment: Orchestrated) -> Iterator[Machine]:
    """Run `session-pipeline dev` as a script starts it with &. It ends on a signal if it was not killed."""
    with reserved_port() as port, (deployment.folder.path.parent / "dev.log").open("a") as log:
        process = subprocess.Popen(
            [*COMMAND, "dev", "--port", str(port), "--data", str(deployment.folder.path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ignore_interrupts,
        )
        try:
            yield Machine(process.pid, port)
        finally:
            try:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(END_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def run_at_work(deployment: Orchestrated) -> dg.DagsterRun:
    """Wait for a run of the sensor that has built something and has more to build, and return it."""

    def find() -> dg.DagsterRun | None:
        for run in deployment.instance.get_runs(dg.RunsFilter(job_name="build", statuses=[STARTED])):
            if PROCESS in run.tags and any(
                partition.run_id == run.run_id for partition in partitions(deployment).values()
            ):
                return run
        return None

    run = wait_until(find, "a run builds")
    assert run is not None
    assert not deployment.planned().is_empty, "the run was quicker than the test"
    return run


def is_done(deployment: Orchestrated) -> bool:
    """Return whether all days are built and published."""
    with closing(open_store(deployment.folder)) as store:
        published = next((item.generation for item in store.catalog.publications()), 0)
        if published != store.catalog.generation():
            return False
    return deployment.planned().is_empty


def process_of(run: dg.DagsterRun) -> int:
    return int(run.tags[PROCESS].split("/")[3])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
