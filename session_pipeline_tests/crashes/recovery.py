"""Kills runs at every crash point. Then readers must see one whole state, and the next run must repair the rest.

A scenario is a deployment with work to do, and its tables after an undisturbed run.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import quote
from session_pipeline.publish import warehouse
from session_pipeline.run.pipeline import open_store
from session_pipeline.store.store_files import sha256_of
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.crashes.killed_runs import Ended, run_in_child
from session_pipeline_tests.crashes.power_loss import Lost, SimulatedDisk
from session_pipeline_tests.deployment import Deployment

# Columns of history tables that differ between any two runs.
OF_THE_RUN: Mapping[str, tuple[str, ...]] = {
    "session_changes": ("changed_at", "run_id"),
    "_day_history": ("changed_at", "run_id"),
    "warehouse_info": ("built_at", "generation"),
}
PUBLISHED = tuple(name for name, contract in TABLES.items() if contract.is_published)
FIXED_FILES = {
    "settings.toml",
    "visitor_key",
    "warehouse.duckdb",
    "store/_format.json",
    "store/writer.lock",
    "store/catalog.sqlite",
}


@dataclass(frozen=True)
class State:
    """The content of a deployment that must not depend on how it was reached.

    Attributes:
        partitions: SHA-256 of each partition.
        warehouse: A digest of each table.
        lake: SHA-256 of each file; None for files of history tables.
    """

    partitions: Mapping[str, str]
    warehouse: Mapping[str, str]
    lake: Mapping[str, str | None]


@dataclass(frozen=True)
class Scenario:
    """A deployment with work to do.

    Attributes:
        start: Its data folder before the change; it is copied.
        change: Makes the change in a copy.
        until: The last day to build.
        before: The state at the start.
        after: The state after an undisturbed run; except for the logs it equals that of a clean run.
        places: The crash points that this run reached.
    """

    start: Path
    change: Callable[[Deployment], None]
    until: date
    before: State
    after: State
    places: Sequence[str]

    def deploy(self, folder: Path) -> Deployment:
        """Return a copy of the deployment with the change."""
        shutil.copytree(self.start, folder)
        deployment = Deployment.at(folder)
        self.change(deployment)
        return deployment


def make_scenario(start: Deployment, change: Callable[[Deployment], None], until: date, folder: Path) -> Scenario:
    """Run the change once undisturbed, and once as a clean run, which must have the same result."""
    before = state_of(start)
    undisturbed = start.copied_to(folder / "undisturbed")
    change(undisturbed)
    ended = run_in_child(undisturbed, until, writes_report=True)
    assert ended.error is None, ended.error
    after = state_of(undisturbed)
    require(not faults_of(undisturbed), "a run that nothing disturbed", faults_of(undisturbed))
    clean = Deployment(folder / "clean")
    shutil.copytree(undisturbed.folder.raw, clean.folder.raw)
    shutil.copyfile(undisturbed.folder.settings, clean.folder.settings)
    clean.run(until)
    require_equal(without_logs(state_of(clean)), without_logs(after), "a run that nothing disturbed")
    assert before != after
    return Scenario(start.folder.path, change, until, before, after, ended.places)


def walk(
    scenario: Scenario,
    folder: Path,
    numbers: Iterable[int],
    *,
    lost: Lost | None = None,
    prepare: Callable[[], None] | None = None,
) -> list[Ended]:
    """Kill a run at each crash point in turn, and each time check that the next run repairs everything.

    Args:
        scenario: What the run has to do.
        folder: The working folder; it is removed afterwards.
        numbers: The numbers of the crash points; the walk ends with the first run that completes.
        lost: What the disk also loses at that moment; None if only the process dies.
        prepare: Called in the process that is killed, before the run.

    Raises:
        AssertionError: A state is wrong.
    """
    deaths = []
    for number in numbers:
        deployment = scenario.deploy(folder / "at")
        disk = SimulatedDisk(deployment.folder.path, folder / "notes") if lost else None
        ended = run_in_child(
            deployment,
            scenario.until,
            crash_at=number,
            writes_report=True,
            prepare=disk.recorder(prepare) if disk else prepare,
        )
        where = f"killed at place {number}, {ended.places[-1] if ended.places else 'none'}"
        require(ended.error is None, where, [str(ended.error)])
        if ended.was_killed:
            deaths.append(ended)
        if disk is not None and lost is not None:
            disk.lose_power(folder / "again", lost)
            deployment = Deployment.at(folder / "again")
            where += f", without {lost.value}"
            require_durable(deployment, where)
        require_whole(deployment, scenario, where)
        require_recovery(deployment, scenario, where)
        shutil.rmtree(folder)
        if not ended.was_killed:
            break
    return deaths


def places_met(scenario: Scenario, folder: Path, *, prepare: Callable[[], None] | None = None) -> Sequence[str]:
    """Return the crash points that an undisturbed run reaches."""
    ended = run_in_child(scenario.deploy(folder), scenario.until, writes_report=True, prepare=prepare)
    assert ended.error is None, ended.error
    return ended.places


def firsts_and_lasts(places: Sequence[str], prefix: str | tuple[str, ...]) -> set[int]:
    """Return the numbers (from 1) of the first and of the last time that a run reaches each of these crash points."""
    numbered = [(place, number) for number, place in enumerate(places, 1) if place.startswith(prefix)]
    return {*dict(numbered).values(), *dict(numbered[::-1]).values()}


def require_recovery(deployment: Deployment, scenario: Scenario, where: str) -> None:
    """The next run, without manual repair, must produce the tables of an undisturbed run and leave no files behind."""
    # The report takes longer than everything else. If it was not begun, there is nothing to recover.
    ended = run_in_child(deployment, scenario.until, writes_report=deployment.folder.reports.exists())
    require(ended.error is None, where, [f"the next run: {ended.error}"])
    require_equal(state_of(deployment), scenario.after, where)
    require(not faults_of(deployment), where, faults_of(deployment))


def require_whole(deployment: Deployment, scenario: Scenario, where: str) -> None:
    """Readers must see one state of all tables, and each file of the lake must be complete."""
    now = warehouse_of(deployment.folder)
    require(now in (scenario.before.warehouse, scenario.after.warehouse), where, ["the warehouse mixes two states"])
    lake = lake_of(deployment.folder)
    known = (scenario.before.lake, scenario.after.lake)
    wrong = [path for path, sha256 in lake.items() if all(sha256 != state.get(path, "none") for state in known)]
    gone = known[0].keys() & known[1].keys() - lake.keys()
    require(not wrong and not gone, where, [f"not whole in the lake: {wrong}", f"gone from the lake: {gone}"])
    for page in deployment.folder.reports.glob("[!.]*.html"):
        require(page.read_text().rstrip().endswith("</html>"), where, [f"{page.name} is cut short"])


def require_durable(deployment: Deployment, where: str) -> None:
    """Every file in the catalog must exist and be undamaged, except those damaged on purpose."""
    with closing(open_store(deployment.folder)) as store:
        problems = [f"{item.path}: {problem}" for item, problem in store.verify() if problem and not _is_input(item)]
    require(not problems, where, problems)


def _is_input(item: Any) -> bool:
    return bool(item.key.table == "raw_events")


def state_of(deployment: Deployment) -> State:
    """Return the present state of a deployment."""
    return State(deployment.hashes(), warehouse_of(deployment.folder), lake_of(deployment.folder))


def without_logs(state: State) -> State:
    """Return the state without tables that log history."""
    logs = {name for name, contract in TABLES.items() if contract.is_log}
    return State(
        state.partitions,
        {name: digest for name, digest in state.warehouse.items() if name not in logs},
        {path: sha256 for path, sha256 in state.lake.items() if path.partition("/")[0] not in logs},
    )


def warehouse_of(folder: DataFolder) -> dict[str, str]:
    """Return a digest of the rows of each table of the warehouse."""
    if not folder.warehouse.exists():
        return {}
    digests = {}
    with warehouse.connect(folder.warehouse, folder.store) as connection:
        for name in PUBLISHED:
            without = ", ".join(map(quote, OF_THE_RUN.get(name, ())))
            rows = connection.execute(f"select * {f'exclude ({without})' if without else ''} from {quote(name)}")
            digests[name] = hashlib.sha256("\n".join(sorted(map(repr, rows.fetchall()))).encode()).hexdigest()
    return digests


def lake_of(folder: DataFolder) -> dict[str, str | None]:
    """Return the SHA-256 of each file of the lake. Files of history tables are only checked to be readable."""
    found: dict[str, str | None] = {}
    for path in sorted(folder.lake.glob("**/*.parquet")):
        name = path.relative_to(folder.lake)
        if name.parts[0] in OF_THE_RUN:
            pq.ParquetFile(path).read()
            found[str(name)] = None
        else:
            found[str(name)] = sha256_of(path)
    return found


def faults_of(deployment: Deployment) -> list[str]:
    """Return damaged files, missing files and files left behind."""
    folder = deployment.folder
    with closing(open_store(folder)) as store:
        faults = [f"{partition.path}: {problem}" for partition, problem in store.verify() if problem]
        named = {f"store/{path}" for path in store.catalog.named_paths()}
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        is_known = name in FIXED_FILES or name in named or name.startswith(("raw/", "dagster_home/"))
        is_published = name.startswith(("lake/", "reports/")) and not path.name.startswith(".")
        if path.is_file() and not is_known and not is_published:
            faults.append(f"{name} was left behind")
    return faults


def require_equal(found: State, expected: State, where: str) -> None:
    """Raise and list the differences."""
    differing = [
        f"{part}: {key}"
        for part in ("partitions", "warehouse", "lake")
        for key in sorted(getattr(found, part).keys() | getattr(expected, part).keys())
        if getattr(found, part).get(key, "none") != getattr(expected, part).get(key, "none")
    ]
    require(not differing, where, [f"differs: {what}" for what in differing])


def require(holds: bool, where: str, what: Sequence[str]) -> None:
    """Raise with the place and the problems."""
    if not holds:
        raise AssertionError("\n  ".join([f"{where}:", *what]))
