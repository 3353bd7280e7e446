"""Tests what the model of optional steps costs: its joins have as many rows as events, not as pairs of them."""

import re

import duckdb

from session_pipeline.settings import parse_settings
from session_pipeline.tables import models
from session_pipeline.tables.funnels.from_settings import funnel_step_rules, funnels

OTHER_FUNNELS = 8
REQUIRED_STEPS = (2, 3, 4)  # of some funnel
STEPS = """
    { name = "a", where = "event_name = 'a'" },
    { name = "b", where = "event_name = 'b'", optional = true },
    { name = "c", where = "event_name = 'c'" },
    { name = "d", where = "event_name = 'd'" },
"""
SETTINGS = f'[[funnels]]\nname = "optional"\nentry = "any"\nsteps = [{STEPS}]\n' + "\n".join(
    f'[[funnels]]\nname = "other {number}"\nsteps = [{STEPS.replace(", optional = true", "")}]\n'
    for number in range(OTHER_FUNNELS)
)
DAY = "timestamp '2026-10-05'"
ROWS_OF_OPERATOR = re.compile(r'"intermediate_rows": (\d+)')
STOPS = "cast(null as struct(place bigint, stop_place bigint, stopped_at timestamp)) as stops"
STEP_EVENTS = f"""
    create table step_events as
    select f.funnel, 'shop' as site, 'v' as unit_id, i % 4 + 1 as step_number, date '2026-10-05' as session_date,
        's' as session_id, i as event_number, {DAY} + i * interval 1 second as event_time, '' as position,
        lpad(cast(i as varchar), 9, '0') as event_id, {STOPS}
    from range($events) as numbers(i) cross join funnels as f
"""


def largest_operator(events: int) -> int:
    """Return the rows of the largest part of the plan, for one visitor with this many events."""
    settings = parse_settings(SETTINGS)
    with duckdb.connect(config={"threads": 2}) as database:
        for name, rows in (("funnels", funnels(settings)), ("funnel_step_rules", funnel_step_rules(settings))):
            columns = ", ".join(f"{column} {kind}" for column, kind in rows.types.items())
            database.execute(f"create table {name} ({columns})")
            marks = ", ".join("?" for _ in rows.types)
            database.executemany(f"insert into {name} values ({marks})", [list(row.values()) for row in rows.rows])
        database.execute("create table days as select date '2026-10-05' as event_date")
        database.execute(
            f"create table day_parts as select date '2026-10-05' as utc_date, date '2026-10-05' as event_date, {DAY} "
            f"as day_start, {DAY} + interval 1 day as day_end"
        )
        database.execute(STEP_EVENTS, {"events": events})
        database.execute(f"create table reached_steps as {models.text('reached_steps')}")
        for number in REQUIRED_STEPS:
            next_rows = models.text("next_reached_steps")
            database.execute(f"create table with_step as {next_rows}", {"step_number": number})
            database.execute("drop table reached_steps")
            database.execute("alter table with_step rename to reached_steps")
        [(_, plan)] = database.execute(
            f"explain (analyze, format json) {models.text('optional_steps')}", {"step_number": 2}
        ).fetchall()
        [(found,)] = database.execute(
            f"select count(*) from ({models.text('optional_steps')}) where step_number = 2", {"step_number": 2}
        ).fetchall()
    assert found, "the step is reached"
    return max(map(int, ROWS_OF_OPERATOR.findall(plan)))


def test_optional_step_of_a_visitor_with_many_events_joins_no_pairs_of_them() -> None:
    few, many = largest_operator(1_000), largest_operator(4_000)
    assert many <= 4 * few + 1_000
