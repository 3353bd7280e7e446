"""Tests that small files, which are read together, give the same rows as alone, and do not affect each other."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.ingest.reading import read_large, small_files, stream, work
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import parse_settings
from session_pipeline_tests.deployment import Deployment, to_toml
from session_pipeline_tests.ingesting import KEY, Ingest
from session_pipeline_tests.presets.reading import examples
from session_pipeline_tests.test_formats import CONTENTS, NAMES, put

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

UNTIL = date(2026, 10, 6)
FILE_COUNT = 1200


def line(number: int, **fields: object) -> str:
    day = 1 + number % 3
    return json.dumps(
        {"visitor_id": f"v{number}", "event_time": f"2026-10-0{day}T10:00:00Z", "event_name": "page_view", **fields}
    )


def contents(format: str) -> Sequence[bytes]:
    """Return files of one format that differ in length, dates, errors, repeated lines and header."""
    if format == "jsonl":
        texts = ["\n".join(line(n % 4, n=number) for n in range(number)) + "\n{bad\n\n" for number in range(1, 6)]
    elif format == "access_log":
        texts = [CONTENTS[format].decode() * number + "no request\n" for number in range(1, 5)]
    elif format == "parquet":
        return [CONTENTS[format]]
    else:
        head, *rows = CONTENTS[format].decode().splitlines()
        separator = "," if format == "csv" else "\t"
        texts = [
            "\n".join([f"{head}{separator}extra_{number}", *(f"{row}{separator}{number}" for row in rows), "ragged"])
            for number in range(4)
        ]
    return [text.encode() for text in texts]


def ingest(deployment: Deployment) -> IngestSummary:
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        return run.ingest()


@pytest.mark.parametrize(
    "format", [pytest.param(name, marks=pytest.mark.long) if name == "tsv" else name for name in NAMES]
)
def test_rows_of_a_file_are_the_same_alone_and_with_others(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = [Deployment(tmp_path / name) for name in ("together", "alone")]
    for deployment in deployments:
        (deployment.folder.path / "visitor_key").write_text("00" * 32)
        for number, content in enumerate(contents(format)):
            put(deployment, content, f"{number}{NAMES[format].removeprefix('a')}")
    together = ingest(deployments[0])
    monkeypatch.setattr("session_pipeline.ingest.deliveries.MOST_FILES_TOGETHER", 1)
    assert ingest(deployments[1]) == together
    assert together.read_count == len(contents(format))
    assert deployments[0].hashes() == deployments[1].hashes()


@pytest.mark.parametrize("format", ["jsonl", "csv", "access_log"])
def test_rows_are_the_same_as_those_of_a_large_file(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments = [Deployment(tmp_path / name) for name in ("small", "large")]
    for deployment in deployments:
        (deployment.folder.path / "visitor_key").write_text("00" * 32)
        for number, content in enumerate(contents(format)):
            put(deployment, content, f"{number}{NAMES[format].removeprefix('a')}")
    ingest(deployments[0])
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", -1)
    ingest(deployments[1])
    for name in ("raw_events", "quarantined_lines", "source_files"):
        small, large = (deployment.records(name) for deployment in deployments)
        assert small == large


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=f"{path.parent.name}/{path.name}", marks=() if number % 3 == 1 else pytest.mark.nightly)
        for number, path in enumerate(examples())
    ],
)
def test_examples_of_presets_are_read_the_same_in_batches_of_a_large_file(
    path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = path.parent.name
    rules = rules_of(parse_settings(to_toml({"sources": {"web": {"preset": preset}}})), "web", KEY)
    small = ingest.take(path.read_bytes(), path.name, rules)
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", 0)
    monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", 7)
    monkeypatch.setattr(read_large, "LONG_LINE_BYTES", 1)
    monkeypatch.setattr(read_large, "BYTES_AT_ONCE", 1)
    monkeypatch.setattr(read_large, "FEWEST_AT_ONCE", 3)
    monkeypatch.setattr(work, "CHANGED_LINES_AT_ONCE", 3)
    monkeypatch.setattr(stream, "ROWS_OF_BATCH", 5)
    large = ingest.take(path.read_bytes(), path.name, rules)
    assert (large.events, large.quarantined) == (small.events, small.quarantined)
    assert large.reading.mapping == small.reading.mapping
    assert small.events


def test_thousand_files_are_few_transactions(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    for number in range(FILE_COUNT):
        deployment.deliver(f"{number}", [line(number)])
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        before = run.store.catalog.generation()
        assert run.ingest().accepted_count == FILE_COUNT
        assert run.store.catalog.generation() - before <= FILE_COUNT / small_files.MOST_FILES_TOGETHER + 2
        assert len([key for key in run.store.partitions if key.table == "raw_events"]) == FILE_COUNT
    for path in list((deployment.folder.raw / "test").iterdir()):
        path.rename(path.with_name(f"again-{path.name}"))
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        before = run.store.catalog.generation()
        assert run.ingest().redelivered_count == FILE_COUNT
        assert run.store.catalog.generation() - before <= FILE_COUNT / small_files.MOST_FILES_TOGETHER + 2


def test_bad_header_affects_no_other_file(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    put(deployment, CONTENTS["csv"], "a.csv")
    put(deployment, b"visitor_id,visitor_id\na,b\n", "b.csv")
    put(deployment, b"visitor_id,event_time,event_name\nc,2026-10-05,page_view\n", "c.csv")
    put(deployment, b"", "d.csv")
    summary = ingest(deployment)
    assert (summary.read_count, summary.refused_count, summary.accepted_count) == (3, 1, 3)
    files = deployment.table("source_files").set_index("path")
    assert "its header names 'visitor_id' more than once" in files.loc["web/b.csv", "reason"]


def test_file_that_grows_during_ingest_waits_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path)
    paths = [deployment.deliver(name, [line(number)]) for number, name in enumerate("abc")]
    write_parts = small_files.write_parts

    def write_slowly(*arguments: Any) -> None:
        write_parts(*arguments)
        with paths[1].open("a") as file:
            file.write("\n")

    monkeypatch.setattr("session_pipeline.ingest.reading.read_small.write_parts", write_slowly)
    summary = ingest(deployment)
    monkeypatch.undo()
    assert (summary.read_count, summary.unsettled_count, summary.accepted_count) == (2, 1, 2)
    assert ingest(deployment).accepted_count == 1
    assert sorted(deployment.table("raw_events")["visitor_id"]) == ["v0", "v1", "v2"]
