"""Turns rows of daily counts into the arrays of counts.py, by step and day."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import GOAL, LEAST_USUAL_CONVERSIONS, WHOLE, Segment
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.scores import Counts, Floats

if TYPE_CHECKING:
    import pyarrow as pa

Flags = NDArray[np.bool_]


def counts_of_sites(rows: "pa.Table") -> list[SiteCounts]:
    """Return the counts of each site, in the order of their names, from the rows of progress_counts."""
    sites, site_of = _sorted_codes(rows, "site")
    found = (_of_site(rows.filter(_mask(site_of == number)), site) for number, site in enumerate(sites))
    return [counts for counts in found if counts.steps.size]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a site that count actions, and pairs of an action and a later one. Arrays have an element for each.

    Attributes:
        table: The rows.
        day: The day of a row, counted from the first one.
        day_count: The number of calendar days.
        segments: The segments, all sessions first.
        segment: The position of a row's segment.
        actions: The actions, the goal last.
        action: The position of a row's action.
        later: The position of its later action; of a row that counts an action, the goal.
    """

    table: "pa.Table"
    day: Counts
    day_count: int
    segments: list[Segment]
    segment: Counts
    actions: list[str]
    action: Counts
    later: Counts

    @property
    def goal(self) -> int:
        """The position of the goal, and the number of the other actions."""
        return len(self.actions) - 1

    @property
    def keys(self) -> Counts:
        """A number for the segment, action and later action of each row."""
        size = len(self.actions)
        return (self.segment * size + self.action) * size + self.later

    @cached_property
    def is_visit(self) -> Flags:
        """Whether a row counts an action."""
        found: Flags = self.later == self.goal
        return found

    @cached_property
    def is_whole(self) -> Flags:
        """Whether a row counts an action in all sessions."""
        found: Flags = self.is_visit & (self.segment == 0)
        return found

    @cached_property
    def is_read(self) -> Flags:
        """Whether tests read the step of a row."""
        keys, key_of = np.unique(self.keys, return_inverse=True)
        converted = np.bincount(key_of, self.numbers("converted_count")).astype(np.float64)
        return _is_read(keys, converted, len(self.actions))[key_of]

    def numbers(self, column: str) -> Counts:
        """Return a column of whole numbers."""
        return np.asarray(self.table[column].to_numpy(), np.int64)

    def by_day(self, column: str, rows: Flags, places: Counts, width: int) -> Counts:
        """Return the numbers of some rows, by day and by their places among `width` columns."""
        found = np.zeros((self.day_count, width), np.int64)
        found[self.day[rows], places] = self.numbers(column)[rows]
        return found


@dataclass(frozen=True, eq=False)
class _Visits:
    """The sessions at an action of a segment, by day and by key; see `SiteCounts`."""

    keys: Counts
    sessions: Counts
    converted: Counts
    values: Floats
    stopped: NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The steps from an action to a later one, and their counts by day; see `SiteCounts`."""

    steps: Counts
    visits: Counts
    at_risk: Counts
    progressed: Counts
    converted: Counts
    progressed_and_converted: Counts


def _of_site(table: "pa.Table", site: str) -> SiteCounts:
    days = table["session_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    first = int(days.min())
    day = days - first
    day_count = int(day.max()) + 1
    is_conversions = table["action"].to_numpy() == GOAL
    goals = np.zeros(day_count, np.int64)
    goals[day[is_conversions]] = table["session_count"].to_numpy()[is_conversions]

    table, day = table.filter(_mask(~is_conversions)), day[~is_conversions]
    segments, segment = _segments(table)
    actions, action, later = _actions(table)
    rows = _Rows(table, day, day_count, segments, segment, actions, action, later)
    visits = _visits(rows)
    pairs = _pairs(rows, visits)
    to_goal = np.stack((*np.divmod(visits.keys, rows.goal), np.full(len(visits.keys), rows.goal)), axis=1)
    steps = np.concatenate((pairs.steps, to_goal))
    order = np.lexsort((steps[:, 2], steps[:, 1], steps[:, 0]))
    is_asked = table["is_asked_for"].to_numpy(zero_copy_only=False)
    return SiteCounts(
        site=site,
        first=date.fromordinal(first + date(1970, 1, 1).toordinal()),
        asked_for=tuple(np.unique(day[is_asked]).tolist()),
        has_sessions=_has_sessions(rows),
        goals=goals,
        segments=segments,
        visits_of_segment=_visits_of_segment(rows),
        actions=actions,
        steps=steps[order],
        visits=np.concatenate((pairs.visits, np.arange(len(visits.keys))))[order],
        at_risk=np.concatenate((pairs.at_risk, visits.sessions), axis=1)[:, order],
        progressed=np.concatenate((pairs.progressed, visits.converted), axis=1)[:, order],
        converted=np.concatenate((pairs.converted, visits.converted), axis=1)[:, order],
        progressed_and_converted=np.concatenate((pairs.progressed_and_converted, visits.converted), axis=1)[:, order],
        values=visits.values,
        stopped=visits.stopped,
    )


def _has_sessions(rows: _Rows) -> Flags:
    found = np.zeros(rows.day_count, np.bool_)
    found[rows.day[rows.is_whole & (rows.numbers("session_count") > 0)]] = True
    return found


def _visits_of_segment(rows: _Rows) -> Counts:
    found = np.zeros((rows.day_count, len(rows.segments)), np.int64)
    is_visit = rows.is_visit
    np.add.at(found, (rows.day[is_visit], rows.segment[is_visit]), rows.numbers("session_count")[is_visit])
    return found


def _visits(rows: _Rows) -> _Visits:
    is_visit = rows.is_visit & rows.is_read
    keys, place = np.unique((rows.segment * rows.goal + rows.action)[is_visit], return_inverse=True)
    at = rows.day[is_visit], place
    found = rows.table.filter(_mask(is_visit))
    values = np.full((rows.day_count, len(keys)), np.nan)
    values[at] = np.asarray(found["converted_value"].cast("float64").to_numpy(), np.float64)
    stopped = np.full((rows.day_count, len(keys)), None, object)
    stopped[at] = found["stopped_session_ids"].to_numpy()
    sessions, converted = (
        rows.by_day(column, is_visit, place, len(keys)) for column in ("session_count", "converted_count")
    )
    return _Visits(keys, sessions, converted, values, stopped)


def _pairs(rows: _Rows, visits: _Visits) -> _Pairs:
    """Return the pairs. At risk of a step are the sessions at its action that did not do the later action before."""
    is_pair = ~rows.is_visit & rows.is_read
    size = len(rows.actions)
    keys, place = np.unique(rows.keys[is_pair], return_inverse=True)
    steps = _steps(keys, size)
    segment, action, later = steps.T
    passed, converted, converted_after = (
        rows.by_day(column, is_pair, place, len(keys))
        for column in ("session_count", "converted_count", "converted_after_count")
    )
    of_action = _positions(visits.keys, segment * rows.goal + action)
    reverse = _positions(keys, (segment * size + later) * size + action)
    did_before = np.where(reverse >= 0, passed[:, reverse], 0)
    did_before_and_converted = np.where(reverse >= 0, converted_after[:, reverse], 0)
    known = _known(rows)
    is_known = known[:, action] & known[:, later]
    return _Pairs(
        steps=steps,
        visits=of_action,
        at_risk=np.where(is_known, visits.sessions[:, of_action] - did_before, 0),
        progressed=np.where(is_known, passed, 0),
        converted=np.where(is_known, visits.converted[:, of_action] - did_before_and_converted, 0),
        progressed_and_converted=np.where(is_known, converted, 0),
    )


def _known(rows: _Rows) -> Flags:
    """Return for each day and action whether its steps are known; those of an action without visits are (as zero)."""
    known = np.ones((rows.day_count, rows.goal), np.bool_)
    is_followed = rows.table["is_followed"].to_numpy(zero_copy_only=False)
    known[rows.day[rows.is_whole], rows.action[rows.is_whole]] = is_followed[rows.is_whole]
    return known


def _is_read(keys: Counts, converted: Floats, size: int) -> Flags:
    """Return which steps tests read: few, because most actions and values of dimensions are rare.

    A step is tested only if enough sessions that took it converted. To explain a drop, steps between the actions of
    such steps are read, among all sessions, and to the goal in their segments. From the sessions at risk of a step,
    those of its reverse are subtracted.

    Args:
        keys: The keys of all steps, sorted.
        converted: The conversions of each step on all days.
        size: The number of actions, with the goal.
    """
    segment, action, later = _steps(keys, size).T
    is_to_goal = later == size - 1
    is_tested = converted >= LEAST_USUAL_CONVERSIONS
    of_action, of_segment = np.zeros(size, np.bool_), np.zeros(int(segment.max(initial=0)) + 1, np.bool_)
    of_action[action[is_tested]] = of_action[later[is_tested]] = True
    of_segment[segment[is_tested]] = of_segment[0] = True
    is_read: Flags = is_tested | (
        of_action[action] & np.where(is_to_goal, of_segment[segment], of_action[later] & (segment == 0))
    )
    reverse = _positions(keys, (segment * size + later) * size + action)
    is_read |= ~is_to_goal & (reverse >= 0) & is_read[reverse]
    return is_read


def _steps(keys: Counts, size: int) -> Counts:
    """Return the segment, action and next action of each key."""
    return np.stack((keys // size // size, keys // size % size, keys % size), axis=1)


def _segments(rows: "pa.Table") -> tuple[list[Segment], Counts]:
    """Return the segments, all sessions first, and the position of each row's segment."""
    dimensions, dimension = _sorted_codes(rows, "dimension")
    values, value = _sorted_codes(rows, "dimension_value")
    keys, segment = np.unique(dimension * len(values) + value, return_inverse=True)
    found = [(dimensions[key // len(values)], values[key % len(values)]) for key in keys.tolist()]
    order = sorted(range(len(found)), key=lambda place: (found[place] != WHOLE, found[place]))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return [found[place] for place in order], places[segment]


def _actions(rows: "pa.Table") -> tuple[list[str], Counts, Counts]:
    """Return the actions, the goal last, and the positions of each row's action and next action."""
    names, name = _sorted_codes(rows, "action")
    later_names, later_name = _sorted_codes(rows, "next_action")
    actions = [*sorted({*names, *later_names} - {GOAL}), GOAL]
    place_of = {text: place for place, text in enumerate(actions)}
    action, later = (
        np.array([place_of[text] for text in texts], np.int64)[codes]
        for texts, codes in ((names, name), (later_names, later_name))
    )
    return actions, action, later


def _sorted_codes(rows: "pa.Table", column: str) -> tuple[list[str], Counts]:
    """Return the distinct texts of a column in order, and the position of each row's text among them."""
    encoded = rows[column].combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    order = sorted(range(len(texts)), key=texts.__getitem__)
    places = np.empty(len(texts), np.int64)
    places[order] = np.arange(len(texts))
    return [texts[place] for place in order], places[encoded.indices.to_numpy()]


def _mask(rows: Flags) -> "pa.Array":
    import pyarrow as pa

    return pa.array(rows)


def _positions(keys: Counts, wanted: Counts) -> Counts:
    """Return the position of each wanted key among sorted keys; -1 for a key that is not there."""
    places = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    return np.where(keys[places] == wanted, places, -1) if len(keys) else np.full(len(wanted), -1)
