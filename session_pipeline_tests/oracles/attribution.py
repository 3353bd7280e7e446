"""Decides in plain Python which drops of progress_changes are alerts, and which alert explains the others: an oracle.

Written from docs/changes.md, not from the models. oracles/progress.py has the scores,
oracles/progress_changes.py the columns.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

from session_pipeline_tests.oracles.progress import (
    GOAL,
    NOT_FOLLOWED,
    WHOLE,
    Counts,
    Daily,
    Segment,
    Step,
    Tested,
    daily_of,
    root,
    sums,
)

MOST_ALERTS = 5
BASE_DAYS = 56


@dataclass(eq=False)
class Drop:
    """A row with a score of at most -2.5."""

    row: Tested
    visits: Fraction | None  # of a loss, those that count
    left: float = field(init=False)
    restored: float = 0.0
    is_weak: bool = False
    parts: list[tuple[float, "Drop"]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take the score of the visits that count."""
        is_part = self.visits is not None and self.visits < self.row.session_count
        self.left = round(self.left_with(0), 6) if is_part else self.row.score

    @property
    def is_loss(self) -> bool:
        return self.visits is not None

    @property
    def is_low(self) -> bool:
        row = self.row
        rate = Fraction(row.progressed_count, row.session_count)
        return 10 * rate <= 9 * Fraction(row.usual_progressed_count, row.usual_session_count)

    @property
    def can_alert(self) -> bool:
        return self.is_loss and self.is_low and self.row.score <= -4 and self.row.q_value <= 0.05

    @property
    def evidence(self) -> float:
        return self.left * math.sqrt(self.row.spread)

    def left_with(self, sessions: float) -> float:
        """Return the score that is left with some sessions restored."""
        row = self.row
        n1 = float(row.session_count if self.visits is None else self.visits)
        sides = min(row.progressed_count + sessions, n1), n1, row.usual_progressed_count, row.usual_session_count
        return root(*sides) / math.sqrt(row.spread)


class Site:
    """The daily counts of a site, from rows of progress_counts."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Sort the rows by day and step."""
        counts: dict[date, dict[Step, tuple[int, int, int]]] = defaultdict(dict)
        self.values: dict[tuple[date, Segment, str], float] = {}
        self.stopped: dict[tuple[date, Segment, str], Sequence[str]] = {}
        self.visited: dict[date, set[Segment]] = defaultdict(set)
        for row in rows:
            day, action, later = row["session_date"], row["action"], row["next_action"]
            segment = row["dimension"], row["dimension_value"]
            of_row = row["session_count"], row["converted_count"], row["converted_after_count"]
            counts[day][segment, action, later] = of_row
            if action == GOAL or later != GOAL:
                continue
            self.visited[day].add(segment)
            if not row["is_followed"] and segment == WHOLE:
                counts[day][WHOLE, action, NOT_FOLLOWED] = of_row
            if row["converted_value"] is not None:
                self.values[day, segment, action] = float(row["converted_value"])
            self.stopped[day, segment, action] = (row["stopped_session_ids"] or "").split()
        self.counts: Counts = counts
        self.daily: Daily = daily_of(counts)
        self._sums = cache(lambda step, days: sums(self.daily, step, days))

    def sums(self, step: Step, days: Sequence[date]) -> tuple[int, int, int, int]:
        """Return the sessions at risk on some days, and those that went on, converted, and did both."""
        found: tuple[int, int, int, int] = self._sums(step, days)
        return found


@dataclass
class Window:
    """Days that are compared with the 56 days before them."""

    site: Site
    last: date
    length: int

    @cached_property
    def days(self) -> tuple[date, ...]:
        return tuple(self.last - timedelta(days=back) for back in reversed(range(self.length)))

    @cached_property
    def before(self) -> tuple[date, ...]:
        return tuple(self.days[0] - timedelta(days=back) for back in range(BASE_DAYS, 0, -1))

    def lost(self, step: Step) -> float:
        """Return the sessions that a step lost in the window."""
        (n1, k1, _, _), (n0, k0, _, _) = self.site.sums(step, self.days), self.site.sums(step, self.before)
        return max(0.0, n1 * (k0 / n0) - k1) if n1 >= 5 and n0 >= 20 else 0.0

    # Shares of all sessions in the days before

    def usual(self, action: str, later: str) -> tuple[int, int, int, int]:
        if action in (GOAL, later):
            return 0, 0, 0, 0
        return self.site.sums((WHOLE, action, later), self.before)

    def rate(self, action: str, later: str) -> float:
        n, k, _, _ = self.usual(action, later)
        return k / n if n else 0.0

    def had(self, action: str, earlier: str) -> float:
        visits = self.usual(action, GOAL)[0]
        return self.usual(earlier, action)[1] / visits if visits else 0.0

    def after(self, action: str, later: str) -> float:
        visits = self.usual(action, GOAL)[0]
        return self.usual(action, later)[1] / visits if visits else 0.0

    def is_earlier(self, action: str, other: str) -> bool:
        if GOAL in (action, other):
            return other == GOAL and action != GOAL
        return self.usual(action, other)[1] > 2 * self.usual(other, action)[1]

    # What a drop accounts for

    def accounted_for(self, taken: Step, other: Step, *, is_loss: bool) -> float:
        """Return the sessions that a taken step accounts for at another one."""
        (segment, a, b), (other_segment, c, d) = taken, other
        lost = self.lost(taken)
        sessions = lost and lost * self.share_at(segment, other_segment, c, a, b) * self.more_often(a, b, d, is_loss)
        if not lost or other_segment[0] in (WHOLE[0], segment[0]):
            return sessions
        own = segment, c, d
        if self.site.sums(own, self.before)[3] < 5:
            return sessions
        of_all, of_other = self.lost((WHOLE, c, d)), self.lost(other)
        outside = max(0.0, of_all - of_other)
        in_common = min(of_other, min(of_all, self.accounted_for(taken, own, is_loss=is_loss)) - outside)
        return max(sessions, round(in_common, 9))

    def share_at(self, segment: Segment, other: Segment, c: str, a: str, b: str) -> float:
        share = self.share_in(segment, other, a)
        at = share * self.was_at(c, a, b)
        if c == a or other[0] in (WHOLE[0], segment[0]):
            return at
        return min(share, max(at, self.share_with(other, c, a), self.share_with(other, c, b)))

    def share_with(self, segment: Segment, earlier: str, action: str) -> float:
        if action in (earlier, GOAL):
            return 0.0
        _, passed, _, both = self.site.sums((segment, earlier, action), self.before)
        return passed / self.usual(action, GOAL)[0] if both >= 5 else 0.0

    def share_in(self, segment: Segment, other: Segment, action: str) -> float:
        if other in (WHOLE, segment):
            return 1.0
        if other[0] == segment[0]:
            return 0.0
        visits = self.usual(action, GOAL)[0]
        return self.site.sums((other, action, GOAL), self.before)[0] / visits if visits else 0.0

    def was_at(self, c: str, a: str, b: str) -> float:
        if c == a:
            return 1.0
        if b != GOAL:
            return max(self.had(a, c), self.had(b, c))
        conversions = self.usual(a, GOAL)[1]
        on_the_way = self.usual(a, c)[1] * self.rate(c, GOAL) / conversions if conversions else 0.0
        return max(self.had(a, c), min(1.0, on_the_way))

    def more_often(self, a: str, b: str, d: str, is_loss: bool) -> float:
        if d == b:
            return 1.0
        if b == GOAL:
            n, k, c, both = self.usual(a, d)
            return max(0.0, (both / c if c else 0.0) - ((k - both) / (n - c) if n > c else 0.0))
        if d == GOAL and is_loss:
            n, k, c, both = self.usual(a, b)
            with_b, without = both / k if k else 0.0, max(0, c - both) / (n - k) if n > k else 0.0
            return max(0.0, with_b - without, self.after(b, d))
        with_b = min(1.0, self.rate(b, d) + self.had(b, d))
        a_to_d = 1.0 if a == d else self.rate(a, d)
        a_to_b = self.rate(a, b)
        without = max(0.0, (a_to_d - a_to_b * with_b) / (1 - a_to_b)) if a_to_b < 1 else 0.0
        return max(0.0, with_b - without, 0.0 if d == a else self.after(b, d))

    # Losses

    def visits(self, step: Step) -> tuple[int, int, int, int, Fraction]:
        """Return visits and those that went on, now and usual, and the days with visits now for each such usual day."""
        before = tuple(day for day in self.before if self.length > 1 or (self.last - day).days % 7 == 0)
        (n1, k1, _, _), (n0, k0, _, _) = self.site.sums(step, self.days), self.site.sums(step, before)
        now, usual = (sum(1 for day in days if self.site.daily(step, day)[0]) for days in (self.days, before))
        return n1, k1, n0, k0, Fraction(now, usual) if usual else Fraction(0)

    def visits_of_loss(self, step: Step, lost_conversions: Fraction) -> Fraction | None:
        """Return the visits of a step that count if conversions are missing; None if it is no loss."""
        segment, action, later = step
        n1, k1, n0, k0, ratio = self.visits((segment, action, GOAL))
        if not n0 or 2 * (Fraction(n1 * k0, n0) - k1) < lost_conversions:
            return None
        growth = self.growth(action)
        if n1 <= min(n1, n0 * ratio * growth) * 5 / 4:
            of_step = self.site.sums(step, self.days)[0]
            return Fraction(of_step) if self.root_of_counted((segment, action, GOAL), growth) <= -1.64 else None
        if any(self.root_of_counted((segment, action, each), growth) > -3 for each in (GOAL, later)):
            return None
        n1, _, n0, _, ratio = self.visits(step)
        return min(Fraction(n1), n0 * ratio * growth)

    def root_of_counted(self, step: Step, growth: Fraction) -> float:
        n1, k1, n0, k0, ratio = self.visits(step)
        counted = min(n1, n0 * ratio * growth)
        return root(float(min(k1, counted)), float(counted), k0, n0) if counted else 0.0

    def growth(self, action: str) -> Fraction:
        ratio = self.visits((WHOLE, action, GOAL))[4]
        by_dimension = defaultdict(list)
        for segment in sorted({segment for day in (*self.days, *self.before) for segment in self.site.visited[day]}):
            n1, _, n0, k0, _ = self.visits((segment, action, GOAL))
            if segment != WHOLE and k0 >= 5:
                by_dimension[segment[0]].append((n1 - n0 * ratio, n1, n0 * ratio))
        growths = [Fraction(1)] if not ratio else []
        for values in by_dimension.values() if ratio else ():
            gained_most = max(gain for gain, _, _ in values)
            without = max(place for place, (gain, _, _) in enumerate(values) if gain == gained_most)
            others = [each for place, each in enumerate(values) if place != without]
            if others:
                growths.append(sum(n1 for _, n1, _ in others) / sum(usual for _, _, usual in others))
        return max(Fraction(1), min(growths, default=Fraction(1)))


def place(step: Step) -> tuple[Any, ...]:
    """Return what steps are ordered by."""
    segment, action, later = step
    return segment != WHOLE, segment, action, later == GOAL, later


def lost_sessions(row: Tested) -> Fraction:
    """Return the sessions that did not go on in the window; negative for a gain."""
    return Fraction(row.session_count * row.usual_progressed_count, row.usual_session_count) - row.progressed_count


def attribute(windows: Mapping[int, Window], drops: Sequence[Drop]) -> list[Drop]:
    """Return the drops that are alerts, and note in all drops what accounts for them."""
    alerts: list[Drop] = []
    taken: list[Drop] = []
    passed_over: list[Drop] = []
    while len(alerts) < MOST_ALERTS:
        open_drops = [drop for drop in drops if not drop.is_weak and drop not in taken and drop not in passed_over]
        candidates = [drop for drop in open_drops if drop.evidence <= -4 and drop.left <= -3]
        if not candidates or not any(drop.can_alert for drop in open_drops):
            break
        chosen = _chosen(windows, candidates)
        restored = {}
        for drop in drops:
            if drop is not chosen and drop not in taken:
                window, is_loss = windows[drop.row.window_days], chosen.is_loss
                sessions = window.accounted_for(chosen.row.step, drop.row.step, is_loss=is_loss)
                if sessions > 0:
                    restored[id(drop)] = sessions, drop.left_with(drop.restored + sessions)
        hides = any(
            drop.can_alert and not drop.is_weak and id(drop) in restored and restored[id(drop)][1] > -4
            for drop in drops
            if chosen.is_low or drop.row.window_days == chosen.row.window_days
        )
        if chosen.is_loss and not chosen.can_alert and not hides:
            passed_over.append(chosen)
            continue
        taken.append(chosen)
        if chosen.is_loss:
            alerts.append(chosen)
        for drop in drops:
            if id(drop) in restored:
                sessions, drop.left = restored[id(drop)]
                drop.restored += sessions
                drop.is_weak = drop.left > -4
                drop.parts.append((sessions, chosen))
    return alerts


def _chosen(windows: Mapping[int, Window], candidates: Sequence[Drop]) -> Drop:
    ordered = sorted(candidates, key=lambda drop: (drop.evidence, drop.row.window_days, place(drop.row.step)))
    strongest = chosen = ordered[0]
    window = windows[strongest.row.window_days]
    for drop in ordered[1:]:
        (segment, action, later), (of_chosen, present, present_later) = drop.row.step, chosen.row.step
        is_near = (
            drop.row.window_days == strongest.row.window_days
            and segment == of_chosen
            and drop.evidence <= 0.9 * strongest.evidence
            and drop.is_loss == strongest.is_loss
        )
        begins_no_earlier = action == present or window.is_earlier(present, action)
        ends_no_later = later == present_later or window.is_earlier(later, present_later)
        if is_near and begins_no_earlier and ends_no_later:
            chosen = drop
    return chosen


def explanation(drop: Drop, alerts: Sequence[Drop]) -> str | None:
    """Return the alert that explains a drop as text, or None."""
    if not drop.is_weak:
        return None
    most = max(part for part, _ in drop.parts)
    by = next(by for part, by in drop.parts if part == most)
    if by not in alerts or most < 0.5 * lost_sessions(drop.row):
        return None
    (dimension, value), action, later = by.row.step
    return f"{dimension}={value}: {action} > {later}"
