"""Tests the bill of materials and the audit of vulnerabilities. No test uses the network."""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedx", reason="the extra dev is not installed")

from session_pipeline_tests import audit, sbom

PROGRAM = """
import json, sys
given = {given!r}
arguments = sys.argv[1:]
listed = open(arguments[arguments.index("-r") + 1]).read()
if given == "offline":
    sys.exit("requests.exceptions.ConnectionError: Max retries exceeded")
if given == "broken":
    sys.exit("TypeError: bug")
dependencies = []
for line in listed.split():
    name, number = line.split("==")
    known = {{"jinja2": ["GHSA-old"], **given.get("known", {{}})}}
    vulns = [{{"id": each, "fix_versions": ["9"]}} for each in known.get(name, ())]
    skips = name in given.get("skipped", ())
    dependencies.append(
        {{"name": name, "skip_reason": "unknown"}} if skips else {{"name": name, "version": number, "vulns": vulns}}
    )
report = {{"dependencies": dependencies, "fixes": []}}
open(arguments[arguments.index("-o") + 1], "w").write(json.dumps(report))
sys.exit(bool([each for each in dependencies if each.get("vulns")]))
"""


@pytest.fixture(scope="module")
def bill() -> str:
    return sbom.bill_of_materials()


@pytest.mark.long
def test_bill_is_valid_and_has_what_is_installed(bill: str) -> None:
    assert sbom.problem_of(bill) is None
    found = json.loads(bill)
    versions = {each["name"].lower(): each["version"] for each in found["components"]}
    assert found["metadata"]["component"]["name"] == "session_pipeline"
    assert {name: versions[name] for name in ("duckdb", "pyarrow", "dagster", "numpy")} == {
        name: version(name) for name in ("duckdb", "pyarrow", "dagster", "numpy")
    }
    assert not {"pytest", "ruff", "pip-audit", "hypothesis"} & versions.keys()


def test_bill_names_what_needs_what(bill: str) -> None:
    found = json.loads(bill)
    needs = {each["ref"].partition("@")[0]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert f"numpy@{version('numpy')}" in needs["pandas"]
    assert len(needs["session-pipeline"]) >= 15
    reached, waiting = set(), ["session-pipeline"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [each.partition("@")[0] for each in needs[name]]
    assert reached == needs.keys()


def test_bill_is_the_same_each_time(bill: str) -> None:
    assert sbom.bill_of_materials() == bill


@pytest.mark.long
def test_other_json_is_no_bill() -> None:
    assert sbom.problem_of('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": 1}]}')


def program(folder: Path, given: Any) -> tuple[str, ...]:
    path = folder / "audit.py"
    path.write_text(PROGRAM.format(given=given))
    return sys.executable, str(path)


@pytest.mark.parametrize(
    ("given", "passes", "words"),
    [
        ({}, True, "no known vulnerability"),
        ({"known": {"duckdb": ["GHSA-new"]}}, False, "duckdb 1.0: GHSA-new, fixed in 9"),
        ({"known": {"jinja2": []}}, True, "NOT AUDITED.*does not know"),
        ({"skipped": ["duckdb"]}, True, "NOT AUDITED.*nothing about 1 packages, such as duckdb"),
        ("offline", True, "NOT AUDITED.*Max retries"),
    ],
)
def test_only_a_known_vulnerability_fails_the_audit(tmp_path: Path, given: Any, passes: bool, words: str) -> None:
    found = audit.audit("duckdb==1.0\nnumpy==2.0\n", program(tmp_path, given))
    assert found[0] is passes
    assert re.search(words, found[1])


def test_other_failure_of_the_audit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="bug"):
        audit.audit("duckdb==1.0\n", program(tmp_path, "broken"))
