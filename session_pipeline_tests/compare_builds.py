"""Compares the rows of every table that two commits build from the same files.

`python -m session_pipeline_tests.compare_builds BASE [OTHER]` builds the sample, the NASA log and the shop with the
code of each commit (OTHER is HEAD unless given), prints a line for each table and data set, and exits with 1 when rows
differ. Tables that only one commit has are listed and do not count as a difference.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT.parent / "shared" / "fixtures"
MAIN = "from session_pipeline.cli import main; main()"

# Tables that always differ between two builds of equal rows: they contain clock times, run ids or code hashes.
VOLATILE = {"warehouse_info", "session_changes", "_day_history"}


@dataclass(frozen=True)
class DataSet:
    """Delivered files and settings.

    Attributes:
        until: The last day to build.
        settings: The text of settings.toml.
        files: The delivered files, by path below raw/.
    """

    name: str
    until: str
    settings: str
    files: Mapping[str, Path]


def data_sets() -> list[DataSet]:
    """Return the sample, and the shared fixtures if they exist."""
    sample = ROOT / "data"
    files = {str(path.relative_to(sample / "raw")): path for path in (sample / "raw").rglob("*") if path.is_file()}
    found = [DataSet("sample", "2026-10-12", (sample / "settings.toml").read_text(), files)]
    if FIXTURES.is_dir():
        nasa = """
            timezone = "America/New_York"
            start_date = 1995-01-01

            [sources.nasa]
            columns = { visitor_id = "host", event_time = "time", page_url = "url", status_code = "response" }
            constants = { event_name = "page_view" }
        """
        shop = """
            start_date = 2024-01-01

            [sources.shop]
            columns = { visitor_id = "user_id", event_name = "event", event_time = "timestamp" }
        """
        nasa_file = FIXTURES / "nasa_http_19950801" / "nasa_19950801.tsv"
        shop_file = FIXTURES / "retentioneering_ecom" / "ecom.csv.gz"
        found.append(DataSet("nasa", "1995-08-03", nasa, {"nasa/nasa.tsv": nasa_file}))
        found.append(DataSet("shop", "2024-07-01", shop, {"shop/ecom.csv.gz": shop_file}))
    return found


def export(commit: str, folder: Path) -> Path:
    """Write the package of a commit into a folder; return the folder to import it from."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "session_pipeline"], check=True, capture_output=True
    )
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def build(code: Path, data_set: DataSet, folder: Path, visitor_key: Path | None) -> None:
    """Run the pipeline of one commit over a data set."""
    for name, source in data_set.files.items():
        (folder / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / "raw" / name)
    (folder / "settings.toml").write_text(data_set.settings)
    if visitor_key is not None and visitor_key.exists():
        shutil.copy2(visitor_key, folder / "visitor_key")
    command = [sys.executable, "-c", MAIN, "run", "--data", str(folder), "--until", data_set.until]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def files_of(folder: Path) -> dict[str, list[str]]:
    """Return the files of each table in a store."""
    found: dict[str, list[str]] = defaultdict(list)
    with sqlite3.connect(f"file:{folder / 'store' / 'catalog.sqlite'}?mode=ro", uri=True) as catalog:
        for name, path in catalog.execute("select table_name, path from partitions order by table_name, path"):
            found[name].append(str(folder / "store" / path))
    return found


def difference(connection: duckdb.DuckDBPyConnection, ones: Sequence[str], others: Sequence[str]) -> tuple[int, int]:
    """Return the row count of a table, and how many rows exist on one side only."""
    columns = []
    for name, paths in (("one", ones), ("other", others)):
        rows = connection.read_parquet(list(paths), union_by_name=True, hive_partitioning=True)
        columns.append(sorted(rows.columns))
        connection.register(name, rows)
    counts = [connection.sql(f"select count(*) from {name}").fetchall()[0][0] for name in ("one", "other")]
    if columns[0] != columns[1]:
        return counts[0], sum(counts)
    names = ", ".join(f'"{column}"' for column in columns[0])
    missing = [
        connection.sql(
            f"select count(*) from (select {names} from {name} except all select {names} from {reference})"
        ).fetchall()[0][0]
        for name, reference in (("one", "other"), ("other", "one"))
    ]
    return counts[0], sum(missing)


def main(arguments: Sequence[str]) -> int:
    """Compare two commits; returns the exit code."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__)
        return 2
    commits = (arguments[0], arguments[1] if len(arguments) == 2 else "HEAD")
    differing_count = 0
    with tempfile.TemporaryDirectory() as scratch:
        codes = [export(commit, Path(scratch) / f"code-{number}") for number, commit in enumerate(commits)]
        for data_set in data_sets():
            folders = [Path(scratch) / f"{data_set.name}-{number}" for number in (0, 1)]
            build(codes[0], data_set, folders[0], None)
            build(codes[1], data_set, folders[1], folders[0] / "visitor_key")
            ones, others = map(files_of, folders)
            for name in sorted(ones.keys() | others.keys()):
                if name in VOLATILE:
                    continue
                if name not in ones or name not in others:
                    print(f"{data_set.name:8} {name:24} only in {commits[name not in ones]}")
                    continue
                with duckdb.connect() as connection:
                    row_count, differing = difference(connection, ones[name], others[name])
                differing_count += differing
                result = f"{differing:,} differ" if differing else "equal"
                print(f"{data_set.name:8} {name:24} {row_count:>9,} rows  {result}")
    print("all rows are equal" if not differing_count else f"{differing_count:,} rows differ")
    return 1 if differing_count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
