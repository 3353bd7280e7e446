"""Measures the parts that are asked for, keeps their results, and writes the page.

`python -m session_pipeline_tests.benchmarks` measures everything. Results stay in the folder, so parts can be measured
one after the other; `--write` writes docs/performance.md from all of them.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from session_pipeline_tests.benchmarks import page
from session_pipeline_tests.benchmarks.measure import Measured, Others
from session_pipeline_tests.benchmarks.parts import PARTS, PEERS, Options, Part


def options() -> argparse.Namespace:
    """Parse the command line."""
    default = Options(Path(tempfile.gettempdir()) / "session_pipeline_benchmarks")
    parser = argparse.ArgumentParser(prog="python -m session_pipeline_tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="the parts to measure")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="the tools to compare with")
    parser.add_argument("--events", type=int, default=default.events, help="of the largest data; default 10 million")
    parser.add_argument("--days", type=int, default=default.days, help="of the data set `year`; default 365")
    parser.add_argument("--sessions", type=int, default=default.sessions, help="for the queries; default 10 million")
    parser.add_argument("--rounds", type=int, default=default.rounds, help="the most rounds of a part; default 3")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="no round begins later; default 60")
    parser.add_argument("--folder", type=Path, default=default.folder, help=f"for data and results; {default.folder}")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md from all results in the folder")
    return parser.parse_args()


def main() -> None:
    """Measure, and write the results after each part."""
    asked = options()
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = asked.folder / "results.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    wanted = Options(**{name: value for name, value in vars(asked).items() if name not in ("only", "write")})
    for name in asked.only:
        print(name, file=sys.stderr, flush=True)
        others, started = Others(), perf_counter()
        part = PARTS[name](wanted)
        facts = {**page.machine(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "others": f"{others.cores():.2f}"}
        results[name] = {"facts": facts, "part": asdict(part)}
        print(f"  {perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        path.write_text(json.dumps(results, indent=1))
    for name in asked.only:  # not after each part, because deleting many files disturbs what is measured next
        shutil.rmtree(asked.folder / name, ignore_errors=True)
    known = {name: results[name] for name in PARTS if name in results}
    parts = {name: part_of(each["part"]) for name, each in known.items()}
    text = page.page(parts, {name: each["facts"] for name, each in known.items()})
    if asked.write:
        page.PAGE.write_text(text)
    else:
        print(text)


def part_of(record: dict[str, Any]) -> Part:
    """Return a part from its record in the results."""
    measured = {name: Measured(**each) for name, each in record["measured"].items()}
    return Part(record["size"], measured, record["stages"], record["milliseconds"])


if __name__ == "__main__":
    main()
