"""Tests that the script of the night runs all of its parts, with programs in place of the real ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

from session_pipeline_tests.documents import ROOT

PARTS = ["what breaks things on purpose", "all other tests", "generated cases", "mutation tests"]


@pytest.mark.parametrize(
    ("failing", "failed"),
    [(["python"], [PARTS[0], PARTS[3]]), (["python", "pytest"], PARTS), ([], [])],
    ids=["some parts", "all parts", "no part"],
)
def test_night_runs_every_part_and_names_those_that_failed(
    failing: list[str], failed: list[str], tmp_path: Path
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "nightly", tmp_path / ".ci")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "pytest"):
        (programs / name).write_text(f"#!/bin/sh\nexit {1 if name in failing else 0}\n")
        (programs / name).chmod(0o755)
    ran = subprocess.run([tmp_path / ".ci" / "nightly"], capture_output=True, text=True, check=False)
    assert [line.removeprefix("== ") for line in ran.stdout.splitlines()] == PARTS
    assert ran.stderr == "".join(f"failed: {part}\n" for part in failed)
    assert ran.returncode == (1 if failed else 0)
