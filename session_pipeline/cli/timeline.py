"""The command show: prints one session as a timeline, with the delivered file and line of each event, or a visitor.

Reads the tables of events and sessions in the warehouse, and changes nothing. `cli.listing` lists sessions.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import duckdb
import typer
from rich.text import Text

from session_pipeline.cli.app import AsJson, Data, chosen_folder
from session_pipeline.cli.listing import fetch, local_time, print_visitor, sessions_of, value_of
from session_pipeline.cli.screen import Right, counted, echo, echo_json, grid, number, plain, short, span, stdout
from session_pipeline.engines.sql import query_text
from session_pipeline.errors import WrongUseError
from session_pipeline.publish import reader
from session_pipeline.settings import Settings, load_settings

SHOWN_MATCHES = 5
SHOWN_EVENTS = 200  # at each end of a session
HOW_TO_FIND = "find one with: session-pipeline sessions"
DETAILS = {"search_term": "searched for", "element": "on", "status_code": "status"}
# A session's events are on its date or the next day, or on the day after that where the clocks go forward.
WITHIN = timedelta(days=2)

Row = Mapping[str, Any]


def show(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Session id, or its beginning; or a whole visitor id.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of sessions of a visitor.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show one session as a timeline, or list the sessions of a visitor.

    A timeline has each event with its file and line, why the session started, how it ended and why. Of a visitor, the
    latest sessions come first. The beginning of one session id counts as that session.
    """
    folder = chosen_folder(data)
    settings = load_settings(folder.path)
    with reader.connect(folder.path) as connection:
        found = _sessions_like(connection, wanted)
        if len(found) != 1 and (of_visitor := sessions_of(connection, wanted, limit + 1)):
            if as_json:
                echo_json({"visitor_id": wanted, "sessions": of_visitor[:limit]})
            else:
                print_visitor(wanted, of_visitor[:limit], settings, has_more=len(of_visitor) > limit)
            return
        session = _only(found, wanted)
        facts = {
            "session": session,
            "outcome": _rows(connection, _OUTCOME, session)[0],
            "goals": _rows(connection, _GOALS, session),
            "events": _rows(connection, query_text(__package__, "session_events"), session),
            "dropped_copies": _rows(connection, query_text(__package__, "session_duplicates"), session),
            "session_before": next(iter(_rows(connection, query_text(__package__, "session_before"), session)), None),
            "session_after": next(iter(_rows(connection, query_text(__package__, "session_after"), session)), None),
            "session_ended_later": next(
                iter(_rows(connection, query_text(__package__, "session_ended_later"), session)), None
            ),
        }
    if as_json:
        echo_json(facts)
    else:
        _print_timeline(facts, settings)


_OUTCOME = "select * from session_outcomes where session_id = $id"
_GOALS = "select * from session_goals where session_id = $id order by reached_at, goal"


def _sessions_like(connection: duckdb.DuckDBPyConnection, beginning: str) -> Sequence[Row]:
    """Return the first sessions whose ids begin with a text, one more than are shown; none for an empty text."""
    if not beginning:
        return []
    return fetch(
        connection,
        "select * from sessions where starts_with(session_id, $beginning) order by session_id limit $limit",
        {"beginning": beginning, "limit": SHOWN_MATCHES + 1},
    )


def _only(found: Sequence[Row], wanted: str) -> Row:
    """Return the only session that was found."""
    if not found:
        raise WrongUseError(f"no session has an id that begins with {wanted!r}, and no visitor has it; {HOW_TO_FIND}")
    if len(found) > 1:
        shown = ", ".join(row["session_id"] for row in found[:SHOWN_MATCHES])
        more = " and more" if len(found) > SHOWN_MATCHES else ""
        raise WrongUseError(f"several sessions begin with {wanted!r}: {shown}{more}; give more of the id")
    return found[0]


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, session: Row) -> list[dict[str, Any]]:
    known = {
        "id": session["session_id"],
        "site": session["site"],
        "visitor": session["visitor_id"],
        "started": session["started_at"],
        "ended": session["ended_at"],
        "number": session.get("day_session_number"),  # in a warehouse without it, the queries that read it say so
        "first": session["session_date"],
        "last": session["session_date"] + WITHIN,
    }
    return fetch(connection, sql, {name: value for name, value in known.items() if f"${name}" in sql})


def _print_timeline(facts: Row, settings: Settings) -> None:
    session = facts["session"]
    echo(Text.assemble(("Session ", "bold"), (session["session_id"], "bold"), f"  {_who(session)}"))
    head = [
        ("time", _when(session, settings)),
        ("channel", _channel(session)),
        ("started", _start(facts, settings)),
        ("ended", _end(facts, settings)),
        ("goals", ", ".join(plain(goal["goal"]) for goal in facts["goals"]) or "none"),
    ]
    stdout.print(grid("", "", rows=[(Text(label, "bold"), plain(text)) for label, text in head]))
    echo()
    files = list(dict.fromkeys(row["path"] for row in (*facts["events"], *facts["dropped_copies"])))
    headings = (Right(""), "time", Right("gap"), "event", "page", Right("value"), "file:line", "")
    stdout.print(grid(*headings, rows=_event_rows(facts, settings, files)))
    echo()
    for place, path in enumerate(files, start=1):
        echo(f"file {place} is raw/{plain(path)}", style="dim")


def _event_rows(facts: Row, settings: Settings, files: Sequence[str]) -> Iterator[Sequence[str | Text]]:
    session, outcome, deciding = facts["session"], facts["outcome"], _deciding(facts)
    is_one_day = local_time(session["started_at"], settings).date() == local_time(session["ended_at"], settings).date()
    for left_out, event in _shown(facts["events"], deciding):
        if left_out:
            yield ("", "", "", Text(f"{number(left_out)} more; --json has all", "dim"), "", "", "", "")
        decides = event is deciding
        details = [f"{word} {short(event[name])}" for name, word in DETAILS.items() if event[name] is not None]
        yield (
            str(event["event_number"]),
            f"{local_time(event['event_time'], settings):{'%H:%M:%S' if is_one_day else '%m-%d %H:%M:%S'}}",
            "" if event["gap_microseconds"] is None else span(event["gap_microseconds"] / 1_000_000),
            Text(short(event["event_name"]), "bold" if decides else ""),
            "  ".join([short(event["page_path"] or ""), *details]).strip(),
            value_of(event),
            f"{files.index(event['path']) + 1}:{event['line_number']}",
            Text(f"◀ {plain(outcome['outcome'])}" if decides else "", "bold"),
        )
        for copy in facts["dropped_copies"]:
            if (copy["kept_file_id"], copy["kept_line_number"]) == (event["file_id"], event["line_number"]):
                kind = "copy" if copy["is_same_content"] else "same id, different content"
                line = f"{files.index(copy['path']) + 1}:{copy['line_number']}"
                yield ("", "", "", Text(f"dropped: {kind}", "dim"), "", "", Text(line, "dim"), "")


def _shown(events: Sequence[Row], deciding: Row | None) -> Iterator[tuple[int, Row]]:
    """Yield the first and last events and the deciding one, each with the number of events left out before it."""
    left_out = 0
    for place, event in enumerate(events):
        if SHOWN_EVENTS <= place < len(events) - SHOWN_EVENTS and event is not deciding:
            left_out += 1
        else:
            yield left_out, event
            left_out = 0


def _who(session: Row) -> str:
    user = f", user {short(session['user_id'])}" if session["user_id"] else ""
    bot = ", bot" if session["is_bot"] else ""
    return f"visitor {short(session['visitor_id'])}{user}, site {plain(session['site'])}{bot}"


def _when(session: Row, settings: Settings) -> str:
    start, end = local_time(session["started_at"], settings), local_time(session["ended_at"], settings)
    last = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%a %Y-%m-%d %H:%M:%S}"
    events = f"{counted(session['event_count'], 'event')}, {counted(session['page_view_count'], 'page view')}"
    return f"{start:%a %Y-%m-%d %H:%M:%S} to {last} {settings.timezone}, {span(session['duration_seconds'])}; {events}"


def _channel(session: Row) -> str:
    utm = " / ".join(short(session[name]) for name in ("utm_source", "utm_medium", "utm_campaign") if session[name])
    parts = [
        (session["channel"] or "").replace("_", " "),
        f"from {short(session['referrer_host'])}" if session["referrer_host"] else "",
        f"({utm})" if utm else "",
    ]
    machine = ", ".join(session[name] for name in ("device", "browser", "os") if session[name])
    landing = f"; landing page {short(session['landing_page'])}" if session["landing_page"] else ""
    return f"{' '.join(filter(None, parts))}{'; ' + machine if machine else ''}{landing}"


def _start(facts: Row, settings: Settings) -> str:
    session, before = facts["session"], facts["session_before"]
    reason = _in_words(session["break_reason"], settings)
    if before is None:
        return f"{reason}; the visitor's first known session"
    if before["ended_at"] > session["started_at"]:
        return f"{reason}; overlaps with session {before['session_id'][:8]} of the visitor, which started before"
    pause = span((session["started_at"] - before["ended_at"]).total_seconds())
    return f"{reason}; the visitor's previous session, {before['session_id'][:8]}, ended {pause} earlier"


def _end(facts: Row, settings: Settings) -> str:
    session, outcome = facts["session"], facts["outcome"]
    after, later = facts["session_after"], facts["session_ended_later"]
    value = f", value {value_of(outcome)}" if outcome["value"] else ""
    deciding = _deciding(facts)
    why = f": decided by event {deciding['event_number']}" if deciding else ": decided by the session as a whole"
    text = f"{outcome['outcome']}{value}{why}"
    if not session["is_complete"]:
        return f"{text} so far; it can still continue, because the next day is not built"
    if after is None and later is None:
        return f"{text}; the visitor did not return"
    if after is None:
        return f"{text}; overlaps with session {later['session_id'][:8]} of the visitor, which ended later"
    if after["started_at"] < session["ended_at"]:
        return f"{text}; overlaps with session {after['session_id'][:8]} of the visitor, which started later"
    pause = span((after["started_at"] - session["ended_at"]).total_seconds())
    because = "" if after["break_reason"] == "inactivity" else f" ({_in_words(after['break_reason'], settings)})"
    return f"{text}; the visitor's next session, {after['session_id'][:8]}, started {pause} later{because}"


def _deciding(facts: Row) -> Row | None:
    """Return the event that decided the outcome; None if the session as a whole did.

    An id can occur twice in a session, at different times.
    """
    decided = facts["outcome"]["deciding_event_id"], facts["outcome"]["decided_at"]
    return next((event for event in facts["events"] if (event["event_id"], event["event_time"]) == decided), None)


def _in_words(break_reason: str, settings: Settings) -> str:
    rules = settings.sessions
    first_event = f"no event in the {rules.inactivity_minutes} minutes before"
    if rules.client_sessions != "ignore":
        first_event += ", or the first event with its client_session_id"
    return {
        "inactivity": first_event,
        "midnight": "a new day began",
        "utc_hour": "a new hour began (UTC)",
        "separator": f"{rules.separator} starts a session",
        "client_session": "the session id of the source changed",
        "user": "the user changed",
        "campaign": "the campaign changed",
        "max_hours": f"the previous session had lasted {rules.max_hours} hours",
    }.get(break_reason, break_reason)
