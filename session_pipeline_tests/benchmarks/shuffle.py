"""Measures the stages of a run on Spark: bytes read, shuffled and spilled, and seconds of tasks, for each model.

`python -m session_pipeline_tests.benchmarks.shuffle --events 1000000 --master "local[2]"` builds the generated events
of five days on Spark, reads Spark's own event log, and prints a table. `--visitor-share 0.9` gives one visitor so many
of the events, `--site-share` one site, and `--big-day 10` makes one day ten times larger than the others.
`--workers 2` starts a cluster with so many workers of one core. `--compare` also builds with DuckDB, compares all
rows, and exits with 1 if one differs.

The last columns are about the stage of a model that has the longest task: its longest task, the median of its tasks,
and their number. The last line says how long the build takes on one core and on two, if the driver's own time stays as
it was and the tasks of each stage are spread evenly, down to the longest task. On a busy machine, this is steadier than
two builds.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines import spark_jobs
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.benchmarks.generate import write
from session_pipeline_tests.deployment import by_step
from session_pipeline_tests.parity.builds import compare, spark_settings
from session_pipeline_tests.parity.cluster import Cluster

LARGEST = 12  # models that are printed alone


@dataclass
class Stage:
    """What the tasks of a stage did: bytes, and the seconds of each task."""

    read: int = 0
    shuffled: int = 0
    spilled: int = 0
    seconds: list[float] = field(default_factory=list)


def main() -> int:
    """Build, and print what Spark recorded; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--workers", type=int, default=0, help="start a cluster with so many workers of one core")
    parser.add_argument("--visitor-share", type=float, default=0)
    parser.add_argument("--site-share", type=float, default=0)
    parser.add_argument("--big-day", type=int, default=1)
    parser.add_argument("--aqe", choices=("true", "false"), default="true")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="more settings of Spark")
    parser.add_argument("--steps", type=int, default=0, help="build only the first steps; 0: all")
    parser.add_argument("--compare", action="store_true", help="also build with DuckDB, and compare all rows")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="shuffle-") as name,
        Cluster.running(Path(name), asked.workers, "2g") if asked.workers else nullcontext() as cluster,
    ):
        folder, log = DataFolder(Path(name) / "data"), Path(name) / "log"
        log.mkdir()
        write("large", asked.events, folder.raw / "web")
        skew(folder.raw / "web" / "events.jsonl", asked)
        conf = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": f"file://{log}",
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
            "spark.sql.adaptive.enabled": asked.aqe,
            "spark.driver.memory": "2g",
            **({"spark.driver.host": "127.0.0.1"} if cluster else {}),
            **dict(pair.split("=", 1) for pair in asked.conf),
        }
        other = Path(name) / "duckdb"
        if asked.compare:
            shutil.copytree(folder.path, other)
            print(f"DuckDB {build(DataFolder(other), asked.steps):.0f} s", flush=True)
            shutil.copy2(other / "visitor_key", folder.path / "visitor_key")
        folder.settings.write_text(spark_settings(cluster.master if cluster else asked.master, conf))
        seconds = build(folder, asked.steps)
        print(f"{asked.events:,} events, {seconds:.0f} s after the start of the session; load {os.getloadavg()[1]:.1f}")
        show(stages(log), asked.events)
        show_cores(log, seconds)
        found = compare(other, folder.path) if asked.compare else []
        if found:
            differing = sum(each.differing for each in found)
            rows = sum(each.row_count for each in found)
            print(f"{len(found)} tables, {rows:,} rows, {differing:,} differ")
            return 1 if differing else 0
    return 0


def skew(path: Path, asked: argparse.Namespace) -> None:
    """Change the visitors, sites and days of the events as asked."""
    if not (asked.visitor_share or asked.site_share or asked.big_day > 1):
        return
    changes = []
    if asked.visitor_share:
        is_one = f"hash(event_id) % 1000 < {asked.visitor_share * 1000}"
        changes.append(f"case when {is_one} then 'v0' else visitor_id end as visitor_id")
    if asked.big_day > 1:
        days = asked.big_day + 4  # one day has the events of so many fifths
        moves, text = f"hash(visitor_id) % {days} < {asked.big_day}", "cast(event_time as varchar)"
        changes.append(f"case when {moves} then '2025-03-03' || substr({text}, 11) else {text} end as event_time")
    with duckdb.connect() as connection:
        rows = f"read_json('{path}', format = 'newline_delimited')"
        replaced = f"select * replace ({', '.join(changes)}) from {rows}" if changes else f"from {rows}"
        if asked.site_share:
            is_large = f"hash(visitor_id) % 1000 < {asked.site_share * 1000}"
            replaced = f"select *, if({is_large}, 'large', 'small') as site from ({replaced})"
        connection.execute(f"copy ({replaced}) to '{path}.new' (format json)")
    Path(f"{path}.new").replace(path)


@contextmanager
def described() -> Iterator[None]:
    """Let Spark's jobs have the name of the model that they compute."""
    originals = {name: getattr(spark_jobs.Job, name) for name in ("compute", "write_model")}

    def named(name: str) -> Any:
        def run(self: Any, model: str, *arguments: Any, **more: Any) -> Any:
            self._session.sparkContext.setJobDescription(model)
            return originals[name](self, model, *arguments, **more)

        return run

    for name in originals:
        setattr(spark_jobs.Job, name, named(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(spark_jobs.Job, name, original)


def build(folder: DataFolder, step_count: int) -> float:
    """Ingest and build with the engine of the settings; return the seconds after its session was started."""
    with described(), open_run(folder, run_id="shuffle", upgrade=True) as run:
        if isinstance(run.model_engine, SparkEngine):
            run.model_engine.session.range(1).collect()
        started = perf_counter()
        run.ingest()
        for step, days in by_step(run.plan(upgrade=True))[: step_count or None]:
            run.build(step, days)
        return perf_counter() - started


def show_cores(log: Path, seconds: float) -> None:
    """Print the seconds of a build on one core and on two, from the tasks of each stage."""
    tasks: dict[int, list[float]] = defaultdict(list)
    of_executors: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    busy: list[tuple[int, int]] = []
    for event in recorded(log):
        if event["Event"] == "SparkListenerTaskEnd":
            info = event["Task Info"]
            busy.append((info["Launch Time"], info["Finish Time"]))
            tasks[event["Stage ID"]].append((info["Finish Time"] - info["Launch Time"]) / 1000)
            of_executors[event["Stage ID"]][info["Executor ID"]] += tasks[event["Stage ID"]][-1]
    with_tasks, end = 0.0, 0
    for first, last in sorted(busy):
        with_tasks += max(0, last - max(first, end)) / 1000
        end = max(end, last)
    driver = seconds - with_tasks
    one = driver + sum(map(sum, tasks.values()))
    two = driver + sum(max(max(of_stage), sum(of_stage) / 2) for of_stage in tasks.values())
    print(f"driver {driver:.0f} s; one core {one:.0f} s, two cores {two:.0f} s: {one / two:.2f} times")
    if len({name for of_stage in of_executors.values() for name in of_stage}) > 1:
        divided = driver + sum(max(of_stage.values()) for of_stage in of_executors.values())
        print(f"as the tasks were divided among the executors: {divided:.0f} s: {one / divided:.2f} times")


def recorded(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of Spark's event log."""
    for path in log.rglob("*"):
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)


def stages(log: Path) -> dict[str, list[Stage]]:
    """Return the stages of each model, from Spark's event log."""
    names: dict[int, str] = {}
    found: dict[str, dict[int, Stage]] = defaultdict(lambda: defaultdict(Stage))
    for event in recorded(log):
        if event["Event"] == "SparkListenerJobStart":
            name = (event.get("Properties") or {}).get("spark.job.description") or "other"
            names |= dict.fromkeys(event["Stage IDs"], name)
        elif event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            metrics, stage = event["Task Metrics"], found[names.get(event["Stage ID"], "other")][event["Stage ID"]]
            stage.read += metrics["Input Metrics"]["Bytes Read"]
            stage.shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
            stage.spilled += metrics["Disk Bytes Spilled"]
            stage.seconds.append(metrics["Executor Run Time"] / 1000)
    return {name: list(of_model.values()) for name, of_model in found.items()}


def show(found: dict[str, list[Stage]], events: int) -> None:
    """Print the models whose tasks take the longest, and all together."""
    print("| model | read, B/event | shuffled, B/event | spilled, MB | task s | longest task, s | median, s | tasks |")
    print("|---|---|---|---|---|---|---|---|")
    rows = sorted(found.items(), key=lambda item: -sum(sum(stage.seconds) for stage in item[1]))
    for name, of_model in [*rows[:LARGEST], ("all", [stage for _, each in rows for stage in each])]:
        longest = max((stage.seconds for stage in of_model), key=max)
        print(
            f"| {name} | {sum(stage.read for stage in of_model) / events:.0f}"
            f" | {sum(stage.shuffled for stage in of_model) / events:.1f}"
            f" | {sum(stage.spilled for stage in of_model) / 1e6:.0f}"
            f" | {sum(sum(stage.seconds) for stage in of_model):.1f}"
            f" | {max(longest):.1f} | {median(longest):.1f} | {len(longest)} |"
        )


if __name__ == "__main__":
    sys.exit(main())
