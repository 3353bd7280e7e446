"""Tests runs with too little disk or memory: they report it or spill, and nothing is lost or different."""

import functools
import json
import os
import random
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter

import duckdb
import pytest

from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.errors import DiskFullError, MemoryTooSmallError
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import parse_settings
from session_pipeline.tables.outcomes.from_settings import dimension_values
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.crashes.killed_runs import run_in_child
from session_pipeline_tests.crashes.recovery import (
    Scenario,
    faults_of,
    make_scenario,
    require_durable,
    require_recovery,
    require_whole,
    state_of,
)
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reliability.figures import effort, record
from session_pipeline_tests.servers import reserved_port
from session_pipeline_tests.shop_commands import call
from session_pipeline_tests.test_crashes import LATE, UNTIL, two_days

KILOBYTE = 1 << 10
# Files of a few kilobytes belong to the store; of a few hundred to the catalog; of a megabyte to the warehouse.
LARGEST_FILES = (4, 16, 64, 256, 1024)
FREE = (0, 16, 64, 256, 1024)
EVENT_COUNT = 60_000
KILLS = 5
LAST = date(2026, 10, 20)
SPILLING = {"resources": {"memory_limit": "100MB", "threads": 1}}
AMPLE = {"resources": {"memory_limit": "4GB", "threads": 1}}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    folder = tmp_path_factory.mktemp("resources")
    return make_scenario(two_days(folder / "start"), LATE, UNTIL, folder)


@pytest.fixture(scope="module")
def busy_day(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A day with so many events that sorting them does not fit into the memory of SPILLING; not run yet."""
    deployment = Deployment(tmp_path_factory.mktemp("busy") / "data", AMPLE)
    folder = deployment.folder.raw / "test"
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select
                    'e' || i as event_id,
                    'v' || (i * 7919 % {EVENT_COUNT // 20}) as visitor_id,
                    strftime(
                        timestamp '2026-10-05 00:00:00' + to_seconds(i * 86400 // {EVENT_COUNT}), '%Y-%m-%dT%H:%M:%SZ'
                    ) as event_time,
                    'page_view' as event_name,
                    'https://shop.example/p/' || (i % 50) as page_url,
                    sha256(i::varchar) || sha256((i + 1)::varchar) as note
                from range({EVENT_COUNT}) as numbers(i)
            ) to '{folder / "day.jsonl"}' (format json)
            """
        )
    return deployment


@pytest.fixture(scope="module")
def busy_state(busy_day: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the partitions of busy_day, built with ample memory."""
    return built(busy_day, tmp_path_factory.mktemp("ample") / "data").hashes()


def built(deployment: Deployment, folder: Path) -> Deployment:
    deployment = copied(deployment, folder)
    deployment.run(LAST)
    return deployment


def copied(deployment: Deployment, folder: Path) -> Deployment:
    shutil.rmtree(folder, ignore_errors=True)
    return deployment.copied_to(folder)


@pytest.mark.reliability
@pytest.mark.parametrize("kilobytes", LARGEST_FILES)
def test_file_size_limit_only_ends_the_run(scenario: Scenario, kilobytes: int, tmp_path: Path) -> None:
    deployment = scenario.deploy(tmp_path / "data")
    ended = run_in_child(deployment, scenario.until, prepare=functools.partial(limit_files, kilobytes * KILOBYTE))
    require_told(ended.error, deployment)
    require_kept(deployment, scenario, f"files of at most {kilobytes} kB")
    record(disk_full_survived=1)


@pytest.mark.reliability
def test_full_disk_only_ends_the_run(scenario: Scenario, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        for kilobytes in FREE:
            deployment = scenario.deploy(disk / "data")
            fill(disk, kilobytes * KILOBYTE)
            ended = run_in_child(deployment, scenario.until)
            require_told(ended.error, deployment)
            (disk / "ballast").unlink()
            require_kept(deployment, scenario, f"{kilobytes} kB free")
            shutil.rmtree(disk / "data")
            record(disk_full_survived=1)


@pytest.mark.reliability
def test_command_line_reports_a_full_disk_in_one_sentence(scenario: Scenario, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        deployment = scenario.deploy(disk / "data")
        command = ("run", "--data", deployment.folder.path, "--until", str(scenario.until))
        for kilobytes in (0, 128, 1024):  # Dagster also uses some of it
            fill(disk, kilobytes * KILOBYTE)
            ran = run_program(*command)
            (disk / "ballast").unlink()
            assert ran.returncode == 1, ran.stdout
            assert "Traceback" not in ran.stderr
            assert "free some space and run again" in ran.stderr
            record(disk_full_survived=1)
        assert run_program(*command).returncode == 0
        assert state_of(deployment).partitions == scenario.after.partitions


@pytest.mark.reliability
def test_work_larger_than_memory_spills_and_gives_equal_bytes(
    busy_day: Deployment, busy_state: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(busy_day.folder.path, tmp_path / "data")
    deployment = Deployment(tmp_path / "data", SPILLING)
    with watching_spills(deployment) as spilled:
        deployment.run(LAST)
    assert max(spilled) > 1_000_000, "nothing was spilled, so this tells nothing"
    assert deployment.hashes() == busy_state
    assert faults_of(deployment) == []


@pytest.mark.reliability
def test_spill_of_a_dead_run_is_removed_at_the_next_start(
    busy_day: Deployment, busy_state: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(busy_day.folder.path, tmp_path / "data")
    deployment = Deployment(tmp_path / "data", SPILLING)
    ended = run_in_child(deployment, LAST, kill_when=lambda: spilled_bytes(deployment) > 0)
    assert ended.was_killed
    assert spilled_bytes(deployment) > 0
    deployment.run(LAST)
    assert deployment.hashes() == busy_state
    assert faults_of(deployment) == []
    record(kills_survived=1, kill_points_hit=1)


@pytest.mark.parametrize(
    ("threads", "gigabytes", "expected"),
    [(1, 16, "1000MB"), (2, 16, "1400MB"), (8, 16, "5600MB"), (32, 16, "8000MB"), (2, 1, "500MB")],
)
def test_memory_limit_follows_threads_and_memory_by_default(
    threads: int, gigabytes: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = {"SC_PAGE_SIZE": 4000, "SC_PHYS_PAGES": gigabytes * 250_000}
    monkeypatch.setattr("os.sysconf", machine.__getitem__)
    assert Limits(threads=threads).memory_limit == expected
    assert Limits("4GB", threads).memory_limit == "4GB"


@pytest.mark.long
def test_many_dimensions_of_long_lines_fit_into_little_memory(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(15)]
    settings = parse_settings("[dimensions]\n" + "\n".join(f"{name} = \"properties ->> '{name}'\"" for name in names))
    properties = json.dumps(dict.fromkeys(names, "x" * 400))
    events = f"""
        select
            's' || number // 10 as session_id, date '2026-10-05' as session_date, 'main' as site,
            number as event_number, '{properties}' || repeat(' ', number % 2) as properties
        from range(4096) as numbers(number)
    """
    with closing(DuckDBEngine(Limits("500MB", threads=1), tmp_path)) as engine, engine.job() as job:
        job.add_rows("days", SmallTable({"event_date": "DATE"}, [{"event_date": date(2026, 10, 5)}]))
        job.add_relation("events", events)
        job.add_relation("sessions", "select distinct session_id, session_date, false as is_bot from events")
        job.add_relation("dimension_values", dimension_values(settings))
        assert job.rows_of_model("session_dimensions", {}).num_rows == 410 * len(names)


@pytest.mark.reliability
def test_too_little_memory_names_the_setting_to_raise(busy_day: Deployment, tmp_path: Path) -> None:
    shutil.copytree(busy_day.folder.path, tmp_path / "data")
    deployment = Deployment(tmp_path / "data", {"resources": {"memory_limit": "20MB", "threads": 1}})
    with pytest.raises(MemoryTooSmallError, match=r"raise \[resources\] memory_limit"):
        deployment.run(LAST)


@pytest.mark.reliability
@pytest.mark.parametrize("seed", range(effort()))
def test_repeatedly_killed_run_finally_completes(
    busy_day: Deployment, busy_state: dict[str, str], seed: int, tmp_path: Path
) -> None:
    """Five kills at random moments in a row; each run continues from the state that the previous one left."""
    chance = random.Random(seed)
    started = perf_counter()
    run_in_child(copied(busy_day, tmp_path / "whole"), LAST)
    seconds = perf_counter() - started
    deployment = copied(busy_day, tmp_path / "0")
    kills = 0
    while kills < KILLS:
        ended = run_in_child(deployment, LAST, kill_after=chance.uniform(0, 0.7 * seconds))
        assert ended.error is None, ended.error
        kills += ended.was_killed
        if not ended.was_killed:  # it completed before the kill: start again for the remaining kills
            assert deployment.hashes() == busy_state
            deployment = copied(busy_day, tmp_path / str(kills))
    deployment.run(LAST)
    assert deployment.hashes() == busy_state
    assert faults_of(deployment) == []
    record(random_kills_survived=kills)


@pytest.mark.long
def test_full_disk_error_names_the_file(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("day", [{"visitor_id": "v", "event_time": "2026-10-05T10:00:00Z", "event_name": "x"}])
    ended = run_in_child(deployment, LAST, prepare=functools.partial(limit_files, 2 * KILOBYTE))
    require_told(ended.error, deployment)


@pytest.mark.long
def test_dev_on_a_full_disk_says_so(own_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("the UI was started"))
    with small_disk(tmp_path / "disk") as disk:
        data = Path(shutil.copytree(own_shop, disk / "data"))
        fill(disk, 0)
        with reserved_port() as port:
            code, _, err = call("dev", "--data", data, "--port", str(port))
    assert (code, f"Error: cannot write {data / 'dagster_home'}: the disk is full" in err) == (1, True), err


def limit_files(byte_count: int) -> None:
    """Limit the size of all files that this process writes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, byte_count))


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Yield a small disk in memory."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, free_bytes: int) -> None:
    """Fill the disk except for `free_bytes`."""
    state = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, state.f_bavail * state.f_frsize - free_bytes)


@contextmanager
def watching_spills(deployment: Deployment) -> Iterator[list[int]]:
    """Yield a list that collects the size of spilled data while the context runs."""
    sizes, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(0.003):
            sizes.append(spilled_bytes(deployment))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        is_over.set()
        thread.join()


def spilled_bytes(deployment: Deployment) -> int:
    total = 0
    for path in deployment.folder.store.glob("scratch/*/spill/*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def require_told(error: str | None, deployment: Deployment) -> None:
    """The run ended with an error that names the file without space and explains what to do."""
    assert error is not None, "there was room enough, so this tells nothing"
    assert error.startswith(f"{DiskFullError.__name__}: cannot write {deployment.folder.path}/"), error
    assert "free some space and run again" in error


def require_kept(deployment: Deployment, scenario: Scenario, where: str) -> None:
    """The previous state is intact, and with enough space the next run completes."""
    require_durable(deployment, where)
    require_whole(deployment, scenario, where)
    require_recovery(deployment, scenario, where)
