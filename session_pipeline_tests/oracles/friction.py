"""Finds the signals of friction in plain Python, written from docs/definitions.md, not from the SQL.

It loops over the actions of each session, in the way that is easiest to read.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise, zip_longest
from typing import Any
from urllib.parse import parse_qs, urlsplit

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]

HARD = ("rage_click", "u_turn", "repeated_search", "error", "error_loop", "abandoned_form")
SIGNALS = (
    *("rage_click", "u_turn", "back_track", "repeated_search", "repeated_submit", "error", "error_loop", "dead_end"),
    *("abandoned_form", "long_dwell", "repeat"),
)
NOTHING = timedelta(0)


@dataclass(frozen=True)
class Options:
    """The settings of friction, with conditions as functions of an event. Times are in seconds."""

    click: Condition
    search_results: Condition
    submit: Condition
    error: Condition
    forms: Sequence[tuple[Condition, Condition]]
    signals: Sequence[str] = SIGNALS
    ignored: Sequence[str] = ("page_ping", "heartbeat", "scroll", "request", "asset")
    fold: Callable[[str], str] = lambda path: re.sub("/[0-9]+", "/:id", path)
    query_parameters: Sequence[str] = ()
    rage_click_clicks: int = 3
    rage_click_seconds: int = 1
    u_turn_seconds: int = 10
    repeated_submit_seconds: int = 3
    error_loop_actions: int = 4
    dead_end_sessions: int = 20
    dead_end_exit_percent: int = 20
    long_dwell_seconds: int = 120

    def label(self, event: Row) -> str | None:
        """The label of an event in paths; None if it is not an action."""
        if event["event_name"] in self.ignored:
            return None
        if event["event_name"] != "page_view":
            return str(event["event_name"])
        return self.page(event) or "page_view"

    def page(self, event: Row) -> str | None:
        """The action of the page of an event; None if it has no page."""
        if not event["page_path"]:
            return None
        values = parse_qs(urlsplit(event["page_url"]).query)
        kept = [f"{name}={values[name][0]}" for name in self.query_parameters if name in values]
        return self.fold(event["page_path"]) + ("?" + "&".join(kept) if kept else "")


@dataclass(frozen=True)
class Action:
    """An event that is an action, with its number in the session and the place where it happened."""

    event: Row
    number: int
    label: str
    place: str
    is_step: bool

    @property
    def time(self) -> datetime:
        return self.event["event_time"]


@dataclass
class Found:
    """The occurrences of a signal at a place in a session: the completing actions, and the time lost."""

    actions: list[Action] = field(default_factory=list)
    lost: timedelta = NOTHING


@dataclass
class Session:
    """A session with its actions in order."""

    day: date
    site: str
    session_id: str
    is_bot: bool
    actions: list[Action]


def sessions_of(events: Iterable[Row], options: Options) -> list[Session]:
    """Return all sessions with their actions."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for event in events:
        grouped[event["session_id"]].append(event)
    sessions = []
    for session_id, members in grouped.items():
        members.sort(key=lambda event: event["event_number"])
        has_pages = any(event["event_name"] == "page_view" for event in members)
        actions: list[Action] = []
        for event in members:
            label = options.label(event)
            if label is not None:
                place = options.page(event) or label
                is_step = event["event_name"] == "page_view" or not has_pages
                actions.append(Action(event, len(actions) + 1, label, place, is_step))
        first = members[0]
        is_bot = any(event["is_bot"] for event in members)
        sessions.append(Session(first["session_date"], first["site"], session_id, is_bot, actions))
    return sessions


def session_friction(events: Sequence[Row], options: Options) -> list[dict[str, Any]]:
    """Return the rows of session_friction."""
    sessions = sessions_of(events, options)
    exits = places(sessions)
    return [
        {
            "session_date": session.day,
            "session_id": session.session_id,
            "site": session.site,
            "action": place,
            "signal": signal,
            "occurrence_count": len(found.actions),
            "first_event_id": found.actions[0].event["event_id"],
            "first_action_number": found.actions[0].number,
            "first_at": found.actions[0].time,
            "seconds_lost": found.lost / timedelta(seconds=1),
            "is_hard_time": signal in HARD,
            "is_bot": session.is_bot,
        }
        for session in sessions
        for (place, signal), found in signals_of(session, exits, options).items()
        if signal in options.signals
    ]


def places(sessions: Iterable[Session]) -> dict[tuple[date, str, str], tuple[int, int]]:
    """Return, by day, site and place, the people's sessions that were there, and those that left there."""
    counts: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for session in sessions:
        if session.is_bot or not session.actions:
            continue
        for place in {action.place for action in session.actions}:
            counts[session.day, session.site, place][0] += 1
        counts[session.day, session.site, session.actions[-1].place][1] += 1
    return {key: (seen, left) for key, (seen, left) in counts.items()}


def signals_of(
    session: Session, exits: Mapping[tuple[date, str, str], tuple[int, int]], options: Options
) -> dict[tuple[str, str], Found]:
    """Return what was found in a session, by place and signal."""
    found: dict[tuple[str, str], Found] = defaultdict(Found)

    def add(signal: str, place: str, action: Action, lost: timedelta = NOTHING) -> None:
        found[place, signal].actions.append(action)
        found[place, signal].lost += lost

    actions = session.actions
    steps = [action for action in actions if action.is_step]
    for before, left, back in zip(steps, steps[1:], steps[2:], strict=False):
        if before.label == back.label != left.label:
            add("back_track", left.place, back, back.time - left.time)
            nothing_between = not actions[left.number : back.number - 1]
            if nothing_between and back.time - left.time <= timedelta(seconds=options.u_turn_seconds):
                add("u_turn", left.place, back, back.time - left.time)

    for action, following in zip_longest(actions, actions[1:]):
        pause = following.time - action.time if following else None
        if pause is not None and pause >= timedelta(seconds=options.long_dwell_seconds):
            add("long_dwell", action.place, action, pause)
        if following and following.label == action.label:
            add("repeat", following.place, following)
        if options.error(action.event):
            add("error", action.place, action, pause or NOTHING)

    errors = [action for action in actions if options.error(action.event)]
    for before, action in pairwise(errors):
        if action.number - before.number + 1 <= options.error_loop_actions:
            add("error_loop", action.place, action, action.time - before.time)

    searches = [action for action in actions if action.event["search_term"] is not None]
    for before, action in pairwise(searches):
        opened = [
            each
            for each in actions[before.number : action.number - 1]
            if each.is_step and not options.search_results(each.event)
        ]
        if compared_term(action) != compared_term(before) and not opened:
            add("repeated_search", action.place, action, action.time - before.time)

    for clicks in series(actions, lambda a: options.click(a.event) and a.event["element"], lambda a: ()):
        for last in rage_clicks(clicks, options):
            first = clicks[last - options.rage_click_clicks + 1]
            add("rage_click", first.place, clicks[last], clicks[last].time - first.time)

    for submits in series(
        actions, lambda a: options.submit(a.event), lambda a: (a.label, a.event["element"] or "", a.event["event_name"])
    ):
        for before, action in pairwise(submits):
            if action.time - before.time <= timedelta(seconds=options.repeated_submit_seconds):
                add("repeated_submit", action.place, action, action.time - before.time)

    for starts, submits_form in options.forms:
        started = [action for action in actions if starts(action.event)]
        submitted = [action for action in actions if submits_form(action.event)]
        if started and not (submitted and submitted[-1].number >= started[-1].number):
            add("abandoned_form", started[-1].place, actions[-1], actions[-1].time - started[-1].time)

    if len(actions) > 1 and actions[-1].is_step:
        seen, left = exits.get((session.day, session.site, actions[-1].place), (0, 0))
        if seen >= options.dead_end_sessions and left / seen <= options.dead_end_exit_percent / 100:
            add("dead_end", actions[-1].place, actions[-1])
    return found


def compared_term(action: Action) -> str:
    """Return the search term of an action in lower case, with one space between words."""
    return " ".join(action.event["search_term"].lower().split())


def series(
    actions: Iterable[Action], belongs: Callable[[Action], Any], kind: Callable[[Action], tuple[str, ...]]
) -> Iterator[list[Action]]:
    """Yield the actions that belong, in a list for each place, element and kind."""
    lists: dict[tuple[Any, ...], list[Action]] = defaultdict(list)
    for action in actions:
        if belongs(action):
            lists[action.place, action.event["element"], kind(action)].append(action)
    yield from lists.values()


def rage_clicks(clicks: Sequence[Action], options: Options) -> Iterator[int]:
    """Yield the index of the click that completes each burst: the first that ends enough clicks within the time."""
    was_fast = False
    for last in range(options.rage_click_clicks - 1, len(clicks)):
        time = clicks[last].time - clicks[last - options.rage_click_clicks + 1].time
        is_fast = time <= timedelta(seconds=options.rage_click_seconds)
        if is_fast and not was_fast:
            yield last
        was_fast = is_fast


def observable(
    events: Iterable[Row], sessions: Iterable[Session], options: Options
) -> dict[tuple[date, str], set[str]]:
    """Return the signals that the events of people can show, by day and site."""
    people = [session for session in sessions if not session.is_bot]
    by_site: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for session in people:
        by_site[session.day, session.site] += [action.event for action in session.actions]
    with_status = {
        (event["session_date"], event["site"])
        for event in events
        if event["status_code"] is not None and not event["is_bot"]
    }
    most: dict[tuple[date, str], int] = defaultdict(int)
    for (day, site, _), (seen, _) in places(people).items():
        most[day, site] = max(most[day, site], seen)
    shown = {}
    for key, rows in by_site.items():
        has_errors = key in with_status or any(map(options.error, rows))
        can = {
            "rage_click": any(options.click(row) and row["element"] for row in rows),
            "repeated_search": any(row["search_term"] is not None for row in rows),
            "repeated_submit": any(map(options.submit, rows)),
            "error": has_errors,
            "error_loop": has_errors,
            "dead_end": most[key] >= options.dead_end_sessions,
            "abandoned_form": any(any(map(start, rows)) for start, _ in options.forms),
        }
        shown[key] = {signal for signal in options.signals if rows and can.get(signal, True)}
    return shown


def action_friction(events: Sequence[Row], options: Options) -> list[dict[str, Any]]:
    """Return the rows of action_friction."""
    sessions = sessions_of(events, options)
    found = [row for row in session_friction(events, options) if not row["is_bot"]]
    shown = observable(events, sessions, options)
    rows = []
    for (day, site, place), (seen, _) in places(sessions).items():
        here = [row for row in found if (row["session_date"], row["site"], row["action"]) == (day, site, place)]
        signals = shown[day, site] - ({"dead_end"} if seen < options.dead_end_sessions else set())
        rows.append({"session_date": day, "site": site, "action": place, **counts(here, signals, seen)})
    return rows


def daily_friction(events: Sequence[Row], options: Options) -> list[dict[str, Any]]:
    """Return the rows of daily_friction."""
    sessions = sessions_of(events, options)
    found = [row for row in session_friction(events, options) if not row["is_bot"]]
    shown = observable(events, sessions, options)
    rows = []
    for day, site in {(session.day, session.site) for session in sessions}:
        here = [row for row in found if (row["session_date"], row["site"]) == (day, site)]
        people = [session for session in sessions if (session.day, session.site) == (day, site) and not session.is_bot]
        signals = shown.get((day, site), set())
        rows.append({"session_date": day, "site": site, **counts(here, signals, len(people))})
    return rows


def counts(found: Sequence[Row], shown: Iterable[str], session_count: int) -> dict[str, Any]:
    """Return the counts of some rows of session_friction; None where a signal cannot be shown."""
    shown = set(shown)
    hard = {row["session_id"] for row in found if row["is_hard_time"]} if shown & {*HARD} else None
    lost = sum(row["seconds_lost"] for row in found if row["is_hard_time"] and row["signal"] != "error_loop")
    rate = None if hard is None or not session_count else len(hard) / session_count
    return {
        "session_count": session_count,
        "hard_time_count": None if hard is None else len(hard),
        "friction_rate": rate,
        **{
            f"{signal}_count": len({row["session_id"] for row in found if row["signal"] == signal})
            if signal in shown
            else None
            for signal in SIGNALS
        },
        "seconds_lost": None if hard is None else int(lost + 1e-7),
    }
