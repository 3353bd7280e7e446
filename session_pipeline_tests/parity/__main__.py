"""`python -m session_pipeline_tests.parity [--cluster] [--only NAME]` builds with both engines and prints a table.

Each data set is built at once. The random events are also built with one run a day and with late files, by Spark alone
and by both engines in turn. NASA and the shop need the shared fixtures. Exits with 1 if a row differs.

`--cluster` starts a master and two workers on this machine; otherwise Spark runs in this process, or at `--master`. The
whole comparison is `--cluster --events 10000000`, and takes hours on a small machine.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from time import perf_counter

from session_pipeline_tests.parity.builds import (
    DUCKDB,
    LARGE_CONF,
    SMALL_CONF,
    Difference,
    by_day_with_late_files,
    compare,
    deliver,
    run,
    spark_settings,
)
from session_pipeline_tests.parity.cluster import CLUSTER_CONF, Cluster
from session_pipeline_tests.parity.data import NAMES, DataSet, data_set


def main(arguments: Sequence[str]) -> int:
    """Compare the engines; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--master", default="local[2]", help="Spark's master")
    parser.add_argument("--cluster", action="store_true", help="start a master and two workers")
    parser.add_argument("--only", choices=NAMES, help="one data set")
    parser.add_argument("--events", type=int, default=200_000, help="the number of generated events")
    parser.add_argument("--at-once", action="store_true", help="leave out the builds day by day")
    options = parser.parse_args(arguments)
    differing = 0
    print(f"{'table':24} {'data set':28} {'rows':>10} {'differences':>12}")
    with (
        tempfile.TemporaryDirectory(prefix="parity-") as name,
        Cluster.running(Path(name)) if options.cluster else nullcontext() as cluster,
    ):
        master = cluster.master if cluster else options.master
        for chosen in [options.only] if options.only else NAMES:
            scratch = Path(name) / chosen
            found = data_set(chosen, scratch / "made", events=options.events)
            if found is None:
                print(f"# {chosen} is not on this machine")
                continue
            conf = LARGE_CONF if chosen == "generated" else CLUSTER_CONF if cluster else SMALL_CONF
            by_day = chosen == "random" and not options.at_once
            one = scratch / "duckdb"
            for title, other in _built(found, scratch, one, spark_settings(master, conf), by_day=by_day):
                results = compare(one, other)
                together = Difference(
                    f"all {len(results)} tables",
                    sum(each.row_count for each in results),
                    sum(each.differing for each in results),
                )
                differing += together.differing
                for each in [*results, together]:
                    where = f"{chosen}, {title}"
                    print(f"{each.table:24} {where:28} {each.row_count:>10,} {each.differing:>12,}", flush=True)
    print("all rows are equal" if not differing else f"{differing:,} rows differ")
    return 1 if differing else 0


def _built(found: DataSet, scratch: Path, one: Path, spark: str, *, by_day: bool) -> Iterator[tuple[str, Path]]:
    """Build with DuckDB into `one`; yield each build with Spark and its folder."""
    builds = {"at once": [spark]}
    if by_day:
        builds |= {"by day": [spark] * 3, "engines in turn": [DUCKDB, spark, DUCKDB]}
    _build(found, one, [DUCKDB], key_of=one)
    for title, engines in builds.items():
        folder = scratch / title.replace(" ", "-")
        _build(found, folder, engines, key_of=one)
        yield title, folder


def _build(found: DataSet, folder: Path, engines: Sequence[str], *, key_of: Path) -> None:
    started = perf_counter()
    if len(engines) > 1:
        by_day_with_late_files(found, folder, engines, key_of=key_of)
    else:
        deliver(found, folder)
        run(found, folder, engines[0], date.fromisoformat(found.until), key_of=key_of)
    print(f"# {found.name}, {folder.name}: {perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
