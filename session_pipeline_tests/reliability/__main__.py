"""Runs the tests that break things deliberately, and writes their figures into docs/reliability.md.

`python -m session_pipeline_tests.reliability` is run by CI. PIPELINE_TESTS_EFFORT=20 does about twenty times as much,
for nightly runs. How things are broken is in the test modules listed in MODULES.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from session_pipeline_tests.documents import ROOT, as_table
from session_pipeline_tests.reliability.figures import EFFORT, FIGURES, effort, messages_beside

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: written by the tests -->\n", "<!-- end of figures -->\n"

# Many of these tests wait for processes that they start, stop or kill, so three of them keep two cores busy.
HOW = ("-n", "3", "--dist", "worksteal", "-m", "reliability", "--timeout", "36000")
# Modules with the longest tests come first, so that none of them runs alone at the end.
MODULES = (
    "test_dead_machines",
    "test_state_machine",
    "test_crashes",
    "test_killed_erasure",
    "test_erase_command",
    "test_killed_command_line",
    "test_readers",
    "test_backfill",
    "test_many_writers",
    "test_resources",
    "test_metamorphic",
    "test_metamorphic_events",
    "test_seeded_bugs",
    "test_late_data",
    "test_changed_rules",
)

# Each figure and what it counts, in the order of the page.
MEANINGS: Mapping[str, str] = {
    "crash_places": "places in the code where a run can be killed, each of them hit",
    "kill_points_hit": "runs killed with SIGKILL at such a place, on the path of a run",
    "kills_survived": "of these, readers saw one complete state, and the next run gave the result of a clean run",
    "power_losses_survived": "of these kills, those where the disk also lost writes that were not made durable",
    "random_kills_survived": "runs killed at a random moment, five in a row, with the same result after the next run",
    "disk_full_survived": "runs on a full disk that reported it, kept the state before, and were complete with space",
    "concurrent_runs": "runs of several processes at once on one data folder, without an error",
    "publications_during_reads": "publications while readers read continuously",
    "reads_during_writes": "reads during these publications, each with a check across two tables",
    "read_errors": "of these, reads that failed",
    "mixed_generations": "of these, reads that saw one table old and another new",
    "lake_reads": "reads of two tables of the lake by a plain glob, while their files are replaced continuously",
    "lake_mixed": "of these, reads that saw one file old and another new",
    "lake_errors": "of these, reads that failed",
    "machine_examples": "programs of random deliveries, damage, settings and crashes, each equal to a clean run",
    "machine_steps": "steps of these programs",
    "seeded_bugs_caught": "deliberate bugs, each found by the checks of these programs",
    "metamorphic_comparisons": "comparisons of a delivery with an equivalent one: all tables as expected",
    "late_data_cases": "late deliveries after which exactly the affected days were rebuilt",
    "settings_checked": "settings that make exactly the expected tables stale",
    "dead_runs_recovered": "runs in Dagster that died, alone or with the machine, after which the next start recovered",
    "longest_recovery_seconds": "seconds, at most, until everything was built and published again",
    "backfill_days": "days of a backfill that was canceled halfway and resumed, each built once",
}


def figures_table(figures: Mapping[str, float]) -> str:
    """Return the figures as a table, in the order of MEANINGS."""
    return as_table(["counted", "what"], [(f"{figures[name]:,}", meaning) for name, meaning in MEANINGS.items()])


def with_figures(page: str, figures: Mapping[str, float], how: str) -> str:
    """Return the page with its figures replaced."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{how}\n\n{figures_table(figures)}\n\n{END}{after}"


def main() -> int:
    """Run the tests and write the page; return the exit code of the tests."""
    started = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        modules = [f"session_pipeline_tests/{name}.py" for name in MODULES]
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *HOW, *modules, *sys.argv[1:]],
            env={**os.environ, FIGURES: str(path)},
            cwd=ROOT,
            check=False,
        )
        figures = json.loads(path.read_text()) if path.exists() else {}
        messages = messages_beside(path).read_text() if messages_beside(path).exists() else ""
    print(messages, end="")
    print(json.dumps(figures, indent=2, sort_keys=True))
    missing = MEANINGS.keys() - figures.keys()
    if ran.returncode or missing:
        print(f"{PAGE.name} is left as it is: {'tests failed' if ran.returncode else f'no figure for {missing}'}")
        return ran.returncode or 1
    minutes = (perf_counter() - started) / 60
    how = f"With `{EFFORT}={effort()}`, on {os.cpu_count()} cores, in {minutes:.0f} minutes:"
    PAGE.write_text(with_figures(PAGE.read_text(), figures, how))
    return 0


if __name__ == "__main__":
    sys.exit(main())
