"""Computes action_labels, session_actions and what unfolded_actions reports, from the meanings in the definitions."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

Row = dict[str, Any]
PASSIVE = ("page_ping", "heartbeat", "scroll", "request")
PARTS = 10
CHARACTERS = 500


def action_labels(
    events: Iterable[Mapping[str, Any]],
    fold: Sequence[tuple[str, str]],
    ignored: Collection[str],
    parameters: Sequence[str],
) -> list[Row]:
    """Return a row for each pair of event name and page of a day.

    Args:
        events: Rows of the table events, also those of bots.
        fold: Pairs of a pattern and a replacement.
        ignored: The names of events that are not actions.
        parameters: The query parameters that are part of an action.
    """
    found = {
        (event["event_date"], event["event_name"], page_of(event, parameters)): event["event_name"] for event in events
    }
    return [
        {
            "event_date": day,
            "event_name": name,
            "page_path": page,
            "action": action_of(name, page, fold, ignored),
            "is_interaction": name not in ("page_view", "asset", *PASSIVE),
        }
        for day, name, page in found
    ]


def session_actions(
    events: Iterable[Mapping[str, Any]],
    bots: Collection[str],
    fold: Sequence[tuple[str, str]],
    ignored: Collection[str],
    parameters: Sequence[str],
) -> list[Row]:
    """Return the events of each session that are actions, in order; `bots` are the sessions of bots."""
    of_sessions: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for event in sorted(events, key=itemgetter("event_number")):
        action = action_of(event["event_name"], page_of(event, parameters), fold, ignored)
        if action is not None:
            of_sessions[event["session_id"]].append((action, event))
    copied = ("session_date", "session_id", "site", "event_id", "event_number", "event_name")
    rows = []
    for session_id, of_session in of_sessions.items():
        before = [None, *(action for action, _ in of_session)]
        after = [(action, event["event_time"]) for action, event in of_session[1:]] + [(None, None)]
        for number, (action, event) in enumerate(of_session, start=1):
            next_action, next_time = after[number - 1]
            seconds = None if next_time is None else (next_time - event["event_time"]).total_seconds()
            rows.append(
                {name: event[name] for name in copied}
                | {
                    "action_number": number,
                    "action": action,
                    "occurred_at": event["event_time"],
                    "seconds_to_next": seconds,
                    "previous_action": before[number - 1],
                    "next_action": next_action,
                    "is_landing": number == 1,
                    "is_exit": number == len(of_session),
                    "is_bot": session_id in bots,
                }
            )
    return rows


def page_of(event: Mapping[str, Any], parameters: Sequence[str]) -> str:
    """Return the path of a page view with the first value that is not empty of each parameter, as it is written."""
    if event["event_name"] != "page_view" or event["page_path"] is None:
        return ""
    given = [part.partition("=") for part in urlsplit(event["page_url"]).query.split("&")]
    values = {name: value for name, _, value in reversed(given) if value}
    kept = [f"{name}={values[name]}" for name in parameters if name in values]
    return event["page_path"] + ("?" + "&".join(kept) if kept else "")


def action_of(name: str, page: str, fold: Sequence[tuple[str, str]], ignored: Collection[str]) -> str | None:
    """Return the action of an event, if it is one. Fold rules change the path of a page, not its parameters."""
    if name == "asset" or name in ignored:
        return None
    if not page:
        return name
    path, sign, parameters = page.partition("?")
    for pattern, replacement in fold:
        path = re.sub(pattern, lambda _, plain=replacement: plain, path)  # type: ignore[misc]
    return (path or "/") + sign + parameters


def ways_to_continue(actions: Iterable[str]) -> dict[str, tuple[int, str, str]]:
    """Return for each beginning of a path in how many ways actions continue it, and the first and last of these."""
    ways: dict[str, set[str]] = defaultdict(set)
    continuing: dict[str, set[str]] = defaultdict(set)
    for action in actions:
        if action.startswith("/"):
            shown = action[:CHARACTERS]
            for number, part in enumerate(shown.split("/")[1 : PARTS + 1], start=1):
                beginning = "/".join(shown.split("/")[:number]) + "/"
                ways[beginning].add(part)
                continuing[beginning].add(shown)
    return {key: (len(parts), min(continuing[key]), max(continuing[key])) for key, parts in ways.items()}
