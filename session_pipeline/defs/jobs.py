"""The two jobs: `ingest` reads delivered files, `build` builds days and publishes.

They are separate because the dates in a delivered file are unknown until it is read.
"""

from typing import Any

import dagster as dg

from session_pipeline.defs import tags
from session_pipeline.defs.assets import INGESTED
from session_pipeline.tables.steps import LOGS, STEPS

INGEST, BUILD = "ingest", "build"
REPORT = dg.AssetKey("report")
# Assets without daily partitions; they can be built without a range of days.
UNDATED = [
    *(dg.AssetKey(name) for step in STEPS if not step.is_daily for name in step.tables),
    *(dg.AssetKey(log.table) for log in LOGS),
    *map(dg.AssetKey, ("warehouse", "lake")),
    REPORT,
]


def make_jobs() -> tuple[Any, Any]:
    """Create the jobs ingest and build."""
    ingested = dg.AssetSelection.assets(*INGESTED)
    ingest = dg.define_asset_job(
        INGEST,
        selection=ingested,
        description="Ingests the files delivered under raw/; the plan then decides what to build. If it has the tag"
        f" {tags.UPGRADE}, days with changed settings or models are rebuilt without the max_rebuild_days limit.",
    )
    build = dg.define_asset_job(
        BUILD,
        selection=dg.AssetSelection.all() - ingested,
        description="Builds stale days of a range from raw events, checks them and publishes when nothing is stale."
        " Choose a day or a range of days: a run without days fails.",
    )
    return ingest, build
