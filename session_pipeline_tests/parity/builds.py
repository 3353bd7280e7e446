"""Builds a data set with an engine, at once or day by day with late files, and compares two stores."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline_tests.compare_builds import VOLATILE, DataSet, difference
from session_pipeline_tests.deployment import by_step

# For small data: a plan is interpreted, because compiling it takes longer than running it; buffers are small, because
# clearing them takes longer than filling them; and Java compiles fast rather than well. It halves the time.
SMALL_CONF: Mapping[str, str] = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.buffer.pageSize": "256k",
    "spark.sql.parquet.columnarReaderBatchSize": "256",
    "spark.sql.parquet.compression.codec": "uncompressed",
    "spark.shuffle.compress": "false",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
# For a few rows.
CASE_CONF: Mapping[str, str] = {**SMALL_CONF, "spark.sql.shuffle.partitions": "1", "spark.default.parallelism": "1"}
# For many rows: Spark's defaults, with all that it compiles and adapts.
LARGE_CONF: Mapping[str, str] = {"spark.driver.memory": "2g", "spark.driver.host": "127.0.0.1"}
DUCKDB = ""


@dataclass(frozen=True)
class Difference:
    """The result of a comparison: the rows of a table, and how many of them only one store has."""

    table: str
    row_count: int
    differing: int


def spark_settings(master: str, conf: Mapping[str, str] = SMALL_CONF) -> str:
    """Return the lines of settings.toml that choose Spark."""
    pairs = ", ".join(f'"{key}" = "{value}"' for key, value in conf.items())
    return f'\n[engine]\nkind = "spark"\nmaster = "{master}"\nconf = {{ {pairs} }}\n'


def deliver(data_set: DataSet, folder: Path, names: Sequence[str] | None = None) -> None:
    """Copy the delivered files of a data set, or only some of them, into a data folder."""
    for name in data_set.files if names is None else names:
        (folder / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_set.files[name], folder / "raw" / name)


def run(
    data_set: DataSet,
    folder: Path,
    engine: str,
    until: date,
    *,
    key_of: Path | None = None,
    publishes: bool = True,
) -> None:
    """Run the pipeline over what is delivered, with an engine; without Dagster.

    Args:
        data_set: Its settings are used.
        folder: The data folder.
        engine: The lines of settings.toml that choose the engine.
        until: The last day.
        key_of: A data folder whose key for visitors is used, so that the ids are equal.
        publishes: Whether to publish after the build.
    """
    (folder / "settings.toml").write_text(data_set.settings + engine)
    if key_of is not None and (key_of / "visitor_key").exists():
        shutil.copy2(key_of / "visitor_key", folder / "visitor_key")
    with open_run(DataFolder(folder), run_id="parity", until=until, upgrade=True) as opened:
        opened.ingest()
        opened.drop_unwanted()
        for step, days in by_step(opened.plan(upgrade=True)):
            opened.build(step, days)
        if publishes:
            opened.publish()


def by_day_with_late_files(data_set: DataSet, folder: Path, engines: Sequence[str], *, key_of: Path) -> None:
    """Build with one run for each of the last days; every third file arrives before the last run only.

    Args:
        data_set: The data set. The names of its files begin with a date.
        folder: The data folder.
        engines: The lines of settings.toml that choose the engine of each run.
        key_of: A data folder whose key for visitors is used.
    """
    names, until = sorted(data_set.files), date.fromisoformat(data_set.until)
    late = names[1::3]
    for number, engine in enumerate(engines, start=1):
        day = until - timedelta(days=len(engines) - number)
        is_last = number == len(engines)
        deliver(data_set, folder, [name for name in names if is_last or (name not in late and _date(name) <= str(day))])
        run(data_set, folder, engine, day, key_of=key_of, publishes=is_last)


def _date(name: str) -> str:
    return Path(name).name[:10]


def compare(one: Path, other: Path) -> list[Difference]:
    """Return a result for each table of two data folders; tables with clock times are left out."""
    ones, others = _files(one), _files(other)
    only_one = (ones.keys() ^ others.keys()) - VOLATILE
    assert not only_one, f"only one side has {sorted(only_one)}"
    with duckdb.connect() as connection:
        return [
            Difference(name, *difference(connection, ones[name], others[name]))
            for name in sorted(ones.keys() - VOLATILE)
        ]


def _files(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with closing(open_store(DataFolder(folder))) as store:
        for partition in store.partitions.values():
            found.setdefault(partition.key.table, []).extend(map(str, store.paths_of(partition)))
    return found
