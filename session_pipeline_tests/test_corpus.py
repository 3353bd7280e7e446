"""Tests that every corpus file gives the expected result, alone and together with all others, and the ledger closes."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.checks import ledger_closes
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.corpus import CORPUS, SEEN, UNTIL, Input, put, taken
from session_pipeline_tests.deployment import Deployment


def test_corpus_is_large_and_without_repetitions() -> None:
    assert len(CORPUS) >= 120
    assert [what for what, count in Counter(given.what for given in CORPUS).items() if count > 1] == []


@pytest.mark.parametrize("given", CORPUS, ids=lambda given: given.what)
def test_file_is_read_as_expected_next_to_a_good_one(given: Input, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", given.settings)
    put(deployment, given)
    good = deployment.folder.raw / "other" / "good.jsonl"
    good.parent.mkdir()
    good.write_text(json.dumps(SEEN) + "\n")
    beside, became = taken(deployment)
    assert (beside.facts["status"], beside.facts["accepted_count"], beside.raw_count) == ("accepted", 1, 1)
    assert became.facts["status"] == given.status, became
    if given.status != "accepted":
        assert given.reason in became.facts["reason"]
    counts = {name: became.facts[f"{name}_count"] for name in ("line", "accepted", "set_aside", "blank_line")}
    assert counts == {
        "line": given.line_count,
        "accepted": given.accepted,
        "set_aside": len(given.set_aside),
        "blank_line": given.blank,
    }
    assert became.set_aside == given.set_aside
    assert became.raw_count == given.accepted


def test_whole_corpus_at_once(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    usual = [given for given in CORPUS if not given.settings]
    for number, given in enumerate(usual):
        put(deployment, given, folder=f"{number:03}")
    deployment.run(UNTIL)
    ledger = deployment.table("source_files")
    contents = {given.plain if given.status == "accepted" else given.what: given for given in usual}
    assert dict(Counter(ledger["status"])) == dict(Counter(given.status for given in contents.values()))
    events, copies = deployment.table("events"), deployment.table("duplicate_events")
    accepted = sum(ledger["accepted_count"])
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        verdict = ledger_closes(run, [date(2026, 10, 5)])
    assert verdict.holds, verdict.sentence
    assert accepted == len(events) + len(copies) + verdict.figures["waiting"]
    assert deployment.run(UNTIL) == []
