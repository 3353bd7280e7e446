"""The parts of the benchmark: each writes its data, measures its contenders, and returns what they took."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter_ns, sleep

import duckdb

from session_pipeline_tests.benchmarks import generate, queries
from session_pipeline_tests.benchmarks.generate import DATA_SETS, EVENTS_OF_A_SMALL_DAY
from session_pipeline_tests.benchmarks.measure import Measured, alternate, measure
from session_pipeline_tests.documents import ROOT

COMMAND = Path(sys.executable).with_name("session-pipeline")
BENCHMARKS = "session_pipeline_tests.benchmarks"
OURS, CORE, SCRIPT = "session_pipeline", "its core", "script"
PEERS = (SCRIPT, "polars", "pandas", "chdb", "pyspark", "retentioneering")
MOST_EVENTS = {"pandas": 2_000_000, "retentioneering": 2_000_000}  # their memory grows by several GB for each million
SPARK_DATA = ("medium", "large")  # it takes most of a minute for any data
DAYS_BEFORE = 180  # of the shop to which one more small day is delivered
LATE_DAYS = (2, 365, 1825)
SETTLED_SECONDS = 2  # `run` waits for a file that changed in the last second


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        folder: The folder for data and results.
        events: The number of events of the largest data set.
        days: The number of days of the data set `year`.
        sessions: The number of sessions that the queries read.
        rounds: The most rounds.
        seconds: No round of a part begins after so many seconds.
        peers: The peers to measure.
    """

    folder: Path
    events: int = 10_000_000
    days: int = 365
    sessions: int = 10_000_000
    rounds: int = 3
    seconds: float = 60.0
    peers: tuple[str, ...] = PEERS


@dataclass
class Part:
    """What a part measured.

    Attributes:
        size: How much data it was.
        measured: What each contender took.
        stages: Seconds and CPU seconds of each stage of a run.
        milliseconds: For queries: by query and layout, the median and the 95th percentile.
    """

    size: str
    measured: dict[str, Measured] = field(default_factory=dict)
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)
    milliseconds: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)


def compare(name: str, options: Options) -> Part:
    """Measure the project and its peers on a data set."""
    data = DATA_SETS[name]
    events = int(options.events * data.share) if data.share else options.days * EVENTS_OF_A_SMALL_DAY
    if name == "shop" and not generate.SHOP.exists():
        return Part("", {OURS: Measured(note="skipped: the shared fixtures are not here")})
    folder = _new_folder(options, name)
    raw = folder / "raw" / "web"
    subprocess.run([sys.executable, "-m", f"{BENCHMARKS}.generate", name, str(events), raw], cwd=ROOT, check=True)
    part = Part("31,106 events" if name == "shop" else f"{events:,} events")
    contenders: dict[str, Callable[[Measured], object]] = {
        OURS: partial(_run_ours, folder, part),
        CORE: partial(_run_core, folder),
    }
    skipped = {}
    for peer in options.peers:
        if find_spec("duckdb" if peer == SCRIPT else peer) is None:
            skipped[peer] = Measured(note="skipped: not installed; `pip install 'session_pipeline[benchmarks]'`")
        elif peer == "pyspark" and name not in SPARK_DATA:
            skipped[peer] = Measured(note=f"measured only with {' and '.join(SPARK_DATA)}, because it takes long")
        elif events > MOST_EVENTS.get(peer, events):
            skipped[peer] = Measured(note=f"skipped: at most {MOST_EVENTS[peer]:,} events, because of its memory")
        else:
            contenders[peer] = partial(_run_peer, folder, peer)
    part.measured = alternate(contenders, options.rounds, options.seconds) | skipped
    return part


def sample(options: Options) -> Part:
    """Measure the first run on the committed sample."""
    folder = _new_folder(options, "sample")
    folder.mkdir(parents=True)
    shutil.copyfile(ROOT / "data" / "settings.toml", folder / "settings.toml")
    shutil.copytree(ROOT / "data" / "raw" / "sample", folder / "raw" / "sample")
    part = Part("21,779 lines")
    part.measured = alternate({OURS: partial(_run_ours, folder, part)}, options.rounds, options.seconds)
    return part


def fixed(options: Options) -> Part:
    """Measure commands on half a year of small days."""
    folder = _new_folder(options, "fixed")
    raw = folder / "raw" / "web"
    generate.write("year", DAYS_BEFORE * EVENTS_OF_A_SMALL_DAY, raw)
    measure([COMMAND, "run", "--data", folder], Measured())
    days = iter(range(DAYS_BEFORE + 1, DAYS_BEFORE + 1000))

    def call(*words: str, measured: Measured) -> None:
        measure([COMMAND, *words, "--data", folder], measured)

    def one_more_day(measured: Measured) -> None:
        _deliver(next(days), raw)
        call("run", measured=measured)

    contenders: dict[str, Callable[[Measured], object]] = {
        "run, one more small day": one_more_day,
        "run, nothing to do": lambda measured: call("run", measured=measured),
        "plan": lambda measured: call("plan", measured=measured),
        "status": lambda measured: call("status", measured=measured),
        "query": lambda measured: call("query", "select count(*) from sessions", measured=measured),
        "--help": partial(measure, [COMMAND, "--help"]),
    }
    part = Part(f"{DAYS_BEFORE} days of {EVENTS_OF_A_SMALL_DAY} events")
    part.measured = alternate(contenders, options.rounds, options.seconds)
    return part


def late_day(options: Options) -> Part:
    """Measure a run with one more day on one day, on a year of days, and on five years."""
    contenders: dict[str, Callable[[Measured], object]] = {}
    folder = _new_folder(options, "late_day")
    for day in LATE_DAYS:
        before, data = day - 1, folder / str(day)
        raw = data / "raw" / "web"
        generate.write("year", before * EVENTS_OF_A_SMALL_DAY, raw)
        measure([COMMAND, "run", "--data", data], Measured())

        def one_more_day(measured: Measured, data: Path = data, raw: Path = raw, first: int = day) -> None:
            _deliver(first + len(measured.seconds), raw)
            measure([COMMAND, "run", "--data", data], measured)

        contenders[f"day {day:,}"] = one_more_day
    part = Part(f"{EVENTS_OF_A_SMALL_DAY} events a day")
    part.measured = alternate(contenders, options.rounds, options.seconds)
    return part


def _deliver(day: int, raw: Path) -> None:
    """Write the file of a small day, and wait until it counts as complete."""
    generate.write_small_days(day, day, raw)
    sleep(SETTLED_SECONDS)


def analysts_queries(options: Options) -> Part:
    """Measure ten queries over many sessions, in four layouts."""
    folder = _new_folder(options, "queries")
    raw = folder / "raw" / "web"
    subprocess.run([sys.executable, "-m", f"{BENCHMARKS}.generate", "medium", "400000", raw], cwd=ROOT, check=True)
    measure([COMMAND, "run", "--data", folder], Measured())
    part = Part(f"{options.sessions:,} sessions in {queries.DAYS} days")
    part.milliseconds = queries.run(folder, options.sessions)
    return part


PARTS: dict[str, Callable[[Options], Part]] = {
    "sample": sample,
    "fixed": fixed,
    "late_day": late_day,
    **{name: partial(compare, name) for name in DATA_SETS},
    "queries": analysts_queries,
}


def _new_folder(options: Options, name: str) -> Path:
    folder = options.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _run_ours(folder: Path, part: Part, measured: Measured) -> None:
    _set_aside_built(folder)
    printed = measure([COMMAND, "run", "--profile", "--json", "--data", folder], measured)
    stages = json.loads(printed)["stages"]
    part.stages = {name: (stage["seconds"], stage["cpu_seconds"]) for name, stage in stages.items()}
    with duckdb.connect(folder / "warehouse.duckdb", read_only=True) as warehouse:
        [(measured.sessions,)] = warehouse.execute("select count(*) from sessions").fetchall()


def _run_core(folder: Path, measured: Measured) -> None:
    _set_aside_built(folder)
    measured.sessions = int(measure([sys.executable, "-m", f"{BENCHMARKS}.core", folder], measured))


def _run_peer(folder: Path, name: str, measured: Measured) -> None:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [sys.executable, "-m", f"{BENCHMARKS}.peers", name, folder / "raw" / "web", out]
    measured.sessions = int(measure(command, measured).split()[-1])
    shutil.rmtree(out)


def _set_aside_built(folder: Path) -> None:
    """Move what a run built before out of the way.

    It is deleted with the folder, when everything is measured: for half a minute after many files are deleted, ext4
    takes longer to make new ones (measured: a tenth of a run).
    """
    aside = folder / "built_before" / f"{perf_counter_ns()}"
    aside.mkdir(parents=True)
    for built in ("store", "lake", "reports", "dagster_home"):
        if (folder / built).exists():
            (folder / built).rename(aside / built)
    for path in folder.glob("warehouse.duckdb*"):
        path.rename(aside / path.name)
