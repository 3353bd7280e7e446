"""Prepares paths: the usual path of visits with and without a conversion, and the steps of a visit."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from session_pipeline.report import formats
from session_pipeline.report.constants import MANY_DO
from session_pipeline.report.figures import Row
from session_pipeline.report.names import Label, label

AN = re.compile("(?!us|uni|eu|one)[aeiou]", re.IGNORECASE)  # an order, a user
WEEK = 7
FEWEST_VISITS = 5  # of a group; fewer have no usual path
FEWEST_ON_PATH = 5
SMALL_SHARE = 0.1  # of the visits of a group; so few on the most common path are not usual, unless they are many
STEPS_SHOWN = 8
JOIN = " > "


class Kind(NamedTuple):
    """The visits of a group.

    Attributes:
        name, title, end: As in VisitGroup.
        outcome: Their outcome in typical_paths.
        column: The beginning of their columns in the figure common_actions.
    """

    name: str
    title: str
    end: str
    outcome: str
    column: str


CONVERTED = Kind("converted", "Visits with a conversion", "converted", "(converted)", "converted")
LEFT = Kind("not_converted", "Visits without a conversion", "left", "(not converted)", "other")


@dataclass(frozen=True)
class VisitGroup:
    """Visits that end in one way, and the paths that most of them take.

    Attributes:
        name: `converted` or `not_converted`.
        title: The group in words.
        end: How its visits end, in one word.
        session_count: The visits of the group.
        paths: The most common paths, the usual one first: dictionaries with steps, share and medians. Empty if the
            setting min_session_count leaves them all out.
        common: If hardly any visits take the same path, the actions that many of them do, with their shares.
        window_days: The days that the paths cover: 7, or 28 if in 7 hardly any visits of a group take the same path.
        site: The site whose paths are shown, if the report covers several; the same for both groups.
        has_bounces: Whether visits of the group that are bounces are left out.
    """

    name: str
    title: str
    end: str
    session_count: int
    paths: Sequence[Row]
    common: Sequence[tuple[Label, float]] = ()
    window_days: int = WEEK
    site: str = ""
    has_bounces: bool = False

    @property
    def has_few(self) -> bool:
        """Whether there are visits, but too few for a usual path."""
        return 0 < self.session_count < FEWEST_VISITS


def visit_groups(
    paths: Sequence[Row],
    common: Sequence[Row],
    outcomes: Sequence[Row],
    has_several_sites: bool,
    with_bounces: Collection[str] = (),
    of_site: str | None = None,
) -> list[VisitGroup]:
    """Return the visits with a conversion and those without, both over the same days if both have a usual path.

    The first are those with the conversion that has a value, if there is one such conversion. If they have no usual
    path, they are those with any conversion: the actions that many do are not known of a single one.

    Args:
        paths: The rows of the figure usual_paths.
        common: The rows of the figure common_actions.
        outcomes: The outcomes of the week.
        has_several_sites: Whether the groups name their site.
        with_bounces: The sites with visits that are bounces.
        of_site: The site; None for the one with the most visits with a conversion.
    """
    kinds = (_kind_with_value(outcomes), LEFT)
    site = _compared_site(paths, kinds) if of_site is None else of_site
    if _usual_days(_of(paths, site, kinds[0])) is None and sum(row["is_converted"] for row in outcomes) > 1:
        kinds = (CONVERTED, LEFT)
        site = _compared_site(paths, kinds) if of_site is None else of_site
    rows = [_of(paths, site, kind) for kind in kinds]
    groups = []
    for kind, days, of_kind in zip(kinds, _compared_days(rows), rows, strict=True):
        of_window = [row for row in of_kind if row["window_days"] == days]
        shown = [row for row in of_window if row["rank"] is not None]
        is_varied = bool(shown) and _is_rare(shown[0])
        groups.append(
            VisitGroup(
                kind.name,
                kind.title,
                kind.end,
                of_window[0]["group_session_count"] if of_window else 0,
                [{**row, **_shown(row)} for row in shown],
                _common(common, site, kind.column) if is_varied else [],
                days,
                site if has_several_sites else "",
                kind is LEFT and (site in with_bounces or (not site and bool(with_bounces))),
            )
        )
    return groups


def _kind_with_value(outcomes: Sequence[Row]) -> Kind:
    """Return the visits with the one conversion that has a value; those with any if it is not exactly one."""
    with_value = [row["outcome"] for row in outcomes if row["is_converted"] and row["has_value"]]
    if len(with_value) != 1:
        return CONVERTED
    [outcome] = with_value
    title = f"Visits with {_article(outcome)} {formats.isolated(formats.words(outcome))}"
    return CONVERTED._replace(title=title, end="bought" if outcome == "purchase" else "converted", outcome=outcome)


def _of(paths: Sequence[Row], site: str, kind: Kind) -> list[Row]:
    return [row for row in paths if (row["site"], row["outcome"]) == (site, kind.outcome)]


def _compared_days(groups: Sequence[Sequence[Row]]) -> list[int]:
    """Return the days of each group: the longest that any needs for a usual path; a week for one without any."""
    found = [_usual_days(rows) for rows in groups]
    longest = max((days for days in found if days is not None), default=WEEK)
    known = [{row["window_days"] for row in rows} for rows in groups]
    return [WEEK if days is None or longest not in known[n] else longest for n, days in enumerate(found)]


def _is_rare(path: Row) -> bool:
    """Whether so few visits take the most common path of their group that it is not usual."""
    is_small = path["session_count"] == 1 or path["share"] < SMALL_SHARE
    return bool(is_small and path["session_count"] < FEWEST_ON_PATH)


def _compared_site(rows: Sequence[Row], kinds: Sequence[Kind]) -> str:
    """Return the site with the most visits of the first kind, then of the second; empty without any visit."""

    def visits(site: str) -> list[int]:
        return [max((row["group_session_count"] for row in _of(rows, site, kind)), default=0) for kind in kinds]

    outcomes = [kind.outcome for kind in kinds]
    return max(sorted({row["site"] for row in rows if row["outcome"] in outcomes}), key=visits, default="")


def _article(noun: str) -> str:
    return "an" if AN.match(noun) else "a"


def _common(rows: Sequence[Row], site: str, kind: str) -> list[tuple[Label, float]]:
    """Return the actions that many visits to a site do, in their usual order."""
    rows = [row for row in rows if row["site"] == site]
    most = [row for row in rows if (row[f"{kind}_share"] or 0) >= MANY_DO and row[f"{kind}_place"] is not None]
    most = sorted(most, key=lambda row: (-row[f"{kind}_share"], row["action"]))[:STEPS_SHOWN]
    in_order = sorted(most, key=lambda row: (row[f"{kind}_place"], row["action"]))
    return [(label(row["action"]), row[f"{kind}_share"]) for row in in_order]


def _usual_days(rows: Sequence[Row]) -> int | None:
    """Return the shortest window with enough visits on the most common path, else the shortest in which it is usual.

    None if it is rare in all windows, or there are no visits.
    """
    first = [row for row in rows if row["rank"] == 1 and not _is_rare(row)]
    enough = [row for row in first if row["session_count"] >= FEWEST_ON_PATH]
    return min((row["window_days"] for row in enough or first), default=None)


def _shown(row: Row) -> Row:
    """Return the columns of a path that only the report has."""
    path, is_one_of_many = row["path"], row["share"] < SMALL_SHARE
    return {"steps": _steps(path), "is_cut": _is_cut(path), "is_one_of_many": is_one_of_many}


def _steps(path: str) -> list[Label]:
    """Return the label of each step of a path."""
    return [label(action) for action in path.split(JOIN)[:STEPS_SHOWN] if action != "(more)"]


def _is_cut(path: str) -> bool:
    return len(path.split(JOIN)) > STEPS_SHOWN or path.endswith("(more)")


def step_grid(rows: Sequence[Row]) -> tuple[list[int], list[tuple[str, list[Row | None]]]]:
    """Return the positions, and for each action its visits at each position: frequent actions first."""
    positions = sorted({row["step_number"] for row in rows})
    found = {(row["action"], row["step_number"]): row for row in rows}
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["action"]] = totals.get(row["action"], 0) + row["session_count"]
    last = {"(other)": 1, "(end)": 2}
    actions = sorted(totals, key=lambda action: (last.get(action, 0), -totals[action], action))
    return positions, [(action, [found.get((action, position)) for position in positions]) for action in actions]
