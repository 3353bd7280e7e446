"""Decides which changes and difficulties have one of the places at the top of the report, and in which order.

flaws.py writes them; the tables below the top have all rows.
"""

from collections.abc import Sequence
from datetime import timedelta

from session_pipeline.report.figures import Row
from session_pipeline.report.window import Window

MOST_OVER = 1  # changes that are over

Candidate = tuple[str, Row]  # step, outcome or moment


def chosen(
    steps: Sequence[Row], outcomes: Sequence[Row], moments: Sequence[Row], window: Window, count: int
) -> list[Candidate]:
    """Return what has a place: what lasts in its order, then a change that is over, then what can come from it.

    While other sites have something that lasts, a site has one place. A change that is over has one for two weeks. An
    outcome of a value of a dimension has none after the same one of all visits: it is probably a part of it.

    Args:
        steps: The changed steps.
        outcomes: The outcomes that changed for the worse.
        moments: The difficulties that go with fewer conversions.
        window: The days of the report.
        count: The number of places.
    """
    past = [row for row in steps if row["over_since"]]
    single = [row for row in outcomes if not row["over_since"] and _was_one_day(row, window)]
    lasting = [row for row in outcomes if not row["over_since"] and row not in single]
    following = [row for row in lasting if any(_can_follow(row, step) for step in past)]
    present: list[Candidate] = [
        *(("step", row) for row in steps if not row["over_since"]),
        *(("outcome", row) for row in lasting if row not in following),
        *(("moment", row) for row in moments),
    ]
    places = _of_sites(_without_parts(present), count)
    over = [("step", row) for row in past] + [("outcome", row) for row in outcomes if row["over_since"]]
    over = [(kind, row) for kind, row in over if row["over_since"] >= window.alerts_first_day]
    over += [("outcome", row) for row in single]
    places += _without_parts(over, places)[:MOST_OVER]
    after: list[Candidate] = [("outcome", row) for row in following if row["last_alert_day"] == window.last_day]
    places += _without_parts(after, places)
    return places[: max(count, 0)]


def _was_one_day(row: Row, window: Window) -> bool:
    """Whether an outcome left its usual range on one day only, before the last day of the report."""
    return bool(row["since"] == row["last_alert_day"] < window.last_day)


def _of_sites(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Return candidates in their order: the first of each site, and the next ones if there are fewer sites."""
    sites = [row["site"] for _, row in candidates]
    places = sorted(range(len(sites)), key=lambda place: (sites[place] in sites[:place], place))
    return [candidates[place] for place in sorted(places[: max(count, 0)])]


def _without_parts(candidates: Sequence[Candidate], before: Sequence[Candidate] = ()) -> list[Candidate]:
    """Return candidates without the outcomes of a value that come after the same one of all visits.

    A value that has the stronger change comes first, as in a fault of one device, and stays.
    """
    of_all = [row for kind, row in before if kind == "outcome" and row["dimension"] == "all"]
    kept = []
    for kind, row in candidates:
        if kind == "outcome" and row["dimension"] == "all":
            of_all.append(row)
        elif kind == "outcome" and any(_can_be_part(row, other) for other in of_all):
            continue
        kept.append((kind, row))
    return kept


def _can_be_part(of_value: Row, of_all: Row) -> bool:
    """Whether an outcome of a value can be a part of one of all visits: it has the same rate, site and some days.

    Both are changes for the worse, so they have the same direction. Of all visits, each kind of conversion is an
    outcome of its own; other outcomes are worse only if there are more.
    """
    is_conversion = of_all["score"] < 0 and of_all["outcome"] != "(sessions)"
    if of_value["site"] != of_all["site"]:
        return False
    if of_value["outcome"] != of_all["outcome"] and not (of_value["outcome"] == "(converted)" and is_conversion):
        return False
    (first, last), (first_of_all, last_of_all) = (
        (row["since"] or row["last_seen_day"], row["last_seen_day"]) for row in (of_value, of_all)
    )
    return bool(first <= last_of_all and first_of_all <= last)


def _can_follow(outcome: Row, step: Row) -> bool:
    """Whether the rate of an outcome can come from a step that is over: its window has days of the step's change."""
    if outcome["outcome"] == "(sessions)" or outcome["site"] != step["site"]:
        return False
    first_day = outcome["last_alert_day"] - timedelta(days=outcome["window_days"] - 1)
    return bool(first_day <= step["last_seen_day"] and step["since"] <= outcome["last_alert_day"])
