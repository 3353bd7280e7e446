"""Tests dead processes, dead machines and orphans: the next start needs no manual repair, and there is one writer.

The long tests start the Dagster UI with its daemon, as users do, and kill the processes that a machine failure kills.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import TypeVar
from urllib.request import Request, urlopen
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline.defs import dead_runs
from session_pipeline.defs.dead_runs import PROCESS, SERVER
from session_pipeline.run.pipeline import open_store
from session_pipeline.store import crash_points
from session_pipeline.store.records import Key, Partition
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.orchestration import (
    COMMAND,
    QUIET,
    SMALL,
    Orchestrated,
    command_line,
    failures,
    orchestrated,
    shop_lines,
)
from session_pipeline_tests.reliability.figures import effort, record, record_most
from session_pipeline_tests.servers import END_SECONDS, PATIENCE, reserved_port

FIRST = date(2024, 5, 6)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
FAILURE, CANCELED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED
STARTING, SUCCESS = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.SUCCESS
PROMISED_SECONDS = 60.0
T = TypeVar("T")


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Orchestrated]:
    with orchestrated(tmp_path / "data") as made:
        for day in DAYS:
            made.deliver(str(day), shop_lines(day))
        yield made


@pytest.fixture
def gone() -> str:
    """The name of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = dead_runs.process_name(process.pid)
    process.communicate(b"\n")
    return name


def remember(
    deployment: Orchestrated, status: dg.DagsterRunStatus, process: str | None = None, **run_tags: str
) -> dg.DagsterRun:
    """Add a run to the history, with a tag that names its process if one is given."""
    run_id = str(uuid4())
    signed = {PROCESS: f"{process}/{run_id}"} if process else {}
    run = dg.DagsterRun(job_name="build", run_id=run_id, status=status, tags={**signed, **run_tags})
    deployment.instance.add_run(run)
    return run


def status_of(deployment: Orchestrated, run: dg.DagsterRun | str) -> dg.DagsterRunStatus:
    found = deployment.instance.get_run_by_id(run if isinstance(run, str) else run.run_id)
    assert found is not None
    return found.status


# Which runs are dead


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, STARTING, STARTED])
def test_run_with_a_dead_process_is_failed(deployment: Orchestrated, gone: str, status: dg.DagsterRunStatus) -> None:
    run = remember(deployment, status, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE
    ended = deployment.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert dead_runs.has_died(ended)
    assert any(dead_runs.MESSAGE in entry.message for entry in deployment.instance.all_logs(run.run_id))
    if status is not STARTED:  # for STARTED, Dagster has a start time already, which `remember` does not write
        [record] = deployment.instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        assert record.start_time is not None, "the UI would say that it failed to start"


def test_run_from_before_the_last_boot_is_failed(deployment: Orchestrated) -> None:
    host, _, space, pid, start = dead_runs.process_name(os.getpid()).split("/")
    run = remember(deployment, STARTED, f"{host}/another boot/{space}/{pid}/{start}")
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE


def test_dead_run_in_cancellation_is_canceled(deployment: Orchestrated, gone: str) -> None:
    run = remember(deployment, dg.DagsterRunStatus.CANCELING, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is CANCELED


def test_run_that_succeeds_during_the_check_stays_a_success(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = remember(deployment, STARTED, dead_runs.process_name(os.getpid()))

    def ends_now(process: str) -> bool:
        ended = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "build")
        deployment.instance.handle_run_event(run.run_id, ended)
        return False

    monkeypatch.setattr(dead_runs, "_is_alive", ends_now)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, run) is SUCCESS


def test_runs_of_live_processes_and_other_machines_are_kept(deployment: Orchestrated, gone: str) -> None:
    runs = [
        remember(deployment, STARTED, dead_runs.process_name(os.getpid())),
        remember(deployment, STARTED, gone.replace("/", "-elsewhere/", 1)),
    ]
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert [status_of(deployment, run) for run in runs] == [STARTED, STARTED]


def test_retry_with_the_tags_of_a_dead_run_is_kept(deployment: Orchestrated, gone: str) -> None:
    dead = remember(deployment, STARTED, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    ended = deployment.instance.get_run_by_id(dead.run_id)
    assert ended is not None
    again = remember(deployment, STARTING, **ended.tags)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, again) is STARTING
    assert not dead_runs.has_died(again)


def test_queued_run_has_time_to_start(deployment: Orchestrated) -> None:
    run = dg.DagsterRun(job_name="build", run_id=str(uuid4()))
    deployment.instance.run_storage.add_historical_run(run, datetime.now(UTC) - timedelta(hours=1))
    launched = dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name="build")
    deployment.instance.report_dagster_event(launched, run.run_id)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, run) is STARTING


def test_run_without_a_process_dies_with_its_code_server(
    deployment: Orchestrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "server"
    info = f'{{"host": "localhost", "socket": "{path}"}}'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        run = remember(deployment, STARTING, **{SERVER: info})
        monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "its server watches it"
    store = open_store(deployment.folder)
    with store.writing():
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "it may be who holds the store"
    store.close()
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(hours=1))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "the server's name may be an old one"
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE


def test_run_reported_as_failed_does_no_more_work(deployment: Orchestrated) -> None:
    run_id, results = str(uuid4()), []
    job = deployment.definitions().resolve_job_def("ingest")

    def work() -> None:
        result = job.execute_in_process(
            instance=deployment.instance, run_id=run_id, run_config=QUIET, raise_on_error=False
        )
        results.append(result)

    store = open_store(deployment.folder)
    with store.writing():
        orphan = Thread(target=work)
        orphan.start()
        wait_until(lambda: any("waiting for process" in text for text in messages(deployment, run_id)), "it waits")
        run = deployment.instance.get_run_by_id(run_id)
        assert run is not None
        assert run.tags[PROCESS] == f"{dead_runs.process_name(os.getpid())}/{run_id}"
        deployment.instance.report_run_failed(run)
    orphan.join()
    assert failures(results[0]) == ["this run was reported as finished while it was still running; it stops now"]
    store.refresh()
    assert not store.partitions
    store.close()


# The command line


@pytest.mark.long
def test_next_run_fails_a_killed_command_line_run(deployment: Orchestrated) -> None:
    killed_at_each(deployment, [60])


def test_background_run_ends_on_interrupt(deployment: Orchestrated) -> None:
    with closing(open_store(deployment.folder)) as store, store.writing():
        waiting = subprocess.Popen(
            [*COMMAND, "run", "--data", str(deployment.folder.path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=ignore_interrupts,
        )
        with waiting:
            assert waiting.stderr is not None
            assert any("waiting for process" in line for line in waiting.stderr)
            waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 130


@pytest.mark.reliability
def test_repeatedly_killed_run_ends_equal_to_a_clean_run(deployment: Orchestrated) -> None:
    last = len(places_of_a_run(deployment))
    kills = 3 * effort()
    # At the first crash point, then at consecutive crash points, so that each kill is at another point of a commit.
    killed_at_each(deployment, [1, *(last // (kills + 1) + number for number in range(kills - 1))])


def places_of_a_run(deployment: Orchestrated) -> list[str]:
    """Return the crash points that an undisturbed run reaches."""
    with orchestrated(deployment.folder.path.parent / "counted", copy_of=deployment) as copy:
        log = copy.folder.path.parent / "places"
        assert command_line(copy, **{crash_points.CRASH_AT: "0", crash_points.CRASH_LOG: str(log)}).returncode == 0
        return log.read_text().splitlines()


def killed_at_each(deployment: Orchestrated, places: list[int]) -> None:
    """Run the command line once per crash point and kill it there, then run it once without a kill."""
    died: set[str] = set()
    for place in places:
        assert command_line(deployment, **{crash_points.CRASH_AT: str(place)}).returncode == -signal.SIGKILL
        open_runs = deployment.instance.get_runs(dg.RunsFilter(statuses=dead_runs.UNFINISHED))
        assert died.isdisjoint(run.run_id for run in open_runs), "the start after it failed the dead run"
        died |= {run.run_id for run in open_runs}  # empty if it was killed before or between the runs of its jobs
    assert died
    started = monotonic()
    ended = command_line(deployment)
    recovered(deployment, len(died), monotonic() - started)
    assert ended.returncode == 0, ended.stderr
    ends = {run.run_id: run.status for run in deployment.instance.get_runs()}
    assert set(ends.values()) == {SUCCESS, FAILURE}
    assert {run_id for run_id, status in ends.items() if status is FAILURE} == died, "and no other"
    assert all(run.remote_job_origin is not None for run in deployment.instance.get_runs())


# The daemon


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


def ignore_interrupts() -> None:
    """Ignore SIGINT, as in a process that a script starts with &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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


def process_of(run: dg.DagsterRun) -> int:
    return int(run.tags[PROCESS].split("/")[3])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], T], what: str) -> T:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if found := condition():
            return found
        sleep(0.2)
    pytest.fail(f"in vain it was waited until {what}")
