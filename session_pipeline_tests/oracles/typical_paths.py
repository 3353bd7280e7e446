"""Computes typical_paths in plain Python from the meanings in docs/definitions.md."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from statistics import median

from session_pipeline_tests.oracles.paths import Row, Session, Sizes, folded_paths, rounded, text, without_repeats

WINDOWS = (7, 28)
RARE_ONE_IN = 5
LISTED = 5
Path = tuple[str, ...] | None


def typical_paths(sessions: Sequence[Session], days: Iterable[date], sizes: Sizes) -> list[Row]:
    paths = folded_paths(sessions, sizes)
    known: dict[tuple[str, str], list[tuple[Session, Path]]] = defaultdict(list)
    for session in sessions:
        for outcome in outcomes_of(session):
            known[session.site, outcome].append((session, paths[session.session_id]))
    rows = []
    for day in days:
        for (site, outcome), listed in known.items():
            common = common_actions([path for session, path in listed if is_within(session, day, max(WINDOWS))])
            for window in WINDOWS:
                segments: dict[str, list[tuple[Session, Path]]] = defaultdict(list)
                for session, path in listed:
                    if is_within(session, day, window):
                        shown = None if path is None else simplified(path, common)
                        for segment in ("(all)", f"device={session.device}"):
                            segments[segment].append((session, shown))
                for segment, chosen in segments.items():
                    key: Row = {"session_date": day, "site": site, "window_days": window, "outcome": outcome}
                    rows += [key | {"segment": segment} | row for row in ranked(chosen, sizes)]
    return rows


def outcomes_of(session: Session) -> list[str]:
    """Return the outcome of a session and the group of outcomes that it belongs to."""
    if session.is_converted:
        return [session.outcome, "(converted)"]
    return [session.outcome] if session.outcome == "bounce" else [session.outcome, "(not converted)"]


def is_within(session: Session, day: date, window: int) -> bool:
    return day - timedelta(days=window) < session.day <= day


def common_actions(paths: Sequence[Path]) -> set[str]:
    """Return the actions that at least one in five sessions have. A path that is not kept has none."""
    having = Counter(action for path in paths if path is not None for action in set(path))
    return {action for action, count in having.items() if count * RARE_ONE_IN >= len(paths)}


def simplified(path: Sequence[str], common: set[str]) -> tuple[str, ...]:
    return tuple(without_repeats(action if action in common else kind(action) for action in path))


def kind(action: str) -> str:
    if action in ("(more)", "(no action)", "/"):
        return action
    if action.startswith("/"):
        *folders, _ = action.partition("?")[0].split("/")
        return "/".join([*folders, "…"])
    return "(other event)"


def ranked(chosen: Sequence[tuple[Session, Path]], sizes: Sizes) -> Iterator[Row]:
    by_path: dict[str, list[Session]] = defaultdict(list)
    for session, path in chosen:
        if path is not None:
            by_path[text(path)].append(session)
    order = sorted(by_path, key=lambda path: (-len(by_path[path]), path))
    for rank, path in enumerate(order[:LISTED], start=1):
        having = by_path[path]
        if len(having) >= sizes.min_session_count:
            yield {
                "rank": rank,
                "path": path,
                "session_count": len(having),
                "group_session_count": len(chosen),
                "share": len(having) / len(chosen),
                "median_action_count": float(median(len(session.actions) for session in having)),
                "median_seconds": float(median(rounded(session.seconds) for session in having)),
            }
