"""Prepares paths: the usual path of visits with and without a conversion, and the steps of a visit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from session_pipeline.report import formats
from session_pipeline.report.figures import Row
from session_pipeline.report.names import Label, label

AN = re.compile("(?!us|uni|eu|one)[aeiou]", re.IGNORECASE)  # an order, a user
WEEK = 7
FEWEST_VISITS = 5  # of a group; fewer have no usual path
FEWEST_ON_PATH = 5
SMALL_SHARE = 0.1  # of the visits of a group; so few on the most common path are not usual, unless they are many
STEPS_SHOWN = 8
MANY_DO = 0.4  # the share of visits
JOIN = " > "


@dataclass(frozen=True)
class VisitGroup:
    """Visits that end in one way, and the paths that most of them take.

    Attributes:
        name: `converted` or `not_converted`.
        title: The group in words.
        end: How its visits end, in one word.
        session_count: The visits of the group.
        paths: The most common paths, the usual one first: dictionaries with steps, share and medians.
        common: If hardly any visits take the same path, the actions that many of them do, with their shares.
        window_days: The days that the paths cover: 7, or 28 if in 7 hardly any visits take the same path.
        site: The site whose paths are shown, if the report covers several; the same for both groups.
    """

    name: str
    title: str
    end: str
    session_count: int
    paths: Sequence[Row]
    common: Sequence[tuple[Label, float]] = ()
    window_days: int = WEEK
    site: str = ""

    @property
    def has_few(self) -> bool:
        """Whether there are visits, but too few for a usual path."""
        return 0 < self.session_count < FEWEST_VISITS


def visit_groups(
    paths: Sequence[Row], common: Sequence[Row], outcomes: Sequence[Row], has_several_sites: bool
) -> list[VisitGroup]:
    """Return the visits with a conversion that has a value (with any, if none has one) and those without."""
    with_value = [row["outcome"] for row in outcomes if row["is_converted"] and row["has_value"]]
    if len(with_value) == 1:
        title = f"Visits with {_article(with_value[0])} {formats.isolated(formats.words(with_value[0]))}"
        bought = ("converted", title, "bought" if with_value[0] == "purchase" else "converted", with_value[0])
    else:
        bought = ("converted", "Visits with a conversion", "converted", "(converted)")
    left = ("not_converted", "Visits without a conversion", "left", "(not converted)")
    site = _compared_site(paths, (bought[3], left[3]))
    groups = []
    for name, title, end, outcome in (bought, left):
        of_outcome = [row for row in paths if row["outcome"] == outcome and row["site"] == site]
        window_days = _window_days(of_outcome)
        of_site = [row for row in of_outcome if row["window_days"] == window_days]
        kind = "converted" if name == "converted" else "other"
        is_varied = bool(of_site) and _is_rare(of_site[0])
        groups.append(
            VisitGroup(
                name,
                title,
                end,
                of_site[0]["group_session_count"] if of_site else 0,
                [{**row, "steps": _steps(row["path"]), "is_cut": _is_cut(row["path"])} for row in of_site],
                _common(common, site, kind) if is_varied else [],
                window_days,
                site if has_several_sites else "",
            )
        )
    return groups


def _is_rare(path: Row) -> bool:
    """Whether so few visits take the most common path of their group that it is not usual."""
    is_small = path["session_count"] == 1 or path["share"] < SMALL_SHARE
    return bool(is_small and path["session_count"] < FEWEST_ON_PATH)


def _compared_site(rows: Sequence[Row], outcomes: Sequence[str]) -> str:
    """Return the site with the most visits of the first outcome, then of the second; empty without any visit."""

    def visits(site: str) -> list[int]:
        return [
            max(
                (row["group_session_count"] for row in rows if (row["site"], row["outcome"]) == (site, outcome)),
                default=0,
            )
            for outcome in outcomes
        ]

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


def _window_days(rows: Sequence[Row]) -> int:
    """Return the shortest window in which enough visits take the most common path; the week if there is none."""
    usual = [row["window_days"] for row in rows if row["rank"] == 1 and row["session_count"] >= FEWEST_ON_PATH]
    return min(usual, default=WEEK)


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
    last = {"other": 1, "(end)": 2}
    actions = sorted(totals, key=lambda action: (last.get(action, 0), -totals[action], action))
    return positions, [(action, [found.get((action, position)) for position in positions]) for action in actions]
