"""Measures time and memory for a million sample events, from files to report, as a user runs it.

Run `python -m session_pipeline_tests.benchmarks.million_events [FOLDER]`. It first writes the sample, which stays in
FOLDER for later runs. Only `session-pipeline run` is measured, in a separate process and starting without a store.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from session_pipeline.sample import write_sample

VISITORS, DAYS, SEED = 135_000, 30, 7
CPU_CLOCKS = ("ru_utime", "ru_stime")


def main(folder: Path) -> None:
    raw = folder / "raw" / "sample"
    if not raw.exists():
        summary = write_sample(raw, visitors=VISITORS, days=DAYS, seed=SEED, truth_folder=folder / "truth")
        print(f"wrote {summary.lines:,} lines, {summary.events:,} events, {summary.sessions:,} sessions")
    (folder / "settings.toml").touch()
    for built in ("store", "lake", "reports", "dagster_home"):
        shutil.rmtree(folder / built, ignore_errors=True)
    (folder / "warehouse.duckdb").unlink(missing_ok=True)

    started = perf_counter()
    subprocess.run([Path(sys.executable).with_name("session-pipeline"), "run", "--data", folder], check=True)
    seconds = perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(getattr(used, clock) for clock in CPU_CLOCKS)
    print(f"{seconds:.1f} s, {cpu:.1f} CPU s, at most {used.ru_maxrss / 2**20:.2f} GiB of memory")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
