"""Builds a data set with an engine, at once or day by day with late files, and compares two stores."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline_tests.compare_builds import VOLATILE, DataSet, difference

# For small data: a plan is interpreted, because compiling it takes longer than running it.
SMALL_CONF: Mapping[str, str] = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.memory": "1g",
}
DUCKDB = ""


@dataclass(frozen=True)
class Difference:
    """The result of a comparison: the rows of a table, and how many of them only one store has."""

    table: str
    row_count: int
    differing: int


def spark_settings(master: str, conf: Mapping[str, str] = SMALL_CONF) -> str:
    """Returns the lines of settings.toml that choose Spark."""
    pairs = ", ".join(f'"{key}" = "{value}"' for key, value in conf.items())
    return f'\n[engine]\nkind = "spark"\nmaster = "{master}"\nconf = {{ {pairs} }}\n'


def deliver(data_set: DataSet, folder: Path, names: Sequence[str] | None = None) -> None:
    """Copy the delivered files of a data set, or only some of them, into a data folder."""
    for name in data_set.files if names is None else names:
        (folder / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_set.files[name], folder / "raw" / name)


def run(data_set: DataSet, folder: Path, engine: str, until: date, *, key_of: Path | None = None) -> None:
    """Run the pipeline over what is delivered, with an engine; without Dagster.

    Args:
        data_set: Its settings are used.
        folder: The data folder.
        engine: The lines of settings.toml that choose the engine.
        until: The last day.
        key_of: A data folder whose key for visitors is used, so that the ids are equal.
    """
    (folder / "settings.toml").write_text(data_set.settings + engine)
    if key_of is not None and (key_of / "visitor_key").exists():
        shutil.copy2(key_of / "visitor_key", folder / "visitor_key")
    with open_run(DataFolder(folder), run_id="parity", until=until, upgrade=True) as opened:
        opened.ingest()
        opened.drop_unwanted()
        for step, days in opened.plan(upgrade=True).by_step:
            opened.build(step, days)
        opened.publish()


def by_day_with_late_files(data_set: DataSet, folder: Path, engine_of: Callable[[int], str], *, key_of: Path) -> None:
    """Build up to four ends of the last days, one run for each; every second file arrives before the last run only.

    Args:
        data_set: The data set.
        folder: The data folder.
        engine_of: Returns the engine of each run, so that engines can be switched between runs.
        key_of: A data folder whose key for visitors is used.
    """
    names, until = sorted(data_set.files), date.fromisoformat(data_set.until)
    late = names[1::2]
    deliver(data_set, folder, [name for name in names if name not in late])
    for number in range(3):
        run(data_set, folder, engine_of(number), until - timedelta(days=3 - number), key_of=key_of)
    deliver(data_set, folder, late)
    run(data_set, folder, engine_of(3), until, key_of=key_of)


def compare(one: Path, other: Path) -> list[Difference]:
    """Returns a result for each table of two data folders; tables with clock times are left out."""
    ones, others = _files(one), _files(other)
    assert ones.keys() == others.keys(), f"only one side has {sorted(ones.keys() ^ others.keys())}"
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
