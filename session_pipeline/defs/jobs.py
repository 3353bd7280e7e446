"""The two jobs: `ingest`, since the dates in a delivered file are unknown until it is read, and `build`."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from session_pipeline.defs.assets import INGESTED

INGEST, BUILD = "ingest", "build"


def make_jobs() -> Mapping[str, Any]:
    """The jobs by name; both run in one process, so that a killed run leaves no orphan beside its successor."""
    ingested = dg.AssetSelection.assets(*INGESTED)
    return {
        INGEST: dg.define_asset_job(
            INGEST,
            selection=ingested,
            description="Take in what was delivered under raw/.",
            executor_def=dg.in_process_executor,
        ),
        BUILD: dg.define_asset_job(
            BUILD,
            selection=dg.AssetSelection.all() - ingested,
            description="Build a range of days from raw events, check them and publish.",
            executor_def=dg.in_process_executor,
        ),
    }
