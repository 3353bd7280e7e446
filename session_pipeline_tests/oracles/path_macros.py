"""Computes what the macros paths_after, paths_before and ad_hoc_funnel return, from docs/queries.md."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from session_pipeline_tests.oracles.paths import Row, Session, counts_of, text


def paths_after(sessions: Iterable[Session], action: str, most: int) -> list[Row]:
    """Return what follows the first time that a session has the action, the most frequent first."""

    def following(session: Session, place: int) -> Sequence[str]:
        return [*session.labels[place + 1 :], "(end)"][:most]

    return _paths(sessions, action, following)


def paths_before(sessions: Iterable[Session], action: str, most: int) -> list[Row]:
    """Return what precedes the first time that a session has the action, the most frequent first."""

    def preceding(session: Session, place: int) -> Sequence[str]:
        return ["(start)", *session.labels[:place]][-most:]

    return _paths(sessions, action, preceding)


def _paths(sessions: Iterable[Session], action: str, parts: Callable[[Session, int], Sequence[str]]) -> list[Row]:
    by_path: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        actions = [name for name, _ in session.actions]
        if action in actions:
            labels = parts(session, actions.index(action))
            by_path[text(label.replace(">", "›") for label in labels)].append(session)
    total = sum(map(len, by_path.values()))
    return [
        {"path": path, **counts_of(by_path[path]), "share": len(by_path[path]) / total}
        for path in sorted(by_path, key=lambda path: (-len(by_path[path]), path))
    ]


def ad_hoc_funnel(sessions: Iterable[Session], steps: Sequence[Sequence[str]], seconds: float | None) -> list[Row]:
    """Return how many sessions reach each step: later actions in this order, in time after the first of them.

    Each step is a list of actions, any of which takes it.
    """
    reached = [deepest(session.actions, steps, seconds) for session in sessions]
    counts = [sum(depth >= number for depth in reached) for number in range(1, len(steps) + 1)]
    return [
        {
            "step_number": number,
            "step": " or ".join(step),
            "session_count": counts[number - 1],
            "conversion_rate": counts[number - 1] / counts[0] if counts[0] else None,
            "step_conversion_rate": (
                counts[number - 1] / counts[number - 2] if number > 1 and counts[number - 2] else None
            ),
        }
        for number, step in enumerate(steps, start=1)
    ]


def deepest(actions: Sequence[tuple[str, datetime]], steps: Sequence[Sequence[str]], seconds: float | None) -> int:
    """Try each action as the first step; from there, the first later action of each step is the best choice."""
    most = 0
    for start, (_, started_at) in enumerate(actions):
        depth = 0
        for action, moment in actions[start:]:
            is_in_time = seconds is None or moment - started_at <= timedelta(seconds=seconds)
            if depth < len(steps) and action in steps[depth] and is_in_time:
                depth += 1
            if depth == 0:
                break  # this action is not the first step
        most = max(most, depth)
    return most
