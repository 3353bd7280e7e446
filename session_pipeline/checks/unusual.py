"""Checks for unusual values. A failure may be correct data, but should be looked at."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, add_input, has_events, verdict
from session_pipeline.engines.sql import fill, query_text
from session_pipeline.store.records import Key

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run

LARGEST_BOT_SHARE = 0.5
LARGEST_ACTION_COUNT = 1000
LARGEST_VALUE_COUNT = 200
VOLUME_WEEKS = 4
SMALLEST_VOLUME, LARGEST_VOLUME = 0.5, 2.0


def volume_unusual(run: "Run", days: Sequence[date]) -> Verdict:
    """A day has between 50 % and 200 % of its usual sessions: the median of the same weekday in the four weeks before.

    Days without events are not checked here; source_arrived reports them. Earlier days without sessions do not count:
    on such a day, sessions of the day before end, and no source delivered.
    """
    problems = []
    for day in filter(partial(has_events, run), days):
        earlier = [run.store.get(Key("sessions", day - timedelta(weeks=weeks))) for weeks in range(1, VOLUME_WEEKS + 1)]
        counts = [partition.row_count for partition in earlier if partition is not None and partition.row_count]
        today = run.store.get(Key("sessions", day))
        if today is None or not counts:
            continue
        ratio = today.row_count / median(counts)
        if not SMALLEST_VOLUME <= ratio <= LARGEST_VOLUME:
            sessions = "session" if today.row_count == 1 else "sessions"
            problems.append(f"{day}: {today.row_count} {sessions}, {ratio:.0%} of the usual {median(counts):.0f}")
    return verdict(problems, "as many sessions as usual")


def bot_share(run: "Run", days: Sequence[date]) -> Verdict:
    """At most half of a day's sessions are bot sessions."""
    problems = []
    with run.engine.job() as job:
        add_input(job, run, "sessions", days)
        shares = job.rows(query_text(__package__, "bot_shares")).to_pylist()
    for day, total, bots in (row.values() for row in shares):
        if bots / total > LARGEST_BOT_SHARE:
            problems.append(f"{day}: {bots} of {total} sessions are bot sessions")
    return verdict(problems, "most sessions are human sessions")


def unfolded_actions(run: "Run", days: Sequence[date]) -> Verdict:
    """A day has at most 1,000 distinct actions, and at most 200 that continue the same path in different ways.

    More mean that ids in paths are not replaced by placeholders.
    """
    problems = []
    with run.engine.job() as job:
        add_input(job, run, "action_labels", days)
        counts = job.rows(query_text(__package__, "action_counts")).to_pylist()
        largest = {"largest_count": LARGEST_VALUE_COUNT}
        prefixes = job.rows(fill(query_text(__package__, "action_prefixes"), largest)).to_pylist()
    for day, count in (row.values() for row in counts):
        if count > LARGEST_ACTION_COUNT:
            problems.append(f"{day}: {count} actions; fold ids in paths with a rule under [actions] in settings.toml")
    for day, prefix, count, first, last in (row.values() for row in prefixes):
        problems.append(
            f"{day}: {count} different actions begin with {prefix}, from {first} to {last}; fold their ids with a rule"
            " under [actions] in settings.toml"
        )
    return verdict(problems, "the number of actions is small enough")
