"""Checks for unusual values. A failure may be correct data, but should be looked at."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from math import sqrt
from operator import itemgetter
from statistics import median
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, add_input, has_events, rows_of, verdict
from session_pipeline.engines.sql import fill, query_text
from session_pipeline.errors import StoreError
from session_pipeline.reference.days import day_ranges
from session_pipeline.run.opened import today_in
from session_pipeline.settings.shortening import shortened
from session_pipeline.store.records import Key

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run

LARGEST_BOT_SHARE = 0.5
LARGEST_ACTION_COUNT = 1000
LARGEST_VALUE_COUNT = 200
MOST_PATH_PARTS = 10
MOST_PATH_CHARACTERS = 500
FEW_ACTIONS = "the number of actions is small enough"
SOME_PAGES = 0.25  # of the actions of a day
FOLD = "fold ids in paths with a rule under [actions] in settings.toml"
RENAME = "most are names of events: map them with event_names of their source, or list them in [actions] ignored_events"
VOLUME_WEEKS = 4
SMALLEST_VOLUME, LARGEST_VOLUME = 0.5, 2.0
CHANCE = 3.0  # standard deviations; that of a count is about its square root
# Of the median of 1, 2, 3 and 4 counts, as a share of the variance of a count.
VARIANCES_OF_MEDIAN = (1.0, 0.5, 0.449, 0.298)


def volume_unusual(run: "Run", days: Sequence[date]) -> Verdict:
    """A day has between 50 % and 200 % of its usual sessions: the median of the same weekday in the four weeks before.

    A difference that chance explains is usual, too: a shop with 5 sessions a day has a day with 2 or 12 now and then.
    The fewer earlier days there are, the more of it is chance, because their median is one of few counts.
    Days without events are not checked here; silent_sites and source_arrived report them. Earlier days without sessions
    do not count: on such a day, sessions of the day before end, and no source delivered. Today is not checked: it has
    few so far.
    """
    problems = []
    present_day = today_in(run.settings.timezone)
    for day in filter(partial(has_events, run), days):
        if day >= present_day:
            continue
        earlier = [run.store.get(Key("sessions", then)) for then in _same_weekday_before(day)]
        counts = [partition.row_count for partition in earlier if partition is not None and partition.row_count]
        built = run.store.get(Key("sessions", day))
        if built is None or not counts:
            continue
        usual = median(counts)
        ratio = built.row_count / usual
        deviation = sqrt(usual * (1 + VARIANCES_OF_MEDIAN[len(counts) - 1]))
        is_chance = abs(built.row_count - usual) <= CHANCE * deviation
        if not SMALLEST_VOLUME <= ratio <= LARGEST_VOLUME and not is_chance:
            sessions = "session" if built.row_count == 1 else "sessions"
            problems.append(f"{day}: {built.row_count} {sessions}, {ratio:.0%} of the usual {usual:.0f}")
    return verdict(problems, "as many sessions as usual")


def _same_weekday_before(day: date) -> list[date]:
    """Return the days that say what is usual of a day."""
    return [day - timedelta(weeks=weeks) for weeks in range(1, VOLUME_WEEKS + 1)]


def bot_share(run: "Run", days: Sequence[date]) -> Verdict:
    """At most half of a day's sessions are bot sessions, unless more are usual.

    What is usual is the median of the same weekday in the four weeks before. In the access logs of many sites, more
    sessions are from bots than from people on every day.
    """
    shares = _bot_shares(run, days)
    too_large = [day for day, (total, bots) in shares.items() if bots / total > LARGEST_BOT_SHARE]
    before = {then for day in too_large for then in _same_weekday_before(day)}
    # No other step may have read these files today. A damaged one must not stop the run, so it does not count.
    shares |= _bot_shares(run, [then for then in sorted(before - shares.keys()) if _is_intact(run, then)])
    problems = []
    for day in too_large:
        total, bots = shares[day]
        earlier = [shares[then] for then in _same_weekday_before(day) if then in shares]
        usual = median(bots / total for total, bots in earlier) if earlier else 0.0
        if usual <= LARGEST_BOT_SHARE:
            problems.append(f"{day}: {bots} of {total} sessions are bot sessions")
    return verdict(problems, "the share of bot sessions is not unusual")


def _is_intact(run: "Run", day: date) -> bool:
    """Whether the sessions of a day are built, and their files can be read and are as they were written."""
    built = run.store.get(Key("sessions", day))
    try:
        return built is not None and run.store.is_intact(built)
    except (OSError, StoreError):
        return False


def _bot_shares(run: "Run", days: Sequence[date]) -> dict[date, tuple[int, int]]:
    """Return the numbers of sessions and of bot sessions of the days that have sessions."""
    if not days:
        return {}
    rows = rows_of(run, query_text(__package__, "bot_shares"), ["sessions"], days)
    return {day: (total, bots) for day, total, bots in (row.values() for row in rows)}


def unfolded_actions(run: "Run", days: Sequence[date]) -> Verdict:
    """A day has at most 1,000 distinct actions, and at most 200 that continue the same path in different ways.

    More mean that ids in paths are not replaced by placeholders. Only the first 10 parts of a path and its first 500
    characters are compared.
    """
    limits = {
        "largest_count": LARGEST_VALUE_COUNT,
        "most_parts": MOST_PATH_PARTS,
        "most_characters": MOST_PATH_CHARACTERS,
    }
    with run.engine.job() as job:
        add_input(job, run, "action_labels", days)
        counts = job.rows(query_text(__package__, "action_counts")).to_pylist()
        prefixes = job.rows(fill(query_text(__package__, "action_prefixes"), limits)).to_pylist()
    found: dict[str, list[tuple[date, int, str]]] = {}  # by the beginning of the path
    for day, prefix, count, first, last in (row.values() for row in prefixes):
        words = f"different actions begin with {shortened(prefix)}, from {shortened(first)} to {shortened(last)}"
        found.setdefault(prefix, []).append((day, count, words))
    explained = {day for of_prefix in found.values() for day, _, _ in of_prefix}
    many = [row for row in counts if row["action_count"] > LARGEST_ACTION_COUNT and row["event_date"] not in explained]
    found[""] = [(row["event_date"], row["action_count"], "actions") for row in many]
    # Events that are no page views have no path that could be folded.
    are_pages = len(found) > 1 or any(row["page_count"] / row["action_count"] >= SOME_PAGES for row in many)
    several = verdict([_sentence(of_prefix) for of_prefix in found.values() if of_prefix], FEW_ACTIONS)
    if several.holds:
        return several
    problems = [f"{day}: {count} {words}" for of_prefix in found.values() for day, count, words in of_prefix]
    return Verdict(False, f"{several.sentence}; {FOLD if are_pages else RENAME}", problems=tuple(sorted(problems)))


def _sentence(found: Sequence[tuple[date, int, str]]) -> str:
    """Return the days, and the number of actions of the day that has the most."""
    _, count, words = max(found, key=itemgetter(1))
    return f"{day_ranges(day for day, _, _ in found)}: {'up to ' if len(found) > 1 else ''}{count} {words}"
