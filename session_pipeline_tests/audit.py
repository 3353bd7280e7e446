"""Looks for known vulnerabilities in the pinned packages with pip-audit, where its data can be reached.

Run `python -m session_pipeline_tests.audit`. A known vulnerability fails. Without the data, the audit says so and does
not fail: the network is no part of the project. An old version with a known vulnerability is audited first, because a
service without data also answers that it knows of none.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from session_pipeline_tests.documents import ROOT

KNOWN = "jinja2==3.1.2"  # GHSA-h5c8-rqwp-cp95
SECONDS = 120
NETWORK = re.compile(
    r"requests\.exceptions\.|urllib3\.exceptions\.|your network may be blocking|ServiceError|Max retries exceeded"
)
Report = Mapping[str, Any]


class NotReached(Exception):
    """The data of vulnerabilities cannot be reached."""


def report_of(requirements: str, program: tuple[str, ...] = (sys.executable, "-m", "pip_audit")) -> Report:
    """Return what pip-audit finds about requirements with exact versions.

    Raises:
        NotReached: The service cannot be reached, or has no data about one of the packages.
        RuntimeError: pip-audit failed for another reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed, written = Path(folder, "requirements.txt"), Path(folder, "report.json")
        listed.write_text(requirements, encoding="utf-8")
        arguments = ("-r", listed, "--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10")
        command = [*program, *arguments, "-f", "json", "-o", written]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise NotReached(f"no answer within {SECONDS} s") from None
        if not written.exists():
            last = (ended.stderr.strip().splitlines() or ["no output"])[-1]
            if NETWORK.search(ended.stderr):
                raise NotReached(last)
            raise RuntimeError(f"pip-audit failed: {last}")
        report: Report = json.loads(written.read_text(encoding="utf-8"))
    if skipped := [each["name"] for each in report["dependencies"] if "skip_reason" in each]:
        raise NotReached(f"the service knows nothing about {len(skipped)} packages, such as {skipped[0]}")
    return report


def vulnerabilities(report: Report) -> list[str]:
    """Return a sentence about each known vulnerability of a report."""
    return [
        f"{each['name']} {each['version']}: {found['id']}"
        + (f", fixed in {', '.join(found['fix_versions'])}" if found["fix_versions"] else ", not fixed yet")
        for each in report["dependencies"]
        for found in each.get("vulns", ())
    ]


def audit(requirements: str, program: tuple[str, ...] = (sys.executable, "-m", "pip_audit")) -> tuple[bool, str]:
    """Return whether an audit passes, and what to print."""
    try:
        if not vulnerabilities(report_of(KNOWN, program)):
            raise NotReached(f"the service does not know the vulnerability of {KNOWN}")
        found = vulnerabilities(report_of(requirements, program))
    except NotReached as reason:
        return True, f"NOT AUDITED: the data of vulnerabilities cannot be reached here ({reason})"
    if found:
        return False, "\n".join([*found, "raise these versions in constraints.txt, as docs/dependencies.md says"])
    return True, "no known vulnerability in the packages of constraints.txt"


if __name__ == "__main__":
    passes, sentence = audit((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    print(sentence)
    sys.exit(not passes)
