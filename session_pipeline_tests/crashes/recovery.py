"""Kills runs at every crash point and checks that readers see one whole state and that the next run repairs the rest.

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
from session_pipeline.store.store import sha256_of
from session_pipeline.tables import TABLES
from session_pipeline_tests.crashes.killed_runs import Ended, run_in_child
from session_pipeline_tests.crashes.power_loss import Lost, SimulatedDisk
from session_pipeline_tests.deployment import Deployment

# Of tables that tell of runs: what no two runs have in common.
OF_THE_RUN: Mapping[str, tuple[str, ...]] = {
    "session_changes": ("changed_at", "run_id"),
    "_day_history": ("changed_at", "run_id"),
    "warehouse_info": ("built_at", "generation"),
}
PUBLISHED = tuple(name for name, contract in TABLES.items() if contract.is_published)
FIXED_FILES = {
    "settings.toml",
    "warehouse.duckdb",
    "reports/index.html",
    "store/_format.json",
    "store/writer.lock",
    "store/catalog.sqlite",
}


@dataclass(frozen=True)
class State:
    """What a deployment holds, as far as it must not depend on what happened on the way.

    Attributes:
        partitions: SHA-256 of each partition.
        warehouse: A digest of each of its tables.
        lake: SHA-256 of each of its files; None for those that tell of runs.
    """

    partitions: Mapping[str, str]
    warehouse: Mapping[str, str]
    lake: Mapping[str, str | None]


@dataclass(frozen=True)
class Scenario:
    """A deployment that has things to do.

    Attributes:
        start: Its data folder before anything is to do; to be copied.
        change: Gives a copy what there is to do.
        until: The last day that counts.
        before: What it holds at the start.
        after: What it holds when a run did it all undisturbed; all but the logs is as in a clean run.
        places: The crash points that this run came by.
    """

    start: Path
    change: Callable[[Deployment], None]
    until: date
    before: State
    after: State
    places: Sequence[str]

    def deploy(self, folder: Path) -> Deployment:
        """A copy with things to do."""
        shutil.copytree(self.start, folder)
        deployment = Deployment.at(folder)
        self.change(deployment)
        return deployment


def make_scenario(start: Deployment, change: Callable[[Deployment], None], until: date, folder: Path) -> Scenario:
    """Run the change once undisturbed, and once on nothing: a clean run, which must give the same."""
    before = state_of(start)
    undisturbed = Deployment.at(Path(shutil.copytree(start.folder.path, folder / "undisturbed")))
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
    """Kill a run at the first, the second, ... place that it comes by, and each time see that the next run mends all.

    Args:
        scenario: What the run has to do.
        folder: Where; it is removed again.
        numbers: Which places; the walk ends with the first run that completes.
        lost: What the disk loses at that moment, too; None: nothing, only the process dies.
        prepare: Called in the process that dies, before it runs.

    Raises:
        AssertionError: Something was not as it must be.
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
    """The places that a run comes by that is not killed."""
    ended = run_in_child(scenario.deploy(folder), scenario.until, writes_report=True, prepare=prepare)
    assert ended.error is None, ended.error
    return ended.places


def require_recovery(deployment: Deployment, scenario: Scenario, where: str) -> None:
    """The next run, without any help, makes all tables those of a run that nothing disturbed, and leaves no rest."""
    # The report takes longer than all the rest; where none was begun there is nothing to recover.
    ended = run_in_child(deployment, scenario.until, writes_report=deployment.folder.reports.exists())
    require(ended.error is None, where, [f"the next run: {ended.error}"])
    require_equal(state_of(deployment), scenario.after, where)
    require(not faults_of(deployment), where, faults_of(deployment))


def require_whole(deployment: Deployment, scenario: Scenario, where: str) -> None:
    """What readers have now is one state of all tables, and files of the lake that are each whole."""
    now = warehouse_of(deployment.folder)
    require(now in (scenario.before.warehouse, scenario.after.warehouse), where, ["the warehouse mixes two states"])
    lake = lake_of(deployment.folder)
    known = (scenario.before.lake, scenario.after.lake)
    wrong = [path for path, sha256 in lake.items() if all(sha256 != state.get(path, "none") for state in known)]
    gone = known[0].keys() & known[1].keys() - lake.keys()
    require(not wrong and not gone, where, [f"not whole in the lake: {wrong}", f"gone from the lake: {gone}"])
    page = deployment.folder.reports / "index.html"
    require(not page.exists() or page.read_text().rstrip().endswith("</html>"), where, ["the report is cut short"])


def require_durable(deployment: Deployment, where: str) -> None:
    """The catalog names no file that is not there, whole; but for those that are damaged on purpose."""
    with closing(open_store(deployment.folder)) as store:
        problems = [f"{item.path}: {problem}" for item, problem in store.verify() if problem and not _is_input(item)]
    require(not problems, where, problems)


def _is_input(item: Any) -> bool:
    return bool(item.key.table == "raw_events")


def state_of(deployment: Deployment) -> State:
    """What it holds now."""
    return State(deployment.hashes(), warehouse_of(deployment.folder), lake_of(deployment.folder))


def without_logs(state: State) -> State:
    """The same without what happened on the way."""
    logs = {name for name, contract in TABLES.items() if contract.is_log}
    return State(
        state.partitions,
        {name: digest for name, digest in state.warehouse.items() if name not in logs},
        {path: sha256 for path, sha256 in state.lake.items() if path.partition("/")[0] not in logs},
    )


def warehouse_of(folder: DataFolder) -> dict[str, str]:
    """A digest of the rows of each table of the warehouse."""
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
    """SHA-256 of each file of the lake; of those that tell of runs only that they can be read."""
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
    """Files that are damaged or gone, and files that nobody should have left."""
    folder = deployment.folder
    with closing(open_store(folder)) as store:
        faults = [f"{partition.path}: {problem}" for partition, problem in store.verify() if problem]
        named = {f"store/{path}" for path in store.catalog.named_paths()}
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        is_known = name in FIXED_FILES or name in named or name.startswith(("raw/", "dagster_home/"))
        is_of_the_lake = name.startswith("lake/") and not path.name.startswith(".")
        if path.is_file() and not is_known and not is_of_the_lake:
            faults.append(f"{name} was left behind")
    return faults


def require_equal(found: State, expected: State, where: str) -> None:
    """Raise with what differs."""
    differing = [
        f"{part}: {key}"
        for part in ("partitions", "warehouse", "lake")
        for key in sorted(getattr(found, part).keys() | getattr(expected, part).keys())
        if getattr(found, part).get(key, "none") != getattr(expected, part).get(key, "none")
    ]
    require(not differing, where, [f"differs: {what}" for what in differing])


def require(holds: bool, where: str, what: Sequence[str]) -> None:
    """Raise with where and what."""
    if not holds:
        raise AssertionError("\n  ".join([f"{where}:", *what]))
