"""Tests that Spark reads and writes below folders with names that mean something else to it."""

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.data_folder import at
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.tables import table
from session_pipeline_tests.test_spark import DAYS, needs_spark, quiet, settings_of


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("name", ["{a,b}", "${a} b", "a]#%:ü"])
def test_folder_can_have_any_characters(name: str, tmp_path: Path) -> None:
    contract = table("recent_event_ids")
    for of_folder in (name, "a", "b"):  # the others are those that Spark would read as {a,b}
        given = tmp_path / of_folder / f"event_date={DAYS[0]}" / "data.parquet"
        given.parent.mkdir(parents=True)
        row = dict.fromkeys(contract.schema.names) | {"event_id": of_folder}
        pq.write_table(pa.Table.from_pylist([row], contract.schema), given)
    folder = at(tmp_path / name).path
    given = folder / f"event_date={DAYS[0]}" / "data.parquet"
    with closing(SparkEngine(settings_of("local[2]"), folder)) as engine:
        for large_day_bytes in (0, 10**9):
            engine.large_day_bytes = large_day_bytes
            written = folder / f"{large_day_bytes}.parquet"
            with engine.job() as job:
                job.add_input(contract, [given], with_date=True)
                assert job.write_days(contract, "select * from recent_event_ids", {DAYS[0]: written}) == {DAYS[0]: 1}
            assert pq.read_table(written).column("event_id").to_pylist() == [name]
