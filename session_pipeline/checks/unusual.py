"""Checks for unusual values. A failure may be correct data, but should be looked at."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from math import log, sqrt
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
    from session_pipeline.run.run import Run

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
SMALLEST_SHOWN_SHARE = 0.01
CHANCE = 3.0  # standard deviations; that of a count is about its square root
# Of the median of 1, 2, 3 and 4 counts, as a share of the variance of a count.
VARIANCES_OF_MEDIAN = (1.0, 0.5, 0.449, 0.298)


def volume_unusual(run: "Run", days: Sequence[date]) -> Verdict:
    """A day of a site has between 50 % and 200 % of its usual sessions, without bots.

    The usual number is the median of the same weekday in the four weeks before. The first day of a site does not count,
    because it can be a part of a day. A difference that chance explains is usual, too: a shop with 5 sessions a day has
    a day with 2 or 12 now and then. The fewer earlier days there are, the more of it is chance, because their median is
    one of few counts; and the more sites there are, because one of many differs more.
    Days and sites without sessions are not checked here; silent_sites and source_arrived report them. Earlier days
    without sessions do not count: no source delivered then. Today is not checked: it has few so far. If no site is
    unusual, all sites together can be.
    """
    present_day = today_in(run.settings.timezone)
    before = {
        day: [then for then in _same_weekday_before(day) if run.store.get(Key("daily_summary", then)) is not None]
        for day in days
        if day < present_day and has_events(run, day)
    }
    looked_at = [day for day, earlier in before.items() if earlier]
    counts = _session_counts(run, {*looked_at, *(then for day in looked_at for then in before[day])}, days)
    found = {day: problems for day in looked_at if (problems := _unusual_sites(day, counts, {}))}
    if found:
        read = {day - timedelta(days=number) for day in found for number in range(7 * (VOLUME_WEEKS + 1) + 1)}
        counts = _session_counts(run, read, days)
        found = {day: _unusual_sites(day, counts, _first_days(day, counts)) for day in found}
    return verdict([problem for problems in found.values() for problem in problems], "as many sessions as usual")


def _session_counts(run: "Run", read: Collection[date], days: Collection[date]) -> dict[date, dict[str, int]]:
    """Return the sessions of people on each day, by site. Of other days than `days`, damaged ones are left out."""
    intact = [day for day in sorted(read) if day in days or _is_intact(run, "daily_summary", day)]
    counts: dict[date, dict[str, int]] = {}
    for row in rows_of(run, query_text(__package__, "sessions_of_sites"), ["daily_summary"], intact) if intact else ():
        counts.setdefault(row["session_date"], {})[row["site"]] = row["session_count"]
    return counts


def _first_days(day: date, counts: Mapping[date, Mapping[str, int]]) -> dict[str, date]:
    """Return the first of the days up to a day on which each site has sessions. A week more than usual is known."""
    firsts: dict[str, date] = {}
    for then in sorted(then for then in counts if (day - then).days <= 7 * (VOLUME_WEEKS + 1)):
        for site in counts[then]:
            firsts.setdefault(site, then)
    return firsts


def _unusual_sites(
    day: date, counts: Mapping[date, Mapping[str, int]], first_days: Mapping[str, date]
) -> Sequence[str]:
    """Return a sentence about each site whose number of sessions is unusual, the largest difference first."""
    now = counts.get(day, {})
    earlier = [
        {site: count for site, count in counts.get(then, {}).items() if then != first_days.get(site)}
        for then in _same_weekday_before(day)
    ]
    earlier = [of_sites for of_sites in earlier if of_sites]
    known = sorted(now.keys() & {site for of_sites in earlier for site in of_sites})
    are_several = len(now.keys() | {site for of_sites in earlier for site in of_sites}) > 1
    found = []
    for site in known:
        usual = median(of_site := [of_sites[site] for of_sites in earlier if site in of_sites])
        if _is_unusual(now[site], usual, len(of_site), len(known)):
            found.append((abs(now[site] - usual), f"site {shortened(site)}: " if are_several else "", now[site], usual))
    # New sites are no reason, but sites that are silent now are. If all are, silent_sites says so.
    steady = [site for site in (earlier[0] if earlier else ()) if all(site in of_sites for of_sites in earlier)]
    if not found and len(steady) > 1:
        count = sum(now.get(site, 0) for site in steady)
        usual = median(sum(of_sites[site] for site in steady) for of_sites in earlier)
        if count and _is_unusual(count, usual, len(earlier), 1):
            found.append((abs(count - usual), "all sites of the weeks before: ", count, usual))
    return [
        f"{day}: {where}{count} {'session' if count == 1 else 'sessions'}, {_share(count / usual)} of the usual"
        f" {usual:.0f}"
        for _, where, count, usual in sorted(found, key=lambda row: (-row[0], row[1]))
    ]


def _share(share: float) -> str:
    """Return a share above 0 as a whole percentage."""
    return f"{share:.0%}" if share >= SMALLEST_SHOWN_SHARE else "less than 1%"


def _is_unusual(count: int, usual: float, day_count: int, site_count: int) -> bool:
    """Whether a count differs by a factor of two from the median of some days, and by more than chance explains."""
    deviation = sqrt(usual * (1 + VARIANCES_OF_MEDIAN[day_count - 1]))
    # The probability of a difference is about exp(-x²/2), so of many sites, one has this difference as often as one of
    # a single site has CHANCE.
    deviations = sqrt(CHANCE**2 + 2 * log(site_count))
    is_chance = abs(count - usual) <= deviations * deviation
    return not SMALLEST_VOLUME <= count / usual <= LARGEST_VOLUME and not is_chance


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
    shares |= _bot_shares(run, [then for then in sorted(before - shares.keys()) if _is_intact(run, "sessions", then)])
    problems = []
    for day in too_large:
        total, bots = shares[day]
        earlier = [shares[then] for then in _same_weekday_before(day) if then in shares]
        usual = median(bots / total for total, bots in earlier) if earlier else 0.0
        if usual <= LARGEST_BOT_SHARE:
            problems.append(f"{day}: {bots} of {total} sessions are bot sessions")
    return verdict(problems, "the share of bot sessions is not unusual")


def _is_intact(run: "Run", name: str, day: date) -> bool:
    """Whether a table is built for a day, and its files can be read and are as they were written.

    No other step may have read these files today, and damaged ones must not stop a run.
    """
    built = run.store.get(Key(name, day))
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
