"""Runs of the jobs: ranges, single days, by hand, late files; what an operator reads; how a run fails."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from session_pipeline.catalog import Key
from session_pipeline.contracts import TABLES
from session_pipeline.defs import resources
from session_pipeline.defs.local_runs import UNDATED
from session_pipeline.pipeline import open_run, open_store
from session_pipeline_tests.orchestration import (
    QUIET,
    Orchestrated,
    checks_of,
    failures,
    orchestrated,
    shop_lines,
    steps_run,
)

DAILY = sorted(name for name, contract in TABLES.items() if contract.date_column and name != "raw_events")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    """Two days a week apart, run once; not to be written to."""
    with orchestrated(tmp_path_factory.mktemp("built")) as deployment:
        deployment.deliver_days(3)
        assert deployment.ingest().success
        deployment.result = deployment.build()
        assert deployment.result.success
        yield deployment


@pytest.fixture
def deployment(built: Orchestrated, tmp_path: Path) -> Iterator[Orchestrated]:
    """Three days that are built, for a test to change."""
    with orchestrated(tmp_path / "data", copy_of=built) as copy:
        yield copy
