"""Tests what the model of typical paths costs: it joins a path with the days of its window, not with all days."""

import re
from pathlib import Path

import duckdb
import pytest

from session_pipeline import tables
from session_pipeline.engines.sql import filled_model
from session_pipeline.settings import parse_settings
from session_pipeline.tables.parameters import parameters
from session_pipeline.tables.paths.from_settings import path_positions, window_ages

ROWS_OF_OPERATOR = re.compile(r'"intermediate_rows": (\d+)')
# As in a small shop: few paths are frequent, and each day has other durations.
PATH_COUNTS = """
    create table path_counts as
    select date '2026-01-01' + cast(day as integer) as session_date, 'shop' as site,
        ['bounce', 'engaged', 'purchase'][visit % 3 + 1] as outcome,
        ['phone', 'desktop', 'tablet'][one_of(3, day, visit) + 1] as device,
        '/' || array_to_string(list_transform(
            range(one_of(5, visit, day) + 1),
            lambda step: ' > /p' || least(one_of(9, visit, step), one_of(9, day, step))
        ), '') as path,
        2 + one_of(7, day, visit) as action_count, one_of(40, day, visit) as rounded_seconds,
        1 as session_count, cast(visit % 3 = 2 as integer) as converted_count
    from range($days) as days(day) cross join range(180) as visits(visit)
"""


def largest_operator(days: int) -> tuple[int, int]:
    """Return the rows of the model, and those of the largest part of its plan, for so many days."""
    settings = parse_settings("")
    values = parameters(settings)
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute((Path(tables.__file__).parent / "macros.sql").read_text())
        for name, rows in (("window_ages", window_ages(settings)), ("path_positions", path_positions(settings))):
            columns = ", ".join(f"{column} {kind}" for column, kind in rows.types.items())
            database.execute(f"create table {name} ({columns})")
            marks = ", ".join("?" for _ in rows.types)
            database.executemany(f"insert into {name} values ({marks})", [list(row.values()) for row in rows.rows])
        database.execute("create macro one_of(most, a, b) as cast(hash(a, b) % most as bigint)")
        database.execute(PATH_COUNTS, {"days": days})
        database.execute("create table days as select distinct session_date as event_date from path_counts")
        for name in ("counted_paths", "folded_paths", "shown_paths"):
            database.execute(f"create table {name} as {filled_model(name, values)}")
        model = filled_model("typical_paths", values)
        [(_, plan)] = database.execute(f"explain (analyze, format json) {model}").fetchall()
        [(count,)] = database.execute(f"select count(*) from ({model})").fetchall()
    return count, max(map(int, ROWS_OF_OPERATOR.findall(plan)))


@pytest.mark.long
def test_largest_join_grows_with_the_days_and_not_with_their_square() -> None:
    (few, rows_of_few), (many, rows_of_many) = largest_operator(50), largest_operator(150)
    assert (few, many) == (10_000, 30_000)
    assert rows_of_many <= 4 * rows_of_few
