"""Tests real and published events against results from other sources."""

import csv
import gzip
import re
import shutil
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.checks import ledger_closes
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.published_cases import FIXTURES, NEEDS_FIXTURES
from session_pipeline_tests.public_events import sessions_by_gap, sessions_of

pytestmark = NEEDS_FIXTURES


def delivered(deployment: Deployment, source: str, fixture: str) -> Path:
    path = FIXTURES / fixture
    folder = deployment.folder.raw / source
    folder.mkdir(parents=True)
    return Path(shutil.copyfile(path, folder / path.name))


@pytest.mark.long
def test_nasa_day_is_fully_accounted_for(tmp_path: Path) -> None:
    deployment = Deployment(
        tmp_path,
        {
            "start_date": date(1995, 1, 1),
            "timezone": "America/New_York",
            "sources": {
                "nasa": {
                    "columns": {
                        "visitor_id": "host",
                        "event_time": "time",
                        "page_url": "url",
                        "status_code": "response",
                    },
                    "constants": {"event_name": "page_view"},
                }
            },
        },
        only=("sessions",),
    )
    path = delivered(deployment, "nasa", "nasa_http_19950801/nasa_19950801.tsv")
    deployment.run(date(1995, 8, 3))

    (file,) = deployment.records("source_files")
    assert file["line_count"] == 30_969
    assert file["accepted_count"] + file["set_aside_count"] == 30_969
    assert len(deployment.table("events")) + len(deployment.table("duplicate_events")) == file["accepted_count"]
    with open_run(deployment.folder, run_id="test", until=date(1995, 8, 3)) as run:
        assert ledger_closes(run, []).holds

    duplicates = set(deployment.table("duplicate_events")["line_number"])
    with path.open(encoding="utf-8", newline="") as lines:
        records = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [
        (
            re.sub(r"^(\d+\.\d+\.\d+)\.\d+$", r"\1", record["host"]),
            int(record["time"]),
            line,
        )  # addresses: their networks
        for line, record in enumerate(records, start=2)
        if line not in duplicates
    ]
    assert sessions_of(deployment) == sessions_by_gap(rows)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(
        tmp_path_factory.mktemp("shop"),
        {
            "start_date": date(2024, 1, 1),
            "sources": {
                "shop": {"columns": {"visitor_id": "user_id", "event_name": "event", "event_time": "timestamp"}}
            },
            "outcomes": [{"name": "purchase", "where": "event_name = 'purchase'", "is_conversion": True}],
        },
    )
    delivered(deployment, "shop", "retentioneering_ecom/ecom.csv.gz")
    outcomes = STEP_OF_TABLE["session_outcomes"]
    with open_run(deployment.folder, run_id="test", until=date(2024, 7, 1)) as run:
        run.ingest()
        run.build(outcomes, run.planner.frame.wanted)  # and its inputs
    return deployment


def shop_records() -> list[dict[str, Any]]:
    with gzip.open(FIXTURES / "retentioneering_ecom" / "ecom.csv.gz", "rt", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.long
def test_shop_sessions_equal_those_of_its_authors(shop: Deployment) -> None:
    given: dict[str, list[int]] = defaultdict(list)
    for line, record in enumerate(shop_records(), start=2):
        given[record["session_id"]].append(line)
    assert len(given) == 3_605
    assert len(shop.table("duplicate_events")) == 0
    assert sessions_of(shop) == {frozenset(lines) for lines in given.values()}


@pytest.mark.long
def test_shop_has_470_sessions_with_a_purchase(shop: Deployment) -> None:
    outcomes = Counter(shop.table("session_outcomes")["outcome"])
    assert outcomes["purchase"] == 470
    assert outcomes.total() == 3_605
