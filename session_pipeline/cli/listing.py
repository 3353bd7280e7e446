"""The command sessions: lists sessions to choose from for `show`. Also lists those of a visitor for `show`.

Reads the warehouse. Sessions are defined by the SQL models in `tables`; `cli.timeline` shows a single session.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import duckdb
import typer
from rich.text import Text

from session_pipeline.cli.app import AsJson, Data, chosen_folder, day_of
from session_pipeline.cli.screen import Right, counted, echo, echo_json, grid, number, plain, short, span, stdout
from session_pipeline.engines.sql import query_text
from session_pipeline.errors import WrongUseError
from session_pipeline.publish import reader, warehouse
from session_pipeline.reference.days import zone
from session_pipeline.settings import Settings, load_settings
from session_pipeline.settings.values import closest

SHOWN_ID = 12  # `show` accepts the beginning of an id

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str]]  # the heading, and the text of a session

_DAYS = "select min(session_date) as first_day, max(session_date) as last_day from sessions"
_OUTCOMES = "select distinct outcome from session_outcomes order by outcome"


def sessions(
    day: Annotated[
        datetime | None,
        typer.Option(parser=day_of, metavar="DATE", help="Only sessions that start on this day."),
    ] = None,
    outcome: Annotated[str | None, typer.Option(metavar="NAME", help="Only sessions with this outcome.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of sessions.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List sessions to choose from for `show`, latest first."""
    folder = chosen_folder(data)
    settings = load_settings(folder.path)
    with reader.connect(folder.path) as connection:
        found = _find(connection, day, outcome, limit + 1)
        [days] = fetch(connection, _DAYS)
    first_day, last_day = days["first_day"], days["last_day"]
    listed, has_more = found[:limit], len(found) > limit
    if as_json:
        echo_json(listed)
    elif listed:
        _show(listed, has_more, settings)
    else:
        echo(f"no sessions; all are from {first_day} to {last_day}" if first_day else "no sessions", style="dim")


def _find(
    connection: duckdb.DuckDBPyConnection, day: datetime | None, outcome: str | None, limit: int
) -> Sequence[Row]:
    if outcome is not None:
        known = [row["outcome"] for row in fetch(connection, _OUTCOMES)]
        if outcome not in known:
            hint = closest(outcome, known) if known else "there are no sessions"
            raise WrongUseError(f"no session has the outcome {outcome!r}; {hint}")
    asked = {"day": day.date() if day else None, "outcome": outcome, "most_sessions": limit}
    return fetch(connection, query_text(__package__, "sessions"), asked)


def sessions_of(connection: duckdb.DuckDBPyConnection, visitor_id: str, limit: int) -> Sequence[Row]:
    """Return the latest sessions of a visitor, at most `limit`, the latest first; none if no session has the id."""
    asked = {"visitor": visitor_id, "most_sessions": limit}
    return fetch(connection, query_text(__package__, "visitor_sessions"), asked)


def print_visitor(visitor_id: str, listed: Sequence[Row], settings: Settings, *, has_more: bool) -> None:
    """Print the sessions of a visitor."""
    echo(Text.assemble(("Visitor ", "bold"), (plain(visitor_id), "bold"), "  the latest sessions first"))
    _print_table(
        listed,
        settings,
        (Right("actions"), lambda session: number(session["action_count"])),
        ("outcome", _outcome),
    )
    if has_more:
        listed_words = f"{counted(len(listed), 'session')} {'is' if len(listed) == 1 else 'are'} listed"
        echo(f"only the latest {listed_words}; use --limit for more", style="dim")


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query, each by the names of its columns.

    Raises:
        StoreError: Another version wrote the warehouse, and a table or column is missing.
    """
    try:
        cursor = connection.execute(sql, parameters)
    except warehouse.MISSING as error:
        raise warehouse.of_another_version(error) from None
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _show(listed: Sequence[Row], has_more: bool, settings: Settings) -> None:
    _print_table(
        listed,
        settings,
        (Right("events"), lambda session: number(session["event_count"])),
        ("outcome", _outcome),
        (Right("value"), value_of),
        ("channel", lambda session: plain(session["channel"] or "")),
        ("landing page", lambda session: short(session["landing_page"] or "")),
    )
    if has_more:
        echo(f"only the first {len(listed)} sessions are listed; use --limit for more", style="dim")


def _print_table(listed: Sequence[Row], settings: Settings, *more: Column) -> None:
    """Print a row for each session: its id, start and length, and more; at the end its site, if there are several."""
    columns: list[Column] = [
        ("session", lambda session: session["session_id"][:SHOWN_ID]),
        (
            f"start ({settings.timezone})",
            lambda session: f"{local_time(session['started_at'], settings):%Y-%m-%d %H:%M:%S}",
        ),
        (Right("length"), lambda session: span(float(session["duration_seconds"]))),
        *more,
    ]
    if len({session["site"] for session in listed}) > 1:
        columns.append(("site", lambda session: plain(session["site"])))
    rows = [[text(session) for _, text in columns] for session in listed]
    stdout.print(grid(*(heading for heading, _ in columns), rows=rows, whole=("session",)))


def local_time(instant: datetime, settings: Settings) -> datetime:
    """Return a time of the warehouse in the reporting time zone."""
    return instant.replace(tzinfo=UTC).astimezone(zone(settings.timezone))


def _outcome(session: Row) -> str:
    return plain(session["outcome"]) + (" (bot)" if session["is_bot"] else "")


def value_of(row: Row) -> str:
    """Return the value of a row with its currency; empty if it has none."""
    return "" if row["value"] is None else f"{plain(row['value'])} {plain(row['currency'] or '')}".strip()
