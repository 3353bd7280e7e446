"""Runs the models of moments on sessions of the oracle, for tests of opportunities and next best actions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.reference.column import arrow_schema
from session_pipeline.reference.column import date as date_column
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import parse_settings
from session_pipeline.tables import table
from session_pipeline.tables.opportunities import findings
from session_pipeline.tables.opportunities.matched_sums import FIXED_POINT
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.oracles.opportunities import Session

PARAMETERS = {"most_moment_actions": 4, "most_seen_actions": 3, "least_compared_sessions": 30}
DIGITS = {
    **dict.fromkeys(("difference", "difference_low", "difference_high", "q_value", "lift"), 6),
    **dict.fromkeys(("rate_with", "rate_without", "rate_seen", "rate_unseen"), 6),
    **dict.fromkeys(("associated_lost_conversions", "low", "high"), 3),
    "score": 4,
    "associated_lost_value": 2,
}
LIFT_DIGITS = dict.fromkeys(("low", "high"), 6)  # of next_best_actions
MOMENT = ("site", "action", "position_bucket", "stage", "device")


def _inputs_of(sessions: Iterable[Session]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the tables that the models of moments read."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("sessions", "session_actions", "session_outcomes", "outcome_matches", "funnel_matches",
                              "session_friction")
    }  # fmt: skip
    for session in sessions:
        common = {"session_date": session.day, "session_id": session.session_id, "site": session.site,
                  "is_bot": session.is_bot}  # fmt: skip
        outcome = "purchase" if session.is_converted else "abandoned_cart" if session.other_matches else "engaged"
        rows["sessions"].append({**common, "device": session.device})
        rows["session_outcomes"].append(
            {**common, "outcome": outcome, "is_converted": session.is_converted, "value": session.value}
        )
        for number, at, action in session.actions:
            rows["session_actions"].append({**common, "action_number": number, "event_number": at, "action": action})
        for at, value in zip(session.conversions, session.values, strict=True):
            match = {
                **common,
                "event_number": at,
                "rule": outcome,
                "value": value,
                "currency": "EUR" if at % 2 else "USD",
            }
            rows["outcome_matches"].append(match)
        for at, rule, value in session.other_matches:
            rows["outcome_matches"].append({**common, "event_number": at, "rule": rule, "value": value})
        for at, funnel, step in session.steps:
            rows["funnel_matches"].append({**common, "event_number": at, "funnel": funnel, "step_number": step})
        for action, signal, at in session.signals:
            found = {"action": action, "signal": signal, "first_action_number": at}
            rows["session_friction"].append({**common, **found})
    return rows


def arrow(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = (*table(name).columns, date_column("session_date", ""))
    return pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(columns))


def count_moments(
    engine: DuckDBEngine, sessions: Sequence[Session], parameters: Mapping[str, int] = PARAMETERS
) -> tuple[list[dict[str, Any]], ...]:
    """Run the step `moments`; returns the rows of its tables."""
    step = STEP_OF_TABLE["moment_counts"]
    with engine.job() as job:
        for name, rows in _inputs_of(sessions).items():
            job.add_rows(name, arrow(name, rows))
        for name, make in step.lists.items():
            job.add_rows(name, make(parse_settings("", "settings.toml")))
        for computation in step.computed:
            job.compute(computation.model, parameters)
        return tuple(job.rows_of_model(name, parameters).to_pylist() for name in step.tables)


def compared_seen(
    engine: DuckDBEngine, counts: Sequence[Mapping[str, Any]], days: Sequence[date]
) -> list[dict[str, Any]]:
    """Return the rows of next_best_actions of some days, from the rows of seen_counts."""
    return _compared(engine, "seen_counts", counts, days, "next_best_counts", findings.next_best_actions)


def compared(engine: DuckDBEngine, counts: Sequence[Mapping[str, Any]], days: Sequence[date]) -> list[dict[str, Any]]:
    """Return the rows of opportunities of some days, from the rows of moment_counts."""
    return _compared(engine, "moment_counts", counts, days, "opportunity_counts", findings.opportunities)


def _compared(
    engine: DuckDBEngine,
    name: str,
    counts: Sequence[Mapping[str, Any]],
    days: Sequence[date],
    model: str,
    compare: Callable[[pa.Table], pa.Table],
) -> list[dict[str, Any]]:
    with engine.job() as job:
        job.add_rows(name, arrow(name, counts))
        job.add_rows("days", SmallTable({"event_date": "DATE"}, [{"event_date": day} for day in days]))
        found: list[dict[str, Any]] = compare(job.rows_of_model(model, PARAMETERS)).to_pylist()
        return sorted(found, key=lambda row: (row["session_date"], row["site"], row["window_days"], row["rank"]))


def assert_rows_equal(name: str, rows: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> None:
    """Compare the rows of a table with those of the oracle, in all columns; numbers must be the rounded ones."""
    columns = {"session_date", *(column.name for column in table(name).columns)}
    all_digits = DIGITS | (LIFT_DIGITS if name == "next_best_actions" else {})
    found, wanted = _by_key(name, rows), _by_key(name, expected)
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        assert row.keys() == wanted[key].keys() == columns
        for column, value in row.items():
            exact, digits = wanted[key][column], all_digits.get(column)
            if digits is None or value is None or exact is None:
                assert value == exact, (key, column)
                continue
            assert value == round(value, digits), (key, column)
            assert abs(value - exact) <= 0.5000005 * 10**-digits + abs(exact) / FIXED_POINT, (key, column, exact)
            assert str(value) != "-0.0", (key, column)


def _by_key(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    found = {tuple(row[column] for column in ("session_date", *table(name).key)): row for row in rows}
    assert len(found) == len(rows)
    return found
