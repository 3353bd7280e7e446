"""Tests the benchmarks: contenders find the same sessions, processes are measured, the page states what was found."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.benchmarks import generate, page, queries
from session_pipeline_tests.benchmarks.core import run_core
from session_pipeline_tests.benchmarks.measure import FailedError, Measured, alternate, measure
from session_pipeline_tests.benchmarks.parts import CORE, OURS, PARTS, SCRIPT, Part
from session_pipeline_tests.benchmarks.peers.by_hand import run_script
from session_pipeline_tests.documents import ROOT

FACTS = {"machine": "2 cores", "versions": "Python 3.11", "date": "2026-11-26", "others": "0.03"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["medium", "nested", "one_visitor", "visitors", "year"])
def test_core_and_script_find_the_same_sessions(name: str, tmp_path: Path) -> None:
    raw, out = tmp_path / "data" / "raw" / "web", tmp_path / "out"
    generate.write(name, 4_000, raw)
    out.mkdir()
    found = run_script(raw, out)
    assert found > 100
    assert run_core(tmp_path / "data") == found
    assert {path.stem for path in out.glob("*.parquet")} == {
        "events",
        "sessions",
        "session_actions",
        "session_outcomes",
    }


def test_generated_data_is_always_the_same(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        generate.write("nested", 2_000, tmp_path / folder / "raw" / "web")
    texts = [(tmp_path / folder / "raw" / "web" / "events.jsonl").read_bytes() for folder in ("one", "other")]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) > len(set(texts[0].splitlines())) == 2_000, "it has copies of lines"


@pytest.mark.long
def test_process_is_measured_with_its_children() -> None:
    child = "b = bytearray(300 * 2**20); sum(range(3 * 10**6)); print(7)"
    measured = Measured()
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert measure([sys.executable, "-c", parent], measured) == "7\n"
    assert 0.01 < measured.cpu_seconds[0] < measured.seconds[0] * 3
    assert 300 * 2**20 < measured.memory[0] < 400 * 2**20


@pytest.mark.long
def test_measured_memory_does_not_include_the_measuring_process() -> None:
    measured = Measured()
    ballast = bytearray(400 * 2**20)
    measure([sys.executable, "-c", "pass"], measured)
    assert len(ballast) > 2 * measured.memory[0]


def test_killed_process_is_reported() -> None:
    with pytest.raises(FailedError, match="killed"):
        measure([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], Measured())


def test_failed_process_is_reported_with_its_last_line() -> None:
    with pytest.raises(FailedError, match="ZeroDivisionError"):
        measure([sys.executable, "-c", "1 / 0"], Measured())


def test_contenders_take_turns_and_a_failed_one_is_left_out() -> None:
    turns: list[str] = []

    def run(name: str) -> Any:
        def once(measured: Measured) -> None:
            turns.append(name)
            if name == "bad":
                raise FailedError("out of memory")
            measured.seconds.append(1.0)
            measured.cpu_seconds.append(1.0)

        return once

    found = alternate({name: run(name) for name in ("good", "bad")}, rounds=2, most_seconds=60)
    assert turns == ["good", "bad", "good"]
    assert found["bad"].note == "failed: out of memory"
    turns.clear()
    alternate({"good": run("good")}, rounds=5, most_seconds=0)
    assert turns == ["good"], "no round begins after the limit"


def test_page_shows_ratios_budgets_and_differing_counts() -> None:
    measured = {
        OURS: Measured([30.0, 34.0, 32.0], [50.0] * 3, [2**30] * 3, sessions=100),
        CORE: Measured([20.0], [35.0], [2**30], sessions=100),
        SCRIPT: Measured([10.0], [15.0], [2**31], sessions=100),
        "polars": Measured([5.0], [8.0], [2**31], sessions=99),
        "chdb": Measured(note="skipped: not installed"),
    }
    text = page.page({"large": Part("10,000,000 events", measured, {"ingest": (1.5, 2.0)})}, {"large": FACTS})
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert [cell.strip() for cell in lines[OURS].split("|")[2:9]] == ["3", "32.0", "50.0", "1.00", "3.2", "3.3", "100"]
    assert "99 (**differs**)" in lines["polars"]
    assert "- chdb: skipped: not installed" in text
    assert [cell.strip() for cell in lines["large, core, relative to the script"].split("|")[6:8]] == [
        "**2.00**",
        "yes",
    ]
    assert page.MISSING in lines["sample, first run"]
    assert "Other programs used the machine" not in text
    assert "Other programs used" in page.page({"large": Part("", measured)}, {"large": {**FACTS, "others": "0.9"}})


def test_page_ends_with_what_explained_says() -> None:
    assert (ROOT / "docs" / "performance.md").read_text().endswith(page.EXPLAINED.read_text())


@pytest.mark.nightly
def test_queries_return_rows_in_all_layouts_of_the_project(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw" / "web"
    generate.write("medium", 4_000, raw)
    subprocess.run(
        [sys.executable, "-c", "from session_pipeline.cli import main; main()", "run", "--data", tmp_path / "data"],
        check=True,
        capture_output=True,
    )
    queries.write_layouts(tmp_path / "data", tmp_path / "layouts", 2_000)
    for name in queries.LAYOUTS[:3]:
        ask = queries._in_duckdb(tmp_path / "layouts", name)
        counts = [ask(sql) for sql in queries.QUERIES.values()]
        assert len(counts) == 10
        assert all(counts), counts


def test_help_names_the_parts() -> None:
    command = [sys.executable, "-m", "session_pipeline_tests.benchmarks", "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert all(part in text for part in PARTS)
