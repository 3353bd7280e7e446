"""Tests the settings that docs/exports.md gives for exports without a preset, with lines of these exports."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.run.pipeline import open_run
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT, blocks

DOCUMENT = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
SOURCES: dict[str, Any] = {
    name: keys for block in blocks(DOCUMENT) for name, keys in tomllib.loads(block.code).get("sources", {}).items()
}
LINES = {
    "shopify-orders": """\
Name,Email,Financial Status,Currency,Total,Created at,Lineitem quantity,Lineitem name,Billing Name
#1001,ann@example.com,paid,EUR,53.91,2026-05-04 09:50:26 +0200,3,Lamp,Ann
#1001,ann@example.com,,,,2026-05-04 09:50:26 +0200,1,"Chair, red",
""",
    "kaggle-shop": """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
2019-10-01 00:01:00 UTC,purchase,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
""",
    "retailrocket": """\
timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433221333117,257597,transaction,355908,4000
""",
}
EXPECTED = {
    "shopify-orders": [("purchase", "53.910000", "EUR", None), ("request", "None", "None", None)],
    "kaggle-shop": [("view_item", "None", "None", "/product/44600062"),
                    ("purchase", "35.790000", "None", "/product/44600062")],
    "retailrocket": [("view_item", "None", "None", "/item/355908"), ("purchase", "None", "None", "/item/355908")],
}  # fmt: skip


@pytest.mark.parametrize("source", LINES)
def test_settings_of_an_export_without_a_preset_read_it(source: str, tmp_path: Path) -> None:
    made = Deployment(tmp_path / "data", {"start_date": date(2015, 5, 1), "sources": {source: SOURCES[source]}})
    file = made.folder.raw / source / "a.csv"
    file.parent.mkdir(parents=True)
    file.write_text(LINES[source])
    with open_run(made.folder, run_id="test", until=date(2026, 6, 1)) as run:
        run.ingest()
        with run.engine.job() as job:
            paths = [path for item in run.store.of_table("raw_events") for path in run.store.paths_of(item)]
            job.add_input(table("raw_events"), paths)
            rows = job.rows("select event_name, value, currency, page_path from raw_events order by line_number")
    found = [(row["event_name"], str(row["value"]), str(row["currency"]), row["page_path"]) for row in rows.to_pylist()]
    assert found == EXPECTED[source]


def test_every_documented_export_is_tested() -> None:
    assert {*SOURCES} == {*LINES}
