"""Runs one peer in this process, and prints the number of sessions."""

import sys
from collections.abc import Callable
from pathlib import Path

from session_pipeline_tests.benchmarks.peers.by_hand import run_script
from session_pipeline_tests.benchmarks.peers.engines import run_chdb, run_pyspark
from session_pipeline_tests.benchmarks.peers.frames import run_pandas, run_polars, run_retentioneering

PEERS: dict[str, Callable[[Path, Path], int]] = {
    "script": run_script,
    "polars": run_polars,
    "pandas": run_pandas,
    "chdb": run_chdb,
    "pyspark": run_pyspark,
    "retentioneering": run_retentioneering,
}

if __name__ == "__main__":
    name, raw, out = sys.argv[1:]
    print(PEERS[name](Path(raw), Path(out)))
