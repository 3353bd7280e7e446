"""Computes the tables of paths in plain Python from the meanings in docs/definitions.md.

The input is the actions of sessions. How events become actions is tested with sessions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from session_pipeline.settings.action_patterns import (
    Action,
    ActionPattern,
    Choice,
    Item,
    Limit,
    Repeat,
    Series,
)

Row = dict[str, Any]
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Session:
    """A session with its actions: (label, time), in order."""

    day: date
    session_id: str
    outcome: str
    is_converted: bool
    device: str
    seconds: int
    actions: tuple[tuple[str, datetime], ...]

    @property
    def labels(self) -> list[str]:
        return [f"action {label}" if label.startswith("(") else label for label, _ in self.actions]


def by_day_and_outcome(sessions: Iterable[Session]) -> dict[tuple[date, str], list[Session]]:
    groups = defaultdict(list)
    for session in sessions:
        groups[session.day, session.outcome].append(session)
    return groups


def transitions(sessions: Iterable[Session], least: int) -> list[Row]:
    rows = []
    for (day, outcome), group in by_day_and_outcome(sessions).items():
        found: dict[tuple[str, str, str], list[tuple[str, float | None]]] = defaultdict(list)
        for session in group:
            stops = ["(start)", *session.labels, "(end)"]
            times = [moment for _, moment in session.actions]
            for place, (source, target) in enumerate(pairwise(stops)):
                is_first, is_last = place == 0, place == len(session.actions)
                kind = ("no_action" if is_last else "entry") if is_first else "exit" if is_last else "step"
                if kind == "step" and source == target:
                    kind = "loop"
                inner = kind in ("step", "loop")
                seconds = (times[place] - times[place - 1]) / timedelta(seconds=1) if inner else None
                found[kind, source, target].append((session.session_id, seconds))
        rare: list[tuple[str, float | None]] = []
        for key, moves in found.items():
            if len({session_id for session_id, _ in moves}) < least:
                rare += [(session_id, None) for session_id, _ in moves]
            else:
                rows.append(_transition(day, outcome, group[0].is_converted, key, moves))
        if rare:
            key = ("other", "(other)", "(other)")
            rows.append(_transition(day, outcome, group[0].is_converted, key, rare))
    return rows


def _transition(
    day: date, outcome: str, is_converted: bool, key: Sequence[str], moves: Sequence[tuple[str, float | None]]
) -> Row:
    seconds = sorted(time for _, time in moves if time is not None)
    count = len({session_id for session_id, _ in moves})
    return {
        "session_date": day,
        "outcome": outcome,
        **dict(zip(("transition", "from_action", "to_action"), key, strict=True)),
        "transition_count": len(moves),
        "session_count": count,
        "converted_count": count if is_converted else 0,
        "median_seconds": median(seconds) if seconds else None,
        "p90_seconds": seconds[-(-9 * len(seconds) // 10) - 1] if seconds else None,
    }


def steps(sessions: Iterable[Session], most: int, least: int) -> list[Row]:
    rows = []
    for (day, outcome), group in by_day_and_outcome(sessions).items():
        found: Counter[tuple[int, str]] = Counter()
        for session in group:
            labels = session.labels
            cut = labels[:most]
            found.update(enumerate(["(start)", *cut, "(more)" if len(labels) > most else "(end)"]))
        named: Counter[tuple[int, str]] = Counter()
        for (number, action), count in found.items():
            named[number, "(other)" if count < least and action[0] != "(" else action] += count
        rows += [
            {
                "session_date": day,
                "outcome": outcome,
                "step_number": number,
                "action": action,
                "session_count": count,
                "converted_count": count if group[0].is_converted else 0,
                "share": count / len(group),
            }
            for (number, action), count in named.items()
        ]
    return rows


def path_of(labels: Sequence[str], most: int) -> str:
    if not labels:
        return "(no action)"
    return " > ".join([*(label.replace(">", "›") for label in labels[:most]), *["(more)"][: len(labels) > most]])


def folded(labels: Sequence[str]) -> list[str]:
    return [label for place, label in enumerate(labels) if place == 0 or labels[place - 1] != label]


def frequent(paths: Counter[str], most_paths: int) -> set[str]:
    return set(sorted(paths, key=lambda path: (-paths[path], path))[:most_paths])


def session_paths(sessions: Iterable[Session], most: int, most_paths: int, least: int) -> list[Row]:
    rows = []
    for (day, outcome), group in by_day_and_outcome(sessions).items():
        paths = Counter(path_of(session.labels, most) for session in group)
        shown = {path for path in frequent(paths, most_paths) if paths[path] >= least}
        named: Counter[str] = Counter()
        for path, count in paths.items():
            named[path if path in shown else "(other)"] += count
        rows += [
            {
                "session_date": day,
                "outcome": outcome,
                "path": path,
                "session_count": count,
                "converted_count": count if group[0].is_converted else 0,
            }
            for path, count in named.items()
        ]
    return rows


def rounded(seconds: int) -> int:
    """Round down to two digits."""
    unit = 10 ** max(0, len(str(seconds)) - 2)
    return seconds // unit * unit


def kind(action: str) -> str:
    if action.startswith("(") or action == "/":
        return action
    if not action.startswith("/"):
        return "(other event)"
    return action[: action.rindex("/") + 1] + "…"


def typical_paths(
    sessions: Sequence[Session],
    days: Iterable[date],
    most: int,
    most_paths: int,
    least: int,
    windows: Sequence[int],
    rare: int,
    top: int,
) -> list[Row]:
    frequent_of = {
        key: frequent(Counter(path_of(folded(one.labels), most) for one in group), most_paths)
        for key, group in by_day_and_outcome(sessions).items()
    }
    known: dict[str, list[tuple[Session, str]]] = defaultdict(list)
    for one in sessions:
        path = path_of(folded(one.labels), most)
        path = path if path in frequent_of[one.day, one.outcome] else "(other)"
        known[one.outcome].append((one, path))
        if one.outcome != "bounce":
            known["(converted)" if one.is_converted else "(not converted)"].append((one, path))
    rows = []
    for day in days:
        for outcome, listed in known.items():
            longest = [path for one, path in listed if day - timedelta(days=max(windows)) < one.day <= day]
            having = Counter(action for path in longest for action in set(path.split(" > ")))
            common = {action for action, count in having.items() if count * rare >= len(longest)}
            for window in windows:
                within = [(one, path) for one, path in listed if day - timedelta(days=window) < one.day <= day]
                for segment in ("(all)", *sorted({f"device={one.device}" for one, _ in within})):
                    chosen = [
                        (one, " > ".join(folded([a if a in common else kind(a) for a in path.split(" > ")])))
                        for one, path in within
                        if segment in ("(all)", f"device={one.device}")
                    ]
                    rows += _ranked(day, window, outcome, segment, chosen, least, top)
    return rows


def _ranked(
    day: date, window: int, outcome: str, segment: str, chosen: list[tuple[Session, str]], least: int, top: int
) -> Iterator[Row]:
    counts = Counter(path for _, path in chosen if path != "(other)")
    order = sorted(counts, key=lambda path: (-counts[path], path))[:top]
    for rank, path in enumerate(order, start=1):
        if counts[path] < least:
            continue
        own = [one for one, other in chosen if other == path]
        yield {
            "session_date": day,
            "window_days": window,
            "outcome": outcome,
            "segment": segment,
            "rank": rank,
            "path": path,
            "session_count": len(own),
            "group_session_count": len(chosen),
            "share": len(own) / len(chosen),
            "median_action_count": float(median(len(one.actions) for one in own)),
            "median_seconds": float(median(rounded(one.seconds) for one in own)),
        }


def pattern_matches(
    actions: Sequence[tuple[str, datetime]],
    pattern: ActionPattern,
    within: timedelta | None = None,
    among: Sequence[str] | None = None,
) -> list[tuple[int, int]]:
    """Return the matches that do not overlap, as numbers of the first and the last action, from 1."""
    numbered = [(number, *one) for number, one in enumerate(actions, start=1) if among is None or one[0] in among]
    kept = [(label, moment) for _, label, moment in numbered]
    is_timed = bool(pattern.limits) or within is not None
    found, start = [], 0
    while start < len(kept):
        ends = [] if start and pattern.starts_session else _ends(kept, pattern, start)
        possible = (end for end in ends if not pattern.ends_session or end == len(kept))
        if is_timed:
            limit = within if within is not None else timedelta.max
            end = min((end for end in possible if kept[end - 1][1] - kept[start][1] <= limit), default=None)
        else:
            end = next(possible, None)
        if end is None:
            start += 1
        else:
            found.append((numbered[start][0], numbered[end - 1][0]))
            start = end
    return found


def _ends(kept: Sequence[tuple[str, datetime]], pattern: ActionPattern, start: int) -> Iterator[int]:
    """Yield where a match from a place can end, the preferred end first."""

    def parts(number: int, place: int) -> Iterator[int]:
        for end in _item_ends(kept, pattern.parts[number], place):
            if number + 1 == len(pattern.parts):
                yield end
                continue
            for later in range(end, len(kept)):
                if _meets(kept[later][1] - kept[end - 1][1], pattern.limits[number]):
                    yield from parts(number + 1, later)

    return parts(0, start)


def _item_ends(kept: Sequence[tuple[str, datetime]], item: Item, place: int) -> Iterator[int]:
    match item:
        case Action():
            if place < len(kept) and (kept[place][0] in item.names) != item.is_other:
                gap = item.gap is None or _meets(kept[place][1] - kept[place - 1][1], item.gap)
                if gap:
                    yield place + 1
        case Choice():
            for option in item.options:
                yield from _item_ends(kept, option, place)
        case Series():
            yield from _series_ends(kept, item.items, place)
        case Repeat():
            yield from _repeat_ends(kept, item, place, 0)


def _series_ends(kept: Sequence[tuple[str, datetime]], items: Sequence[Item], place: int) -> Iterator[int]:
    if not items:
        yield place
        return
    for end in _item_ends(kept, items[0], place):
        yield from _series_ends(kept, items[1:], end)


def _repeat_ends(kept: Sequence[tuple[str, datetime]], item: Repeat, place: int, count: int) -> Iterator[int]:
    may_stop = count >= item.least
    may_go_on = item.most is None or count < item.most
    if may_stop and item.is_lazy:
        yield place
    if may_go_on:
        for end in _item_ends(kept, item.item, place):
            if end > place:
                yield from _repeat_ends(kept, item, end, count + 1)
    if may_stop and not item.is_lazy:
        yield place


def _meets(gap: timedelta, limit: Limit) -> bool:
    number = gap // MICROSECOND
    return {
        "<": number < limit.microseconds,
        "<=": number <= limit.microseconds,
        "==": number == limit.microseconds,
        ">=": number >= limit.microseconds,
        ">": number > limit.microseconds,
    }[limit.sign]


def by_key(rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    return {tuple(row[name] for name in key): row for row in rows}
