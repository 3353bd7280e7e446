"""Ingests files of the corpus, and returns the result of each."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.corpus.inputs import Input
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 6)


@dataclass(frozen=True)
class Result:
    """The result for a file: its ledger row, and the reason of each quarantined line."""

    facts: Mapping[str, Any]
    set_aside: Mapping[int, str]
    raw_count: int

    def __str__(self) -> str:
        if self.facts["status"] != "accepted":
            return f"{self.facts['status']}: {self.facts['reason']}"
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(self.set_aside.values()).items()))
        counts = tuple(self.facts[f"{what}_count"] for what in ("line", "accepted", "set_aside"))
        return "accepted: {} = {} + {}".format(*counts) + (f" ({reasons})" if reasons else "")


def put(deployment: Deployment, given: Input, place: str = "web") -> None:
    """Write the file to a folder below raw/."""
    folder = os.fsencode(deployment.folder.raw / place)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, os.fsencode(given.name)), "wb") as file:
        file.write(given.bytes)


def ingest_all(deployment: Deployment) -> list[Result]:
    """Ingest all delivered files; returns the result of each file, ordered by path."""
    with open_run(deployment.folder, run_id="test", until=UNTIL, wait_seconds=60) as run:
        run.ingest()
        ledger = run.store.catalog.source_files()
        raw: Counter[str] = Counter()
        for key, partition in run.store.partitions.items():
            if key.table == "raw_events":
                raw[key.file_id] += partition.row_count
    found = deployment.table("quarantined_lines")
    reasons: dict[str, dict[int, str]] = {}
    for row in found.to_dict("records"):
        reasons.setdefault(row["file_id"], {})[int(row["line_number"])] = row["reason"]
    results = [Result(item.facts, reasons.get(file_id, {}), raw[file_id]) for file_id, item in ledger.items()]
    return sorted(results, key=lambda each: str(each.facts["path"]))
