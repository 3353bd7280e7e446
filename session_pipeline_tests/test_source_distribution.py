"""Tests which files MANIFEST.in adds to a source distribution: what the README's commands read, and nothing private."""

import subprocess
from fnmatch import fnmatch

import pytest

from session_pipeline_tests.documents import ROOT

# What setuptools adds by itself, and what only a Git repository needs.
ALWAYS = ("session_pipeline/", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
ONLY_GIT = ".gitignore"


def is_distributed(path: str) -> bool:
    """Apply the commands of MANIFEST.in to a path; the last command that matches decides."""
    found = path.startswith(ALWAYS)
    for line in (ROOT / "MANIFEST.in").read_text().splitlines():
        command, *names = line.split()
        if command == "include":
            found |= path in names
        elif command == "recursive-include":
            found |= path.startswith(f"{names[0]}/") and any(fnmatch(path, f"*/{name}") for name in names[1:])
        elif command == "graft":
            found |= path.startswith(tuple(f"{name}/" for name in names))
        elif command == "global-exclude":
            found &= not any(fnmatch(path, name) for name in names)
        else:
            assert command == "#", line
    return found


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a Git repository")
def test_all_committed_files_are_distributed() -> None:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    committed = set(filter(None, listed.split("\0"))) - {ONLY_GIT}
    assert {"data/settings.toml", "session_pipeline_tests/conftest.py"} <= committed
    assert [path for path in sorted(committed) if not is_distributed(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        "data/visitor_key",
        "data/erasures.json",
        "data/raw/web/events.jsonl",
        "data/store/catalog.sqlite",
        "data/warehouse.duckdb",
        "data/dagster_home/history/runs.db",
        "session_pipeline_tests/__pycache__/conftest.cpython-311.pyc",
    ],
)
def test_files_of_a_deployment_are_not_distributed(path: str) -> None:
    assert not is_distributed(path)
