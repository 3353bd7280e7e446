"""Computes the tables of paths of a day in plain Python from the meanings in docs/definitions.md.

The input is the actions of sessions: action_labels.py has how events become actions. typical_paths.py has the paths of
windows of days.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Any

Row = dict[str, Any]
Group = tuple[date, str, str]


@dataclass(frozen=True)
class Session:
    """A session with its actions: (action, time), in order."""

    day: date
    site: str
    session_id: str
    outcome: str
    is_converted: bool
    device: str
    seconds: float
    actions: tuple[tuple[str, datetime], ...]

    @property
    def labels(self) -> list[str]:
        """The actions as the tables of paths write them."""
        return [written(action) for action, _ in self.actions]


@dataclass(frozen=True)
class Sizes:
    """The settings [paths]."""

    max_steps: int
    max_path_actions: int
    max_paths: int
    min_session_count: int


def written(action: str) -> str:
    return f"action {action}" if action.startswith("(") else action


def by_group(sessions: Iterable[Session]) -> dict[Group, list[Session]]:
    groups = defaultdict(list)
    for session in sessions:
        groups[session.day, session.site, session.outcome].append(session)
    return groups


def row_of(group: Group, **values: Any) -> Row:
    return {**dict(zip(("session_date", "site", "outcome"), group, strict=True)), **values}


def counts_of(sessions: Sequence[Session]) -> Row:
    return {
        "session_count": len(sessions),
        "converted_count": sum(session.is_converted for session in sessions),
    }


def transitions(sessions: Iterable[Session], sizes: Sizes) -> list[Row]:
    rows = []
    for group, of_group in by_group(sessions).items():
        found: dict[tuple[str, str, str], list[tuple[Session, float | None]]] = defaultdict(list)
        for session in of_group:
            for key, seconds in transitions_of(session):
                found[key].append((session, seconds))
        combined: list[tuple[Session, float | None]] = []
        for key, moves in found.items():
            if len(distinct(moves)) < sizes.min_session_count:
                combined += [(session, None) for session, _ in moves]
            else:
                rows.append(row_of(group, **_transition(key, moves)))
        if combined:
            rows.append(row_of(group, **_transition(("other", "(other)", "(other)"), combined)))
    return rows


def transitions_of(session: Session) -> list[tuple[tuple[str, str, str], float | None]]:
    """Return the kind and both ends of each transition, and the seconds between two actions."""
    labels, times = session.labels, [moment for _, moment in session.actions]
    if not labels:
        return [(("no_action", "(start)", "(end)"), None)]
    steps = [
        (("loop" if source == target else "step", source, target), (later - earlier) / timedelta(seconds=1))
        for (source, target), (earlier, later) in zip(pairwise(labels), pairwise(times), strict=True)
    ]
    return [(("entry", "(start)", labels[0]), None), *steps, (("exit", labels[-1], "(end)"), None)]


def distinct(moves: Iterable[tuple[Session, float | None]]) -> list[Session]:
    return list({session.session_id: session for session, _ in moves}.values())


def _transition(key: Sequence[str], moves: Sequence[tuple[Session, float | None]]) -> Row:
    seconds = sorted(time for _, time in moves if time is not None)
    return {
        **dict(zip(("transition", "from_action", "to_action"), key, strict=True)),
        "transition_count": len(moves),
        **counts_of(distinct(moves)),
        "median_seconds": median(seconds) if seconds else None,
        "p90_seconds": next((time for time in seconds if at_least_nine_tenths(seconds, time)), None),
    }


def at_least_nine_tenths(seconds: Sequence[float], limit: float) -> bool:
    return 10 * sum(time <= limit for time in seconds) >= 9 * len(seconds)


def steps(sessions: Iterable[Session], sizes: Sizes) -> list[Row]:
    rows = []
    for group, of_group in by_group(sessions).items():
        found: dict[tuple[int, str], list[Session]] = defaultdict(list)
        for session in of_group:
            labels = session.labels
            last = "(more)" if len(labels) > sizes.max_steps else "(end)"
            for place in enumerate(["(start)", *labels[: sizes.max_steps], last]):
                found[place].append(session)
        named: dict[tuple[int, str], list[Session]] = defaultdict(list)
        for (number, action), having in found.items():
            is_combined = len(having) < sizes.min_session_count and action not in ("(start)", "(end)", "(more)")
            named[number, "(other)" if is_combined else action] += having
        rows += [
            row_of(group, step_number=number, action=action, **counts_of(having), share=len(having) / len(of_group))
            for (number, action), having in named.items()
        ]
    return rows


def actions_of_path(labels: Sequence[str], most: int) -> tuple[str, ...]:
    """Return the parts of a path."""
    if not labels:
        return ("(no action)",)
    return (*(label.replace(">", "›") for label in labels[:most]), *["(more)"][: len(labels) > most])


def text(path: Iterable[str]) -> str:
    return " > ".join(path)


def without_repeats(actions: Iterable[str]) -> list[str]:
    return [action for action, _ in groupby(actions)]


def most_frequent(paths: Iterable[str], most: int) -> set[str]:
    counts = Counter(paths)
    return set(sorted(counts, key=lambda path: (-counts[path], path))[:most])


def session_paths(sessions: Iterable[Session], sizes: Sizes) -> list[Row]:
    rows = []
    for group, of_group in by_group(sessions).items():
        by_path: dict[str, list[Session]] = defaultdict(list)
        for session in of_group:
            by_path[text(actions_of_path(session.labels, sizes.max_path_actions))].append(session)
        frequent = most_frequent((path for path, having in by_path.items() for _ in having), sizes.max_paths)
        named: dict[str, list[Session]] = defaultdict(list)
        for path, having in by_path.items():
            is_named = path in frequent and len(having) >= sizes.min_session_count
            named[path if is_named else "(other)"] += having
        rows += [row_of(group, path=path, **counts_of(having)) for path, having in named.items()]
    return rows


def folded_paths(sessions: Sequence[Session], sizes: Sizes) -> dict[str, tuple[str, ...] | None]:
    """Return the path of each session without direct repeats, by id; None if it is beyond max_paths."""
    found: dict[str, tuple[str, ...] | None] = {}
    for of_group in by_group(sessions).values():
        paths = {
            session.session_id: actions_of_path(
                [written(action) for action in without_repeats(action for action, _ in session.actions)],
                sizes.max_path_actions,
            )
            for session in of_group
        }
        frequent = most_frequent(map(text, paths.values()), sizes.max_paths)
        found |= {session_id: path if text(path) in frequent else None for session_id, path in paths.items()}
    return found


def path_counts(sessions: Sequence[Session], sizes: Sizes) -> list[Row]:
    paths = folded_paths(sessions, sizes)
    rows = []
    for group, of_group in by_group(sessions).items():
        found: dict[tuple[Hashable, ...], list[Session]] = defaultdict(list)
        for session in of_group:
            path = paths[session.session_id]
            figures = (None, None) if path is None else (len(session.actions), rounded(session.seconds))
            found[session.device, "(other)" if path is None else text(path), *figures].append(session)
        names = ("device", "path", "action_count", "rounded_seconds")
        rows += [
            row_of(group, **dict(zip(names, key, strict=True)), **counts_of(having)) for key, having in found.items()
        ]
    return rows


def rounded(seconds: float) -> int:
    """Round down to two digits."""
    digits = str(int(seconds))
    return int(digits[:2] + "0" * (len(digits) - 2))


def by_key(rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    found = {}
    for row in rows:
        place = tuple(row[name] for name in key)
        assert place not in found, f"two rows of {place}"
        found[place] = row
    return found
