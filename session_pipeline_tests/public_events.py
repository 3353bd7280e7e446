"""Sessions of public event files as sets of line numbers: by the gaps between events, and of a store, for tests."""

import itertools
from collections import defaultdict

from session_pipeline_tests.deployment import Deployment

TIMEOUT_SECONDS = 1800


def sessions_by_gap(rows: list[tuple[str, int, int]]) -> set[frozenset[int]]:
    """Return sessions as sets of line numbers, computed from (visitor, second, line number)."""
    by_visitor: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for visitor, second, line in rows:
        by_visitor[visitor].append((second, line))
    sessions = set()
    for events in by_visitor.values():
        events.sort()
        run = [events[0][1]]
        for (before, _), (second, line) in itertools.pairwise(events):
            if second - before > TIMEOUT_SECONDS:
                sessions.add(frozenset(run))
                run = []
            run.append(line)
        sessions.add(frozenset(run))
    return sessions


def sessions_of(deployment: Deployment) -> set[frozenset[int]]:
    """Return the sessions of the store as sets of line numbers, for a deployment with one file."""
    members: dict[str, list[int]] = defaultdict(list)
    events = deployment.table("events")
    for session_id, line in zip(events["session_id"], events["line_number"], strict=True):
        members[session_id].append(line)
    return {frozenset(lines) for lines in members.values()}
