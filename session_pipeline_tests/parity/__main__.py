"""`python -m session_pipeline_tests.parity [--master M] [--only NAME]` builds with both engines and prints a table.

The data sets are the sample, and NASA and the shop where the shared fixtures exist. Each is built at once; the sample
is also built day by day with late files, by Spark alone and by both engines in turn. Exits with 1 if a row differs.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import perf_counter

from session_pipeline_tests.compare_builds import data_sets
from session_pipeline_tests.parity.builds import (
    DUCKDB,
    by_day_with_late_files,
    compare,
    deliver,
    run,
    spark_settings,
)


def main(arguments: Sequence[str]) -> int:
    """Compare the engines; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", default="local[2]", help="Spark's master")
    parser.add_argument("--only", help="the name of a data set")
    parser.add_argument("--at-once", action="store_true", help="leave out the builds day by day")
    options = parser.parse_args(arguments)
    spark = spark_settings(options.master)
    differing = 0
    print(f"{'table':24} {'data set':24} {'rows':>10} {'differences':>12}")
    with tempfile.TemporaryDirectory() as scratch:
        for data_set in data_sets():
            if options.only not in (None, data_set.name):
                continue
            until = date.fromisoformat(data_set.until)
            one = Path(scratch) / f"{data_set.name}-duckdb"
            builds = {"at once": Path(scratch) / f"{data_set.name}-spark"}
            seconds = {}
            for folder, engine in ((one, DUCKDB), (builds["at once"], spark)):
                started = perf_counter()
                deliver(data_set, folder)
                run(data_set, folder, engine, until, key_of=one)
                seconds[folder.name] = round(perf_counter() - started, 1)
            if data_set.name == "sample" and not options.at_once:
                for name, engines in (("by day", (spark,) * 4), ("engines in turn", (spark, DUCKDB, spark, DUCKDB))):
                    builds[name] = Path(scratch) / f"{data_set.name}-{name.replace(' ', '-')}"
                    by_day_with_late_files(data_set, builds[name], engines.__getitem__, key_of=one)
            for name, folder in builds.items():
                for found in compare(one, folder):
                    differing += found.differing
                    where = f"{data_set.name}, {name}"
                    print(f"{found.table:24} {where:24} {found.row_count:>10,} {found.differing:>12,}", flush=True)
            print(f"# seconds: {seconds}", flush=True)
    print("all rows are equal" if not differing else f"{differing:,} rows differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
