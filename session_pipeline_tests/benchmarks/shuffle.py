"""Measures the stages of a run on Spark: bytes read, shuffled and spilled, and seconds of tasks, for each model.

`python -m session_pipeline_tests.benchmarks.shuffle --events 1000000 --master "local[2]"` builds the generated events
of five days on Spark, reads Spark's own event log, and prints a table. `--visitor-share 0.9` gives one visitor so many
of the events, `--site-share` one site, and `--big-day 10` makes one day ten times larger than the others.

The last line says how long the build takes on one core and on two, if the driver's own time stays as it was and the
tasks of each stage are spread evenly, down to the longest task. On a busy machine, this is steadier than two builds.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines import spark
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.benchmarks.generate import write
from session_pipeline_tests.deployment import Deployment

LARGEST = 12  # models that are printed alone
SUMMED = ("input", "shuffle", "spilled", "task_seconds", "longest_task")


def main() -> None:
    """Build, and print what Spark recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--visitor-share", type=float, default=0)
    parser.add_argument("--site-share", type=float, default=0)
    parser.add_argument("--big-day", type=int, default=1)
    parser.add_argument("--aqe", choices=("true", "false"), default="true")
    parser.add_argument("--steps", type=int, default=0, help="build only the first steps; 0: all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shuffle-") as name:
        folder, log = DataFolder(Path(name) / "data"), Path(name) / "log"
        log.mkdir()
        write("large", asked.events, folder.raw / "web")
        skew(folder.raw / "web" / "events.jsonl", asked)
        folder.settings.write_text(
            f'[engine]\nkind = "spark"\nmaster = "{asked.master}"\n'
            f'conf = {{ "spark.eventLog.enabled" = "true", "spark.eventLog.dir" = "file://{log}",'
            f' "spark.eventLog.rolling.enabled" = "false", "spark.eventLog.compress" = "false",'
            f' "spark.sql.adaptive.enabled" = "{asked.aqe}", "spark.driver.memory" = "2g" }}\n'
        )
        seconds = build(Deployment.at(folder.path), asked.steps)
        print(f"{asked.events:,} events, {seconds:.0f} s after the start of the session")
        show(stages(log), asked.events)
        show_cores(log, seconds)


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
    originals = {name: getattr(spark.Job, name) for name in ("compute", "write_model")}

    def named(name: str) -> Any:
        def run(self: Any, model: str, *arguments: Any, **more: Any) -> Any:
            self._session.sparkContext.setJobDescription(model)
            return originals[name](self, model, *arguments, **more)

        return run

    for name in originals:
        setattr(spark.Job, name, named(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(spark.Job, name, original)


def build(deployment: Deployment, step_count: int) -> float:
    """Ingest and build; return the seconds after the session was started."""
    with described(), open_run(deployment.folder, run_id="shuffle", upgrade=True) as run:
        assert isinstance(run.model_engine, spark.SparkEngine)
        run.model_engine.session.range(1).collect()
        started = perf_counter()
        run.ingest()
        for step, days in run.plan(upgrade=True).by_step[: step_count or None]:
            run.build(step, days)
        return perf_counter() - started


def show_cores(log: Path, seconds: float) -> None:
    """Print the seconds of a build on one core and on two, from the tasks of each stage."""
    tasks: dict[int, list[float]] = defaultdict(list)
    busy: list[tuple[int, int]] = []
    for event in recorded(log):
        if event["Event"] == "SparkListenerTaskEnd":
            info = event["Task Info"]
            busy.append((info["Launch Time"], info["Finish Time"]))
            tasks[event["Stage ID"]].append((info["Finish Time"] - info["Launch Time"]) / 1000)
    with_tasks, end = 0.0, 0
    for first, last in sorted(busy):
        with_tasks += max(0, last - max(first, end)) / 1000
        end = max(end, last)
    driver = seconds - with_tasks
    one = driver + sum(map(sum, tasks.values()))
    two = driver + sum(max(max(of_stage), sum(of_stage) / 2) for of_stage in tasks.values())
    print(f"driver {driver:.0f} s; one core {one:.0f} s, two cores {two:.0f} s: {one / two:.2f} times")


def recorded(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of Spark's event log."""
    for path in log.rglob("*"):
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)


def stages(log: Path) -> dict[str, dict[str, float]]:
    """Return the sums of each model's stages, from Spark's event log."""
    names: dict[int, str] = {}
    found: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(SUMMED, 0.0))
    for event in recorded(log):
        if event["Event"] == "SparkListenerJobStart":
            name = (event.get("Properties") or {}).get("spark.job.description") or "other"
            names |= dict.fromkeys(event["Stage IDs"], name)
        elif event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            metrics, sums = event["Task Metrics"], found[names.get(event["Stage ID"], "other")]
            seconds = metrics["Executor Run Time"] / 1000
            sums["input"] += metrics["Input Metrics"]["Bytes Read"]
            sums["shuffle"] += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
            sums["spilled"] += metrics["Disk Bytes Spilled"]
            sums["task_seconds"] += seconds
            sums["longest_task"] = max(sums["longest_task"], seconds)
    return found


def show(found: dict[str, dict[str, float]], events: int) -> None:
    """Print the models that shuffle the most, and all together."""
    print("| model | read, bytes per event | shuffled, bytes per event | spilled, MB | task s | longest task, s |")
    print("|---|---|---|---|---|---|")
    rows = sorted(found.items(), key=lambda item: -item[1]["shuffle"])
    total = {name: sum(sums[name] for _, sums in rows) for name in SUMMED}
    total["longest_task"] = max(sums["longest_task"] for _, sums in rows)
    for name, sums in [*rows[:LARGEST], ("all", total)]:
        print(
            f"| {name} | {sums['input'] / events:.0f} | {sums['shuffle'] / events:.1f} | {sums['spilled'] / 1e6:.0f}"
            f" | {sums['task_seconds']:.1f} | {sums['longest_task']:.1f} |"
        )


if __name__ == "__main__":
    main()
