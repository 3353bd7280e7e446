"""Turns rows of daily counts into arrays by step and day, so that sums over windows of days are differences.

progress.py decides what is tested. Sums are whole numbers, so they do not depend on where a stretch of days starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import GOAL, LEAST_USUAL_CONVERSIONS, WHOLE, Segment
from session_pipeline.tables.changes.scores import Counts, Floats

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = 1 << 20  # squares of shares are summed in whole parts of a session


class SlidingSums:
    """Sums of columns of whole numbers over any days."""

    def __init__(self, by_day: Counts) -> None:
        """Add up an array with a row for each day."""
        self._sums = np.zeros((by_day.shape[0] + 1, by_day.shape[1]), np.int64)
        np.cumsum(by_day, axis=0, out=self._sums[1:])

    def between(self, first: int, last: int) -> Counts:
        """Return the sums of the days from `first` to `last`, both included; days before the first count as empty."""
        sums: Counts = self._sums[max(last + 1, 0)] - self._sums[max(first, 0)]
        return sums


@dataclass(frozen=True, eq=False)
class SiteCounts:
    """The counts of a site: arrays with a row for each calendar day and a column for each step, or action of a segment.

    Steps are ordered by segment (all sessions first), action and next action. Those that no test reads are left out.

    Attributes:
        site: The site.
        first: The first day of the arrays.
        asked_for: The positions of the days for which changes are asked.
        has_sessions: Whether each day has a session with an action.
        goals: For each day, its conversions.
        segments: The segments: dimension and value.
        visits_of_segment: For each day and segment, its sessions at an action, summed over actions.
        actions: The actions; the last one is the goal.
        steps: For each step: segment, action and next action, as positions.
        visits: For each step, the position of its action and segment in `values` and `stopped`.
        at_risk: Sessions at the action that had not done the next one before.
        progressed: Of these, those that went on to the next action.
        converted: Of at_risk, those with a conversion after the action.
        progressed_and_converted: Of progressed, those with a conversion after the action.
        values: Value of the conversions after an action of a segment; NaN without one.
        stopped: Ids of sessions that stopped at an action of a segment; None without one.
    """

    site: str
    first: date
    asked_for: Sequence[int]
    has_sessions: NDArray[np.bool_]
    goals: Counts
    segments: Sequence[Segment]
    visits_of_segment: Counts
    actions: Sequence[str]
    steps: Counts
    visits: Counts
    at_risk: Counts
    progressed: Counts
    converted: Counts
    progressed_and_converted: Counts
    values: NDArray[np.float64]
    stopped: NDArray[Any]

    @cached_property
    def segment_sums(self) -> SlidingSums:
        """Sums of visits_of_segment."""
        return SlidingSums(self.visits_of_segment)

    @cached_property
    def at_risk_sums(self) -> SlidingSums:
        """Sums of at_risk."""
        return SlidingSums(self.at_risk)

    @cached_property
    def progressed_sums(self) -> SlidingSums:
        """Sums of progressed."""
        return SlidingSums(self.progressed)

    @cached_property
    def converted_sums(self) -> SlidingSums:
        """Sums of converted."""
        return SlidingSums(self.converted)

    @cached_property
    def progressed_and_converted_sums(self) -> SlidingSums:
        """Sums of progressed_and_converted."""
        return SlidingSums(self.progressed_and_converted)

    @cached_property
    def square_sums(self) -> SlidingSums:
        """Sums of progressed² / at_risk, in whole parts."""
        squares = self.progressed.astype(np.float64) ** 2 / np.maximum(self.at_risk, 1)
        return SlidingSums(np.rint(squares * PARTS).astype(np.int64))

    @cached_property
    def day_sums(self) -> SlidingSums:
        """Sums of days with sessions at risk."""
        return SlidingSums((self.at_risk > 0).astype(np.int64))

    @cached_property
    def position_of(self) -> dict[tuple[int, int, int], int]:
        """The position of each step, by segment, action and next action."""
        return {(segment, action, later): place for place, (segment, action, later) in enumerate(self.steps.tolist())}

    @cached_property
    def whole_of(self) -> NDArray[np.int64]:
        """For each step, the position of the same step among all sessions; -1 without one."""
        return np.array([self.position_of.get((0, step[1], step[2]), -1) for step in self.steps.tolist()], np.int64)

    @cached_property
    def has_dimension(self) -> dict[str, NDArray[np.bool_]]:
        """For each dimension, whether each day has it. A day on which no session has a value does not."""
        found: dict[str, NDArray[np.bool_]] = {}
        for place, (dimension, _) in enumerate(self.segments):
            has_visits = self.visits_of_segment[:, place] > 0
            found[dimension] = found[dimension] | has_visits if dimension in found else has_visits
        return found

    def day(self, position: int) -> date:
        """Return the date of a position."""
        return self.first + timedelta(days=position)


def counts_of_sites(rows: "pa.Table") -> list[SiteCounts]:
    """Return the counts of each site, in the order of their names, from the rows of progress_counts."""
    sites, site_of = _sorted_codes(rows, "site")
    found = (_of_site(rows.filter(_mask(site_of == number)), site) for number, site in enumerate(sites))
    return [counts for counts in found if counts.steps.size]


def _of_site(rows: "pa.Table", site: str) -> SiteCounts:
    days = rows["session_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    first = int(days.min())
    day = days - first
    day_count = int(day.max()) + 1
    goals = np.zeros(day_count, np.int64)
    is_conversions = rows["action"].to_numpy() == GOAL
    goals[day[is_conversions]] = rows["session_count"].to_numpy()[is_conversions]
    rows, day = rows.filter(_mask(~is_conversions)), day[~is_conversions]
    segments, segment = _segments(rows)
    actions, action, later = _actions(rows)
    goal = len(actions) - 1
    size = goal + 1
    is_visit = later == goal
    is_asked = rows["is_asked_for"].to_numpy(zero_copy_only=False)
    counts = [_whole(rows, name) for name in ("session_count", "converted_count", "converted_after_count")]
    is_whole = is_visit & (segment == 0)
    has_sessions = np.zeros(day_count, np.bool_)
    has_sessions[day[is_whole & (counts[0] > 0)]] = True
    visits_of_segment = np.zeros((day_count, len(segments)), np.int64)
    np.add.at(visits_of_segment, (day[is_visit], segment[is_visit]), counts[0][is_visit])

    keys, key_of = np.unique((segment * size + action) * size + later, return_inverse=True)
    is_read = _is_read(keys, np.bincount(key_of, counts[1]).astype(np.float64), size)
    is_visit, is_pair = is_visit & is_read[key_of], ~is_visit & is_read[key_of]

    visit_keys, visit_of = np.unique((segment * goal + action)[is_visit], return_inverse=True)
    visited, won = (_by_day(day_count, len(visit_keys), day[is_visit], visit_of, each[is_visit]) for each in counts[:2])
    values = np.full((day_count, len(visit_keys)), np.nan)
    values[day[is_visit], visit_of] = _values(rows, is_visit)
    stopped = np.full((day_count, len(visit_keys)), None, object)
    stopped[day[is_visit], visit_of] = rows["stopped_session_ids"].filter(_mask(is_visit)).to_numpy()

    pair_keys, pair_of = np.unique(((segment * size + action) * size + later)[is_pair], return_inverse=True)
    passed, with_goal, goal_after = (
        _by_day(day_count, len(pair_keys), day[is_pair], pair_of, each[is_pair]) for each in counts
    )
    pairs = _steps(pair_keys, size)
    reverse = _positions(pair_keys, (pairs[:, 0] * size + pairs[:, 2]) * size + pairs[:, 1])
    from_visit = _positions(visit_keys, pairs[:, 0] * goal + pairs[:, 1])
    at_risk = visited[:, from_visit] - np.where(reverse >= 0, passed[:, reverse], 0)
    converted = won[:, from_visit] - np.where(reverse >= 0, goal_after[:, reverse], 0)

    known = _known(rows, day, action, is_whole, day_count, goal)
    is_known = known[:, pairs[:, 1]] & known[:, pairs[:, 2]]
    to_goal = np.stack((visit_keys // goal, visit_keys % goal, np.full(len(visit_keys), goal)), axis=1)
    steps = np.concatenate((pairs, to_goal))
    order = np.lexsort((steps[:, 2], steps[:, 1], steps[:, 0]))
    return SiteCounts(
        site=site,
        first=date.fromordinal(first + date(1970, 1, 1).toordinal()),
        asked_for=tuple(np.unique(day[is_asked]).tolist()),
        has_sessions=has_sessions,
        goals=goals,
        segments=segments,
        visits_of_segment=visits_of_segment,
        actions=actions,
        steps=steps[order],
        visits=np.concatenate((from_visit, np.arange(len(visit_keys))))[order],
        at_risk=np.concatenate((np.where(is_known, at_risk, 0), visited), axis=1)[:, order],
        progressed=np.concatenate((np.where(is_known, passed, 0), won), axis=1)[:, order],
        converted=np.concatenate((np.where(is_known, converted, 0), won), axis=1)[:, order],
        progressed_and_converted=np.concatenate((np.where(is_known, with_goal, 0), won), axis=1)[:, order],
        values=values,
        stopped=stopped,
    )


def _is_read(keys: Counts, converted: Floats, size: int) -> NDArray[np.bool_]:
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
    is_read: NDArray[np.bool_] = is_tested | (
        of_action[action] & np.where(is_to_goal, of_segment[segment], of_action[later] & (segment == 0))
    )
    reverse = _positions(keys, (segment * size + later) * size + action)
    is_read |= ~is_to_goal & (reverse >= 0) & is_read[reverse]
    return is_read


def _steps(keys: Counts, size: int) -> Counts:
    """Return the segment, action and next action of each key."""
    return np.stack((keys // size // size, keys // size % size, keys % size), axis=1)


def _known(
    rows: "pa.Table", day: Counts, action: Counts, is_whole: NDArray[np.bool_], day_count: int, action_count: int
) -> NDArray[np.bool_]:
    """Return for each day and action whether its steps are known; those of an action without visits are (as zero)."""
    known = np.ones((day_count, action_count), np.bool_)
    known[day[is_whole], action[is_whole]] = rows["is_followed"].to_numpy(zero_copy_only=False)[is_whole]
    return known


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


def _whole(rows: "pa.Table", column: str) -> Counts:
    return np.asarray(rows[column].to_numpy(), np.int64)


def _values(rows: "pa.Table", is_visit: NDArray[np.bool_]) -> NDArray[np.float64]:
    column = rows["converted_value"].filter(_mask(is_visit)).cast("float64")
    return np.asarray(column.to_numpy(), np.float64)


def _mask(rows: NDArray[np.bool_]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(rows)


def _by_day(day_count: int, width: int, day: Counts, place: Counts, counts: Counts) -> Counts:
    found = np.zeros((day_count, width), np.int64)
    found[day, place] = counts
    return found


def _positions(keys: Counts, wanted: Counts) -> Counts:
    """Return the position of each wanted key among sorted keys; -1 for a key that is not there."""
    places = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    return np.where(keys[places] == wanted, places, -1) if len(keys) else np.full(len(wanted), -1)
