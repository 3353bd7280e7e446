"""Tests that what works is named by a real difference, and rarely by chance."""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.strengths import chance_of, strengths
from session_pipeline.report.window import Window
from session_pipeline_tests.changed_reports import GAIN, OTHER_SITE, gain_rows, page_with
from session_pipeline_tests.deployment import Deployment

LAST = date(2026, 4, 9)
WINDOW = Window([LAST - timedelta(days=29), LAST], last_day=LAST, known_until=LAST, is_full=True)


def groups_of_chance(number: int) -> Figures:
    """Return the figures of a week of 1,000 visits in 30 groups. Each converts with 3 %, whatever its groups are."""
    draw = random.Random(number)
    groups: dict[tuple[str, int], list[int]] = {}
    week = [0, 0]
    for _ in range(1000):
        is_converted = draw.random() < 0.03
        for dimension, values in (("channel", 6), ("device", 3), ("variant", 3), ("campaign", 8), ("colour", 10)):
            value = int(values * draw.random() ** 2)
            for counts in (week, groups.setdefault((dimension, value), [0, 0])):
                counts[0] += 1
                counts[1] += is_converted
    rows = [
        {"dimension": dimension, "dimension_value": str(value), "session_count": visits, "converted_count": converted}
        | {"conversion_rate": converted / visits, "low": 0.0, "high": 1.0}
        for (dimension, value), (visits, converted) in sorted(groups.items())
    ]
    found = {"visits": [{"period": "week", "conversion_rate": week[1] / week[0]}], "breakdowns": rows}
    return Figures({}, None, {name: Figure("", each) for name, each in found.items()})


def test_chance_alone_rarely_works() -> None:
    """Without a correction for their number, one of the 30 groups stands out in half of the weeks."""
    assert sum(bool(strengths(groups_of_chance(week), WINDOW)) for week in range(100)) <= 5


@pytest.mark.parametrize(("converted", "is_found"), [(45, False), (60, True)])
def test_real_difference_works(converted: int, is_found: bool) -> None:
    """The rate is 3 %: of 1,000 visits, 60 conversions are no chance; 45 are, if there are 30 groups."""
    figures = groups_of_chance(1)
    figures.rows("visits")[0]["conversion_rate"] = 0.03
    better = {"dimension": "channel", "dimension_value": "email", "session_count": 1000, "low": 0.04, "high": 0.08}
    rows = [row | {"converted_count": 0} for row in figures.rows("breakdowns")]
    figures.rows("breakdowns")[:] = [*rows, better | {"converted_count": converted, "conversion_rate": 0.06}]
    assert [found.sentence for found in strengths(figures, WINDOW)] == [
        "Visits with channel email convert more often: 6.0\u202f% (4.0–8.0\u202f%) against 3.0\u202f% of all visits."
    ] * is_found


@pytest.mark.parametrize(("converted", "is_found"), [(100, False), (60, True)])
def test_first_action_that_is_the_conversion_is_no_finding(converted: int, is_found: bool) -> None:
    first = {"action": "purchase", "site": "main", "session_count": 100, "converted_count": converted}
    rates = {"conversion_rate": converted / 100, "low": 0.5, "high": 1.0}
    found = {"visits": [{"period": "week", "conversion_rate": 0.1}], "landing_pages": [first | rates]}
    figures = Figures({}, None, {name: Figure("", rows) for name, rows in found.items()})
    assert bool(strengths(figures, WINDOW)) == is_found


@pytest.mark.parametrize(("converted", "is_found"), [(100, False), (99, True)])
def test_value_that_only_conversions_have_is_no_finding(converted: int, is_found: bool) -> None:
    """Such as a way of paying, which the event of the purchase has."""
    found = works_of(breakdowns=[group("payment_method", "card") | {"converted_count": converted}])
    assert bool(found) == is_found


def test_first_page_whose_rate_is_not_known_is_no_finding() -> None:
    first = {"action": "/cart", "site": "main", "session_count": 100, "converted_count": 60}
    rates = {"conversion_rate": None, "low": None, "high": None}
    found = {"visits": [{"period": "week", "conversion_rate": 0.1}], "landing_pages": [first | rates]}
    figures = Figures({}, None, {name: Figure("", rows) for name, rows in found.items()})
    assert strengths(figures, WINDOW) == []


@pytest.mark.parametrize(("converted", "is_found"), [(90, False), (130, True)])
def test_page_is_compared_with_the_visits_to_its_site(converted: int, is_found: bool) -> None:
    """On the shop, 40 of 100 visits convert anyway; that a page does better than the visits to a blog says nothing."""
    none_before = {"conversion_rate_before": None, "before_count": 0}
    sites = [{"site": site, "conversion_rate": rate} | none_before for site, rate in (("shop", 0.4), ("blog", 0.01))]
    first = {"action": "/sale", "site": "shop", "session_count": 200, "converted_count": converted}
    channel = {"dimension": "channel", "dimension_value": "email", "session_count": 200, "converted_count": 90}
    rates = {"conversion_rate": converted / 200, "low": 0.5, "high": 0.7}
    found = {"visits": [{"period": "week", "conversion_rate": 0.1}], "sites": sites}
    found |= {"landing_pages": [first | rates], "breakdowns": [channel | rates]}
    figures = Figures({}, None, {name: Figure("", rows) for name, rows in found.items()})
    channels, *pages = strengths(figures, WINDOW)
    assert channels.sentence.endswith("of all visits.")
    assert channels.note.startswith("A comparison of groups over all sites. They can also differ in other ways, such")
    assert [page.sentence for page in pages] == [
        "Visits that begin at /sale on site shop convert more often: 65.0\u202f% (50.0–70.0\u202f%) against"
        " 40.0\u202f% of all visits to the site."
    ] * is_found


@pytest.mark.parametrize(
    ("rate_before", "visits_before", "is_found"), [(0.05, 1000, True), (0.45, 30, False), (0.45, 29, True)]
)
def test_group_that_is_as_before_is_not_better_because_others_got_worse(
    rate_before: float, visits_before: int, is_found: bool
) -> None:
    """Half of the visits with email convert, and 10 % of all; a week before, there were about as many of all."""
    before = {"period": "before", "conversion_rate": rate_before, "session_count": visits_before}
    found = works_of(
        visits=[before, {"period": "week", "conversion_rate": 0.1}], breakdowns=[group("channel", "email")]
    )
    assert [sentence[-29:] for sentence in found] == ["against 10.0\u202f% of all visits."] * is_found


@pytest.mark.parametrize(("rate_before", "is_found"), [(0.05, True), (0.45, False), (None, True)])
def test_page_is_compared_with_the_week_before_of_its_site(rate_before: float | None, is_found: bool) -> None:
    sites = [
        {"site": site, "conversion_rate": 0.1, "conversion_rate_before": rate, "before_count": 1000}
        for site, rate in (("shop", rate_before), ("blog", 0.9))
    ]
    page = group("landing_page", None) | {"site": "shop", "action": "/sale"}
    assert len(works_of(sites=sites, landing_pages=[page])) == is_found


@pytest.mark.parametrize(("later_count", "is_found"), [(100, True), (101, False), (None, True)])
def test_page_to_which_most_of_its_visits_come_later_is_no_finding(later_count: int | None, is_found: bool) -> None:
    page = group("landing_page", None) | {"site": "main", "action": "/cart", "later_count": later_count}
    assert len(works_of(landing_pages=[page])) == is_found


@pytest.mark.parametrize(
    ("converted", "visits", "rate", "expected"),
    [
        (2, 2, 0.5, 0.25),
        (2, 3, 0.5, 0.5),
        (3, 5, 0.5, 0.5),
        (12, 100, 0.1, 0.29697),
        (1, 2, 0.5, 1.0),
        (3, 3, 0.0, 0.0),
        (9_000, 10**6, 0.5, 1.0),
    ],
)
def test_chance_of_conversions(converted: int, visits: int, rate: float, expected: float) -> None:
    assert chance_of(converted, visits, rate) == pytest.approx(expected, rel=1e-4)


def test_gain_has_no_value_because_it_can_be_in_several_currencies() -> None:
    gain = {"site": "main", "dimension": "all", "dimension_value": "all", "action": "/a", "next_action": "/b"}
    sentence = (
        "Since 9 April, more visits at /a go on. About 13 conversions more than usual go with it, worth about {}."
    )
    for value in ("1,254", "-254"):
        rows = [gain | {"sentence": sentence.format(value)}]
        found = {"visits": [{"period": "week", "conversion_rate": 0.1}], "gains": rows}
        [strength] = strengths(Figures({}, None, {name: Figure("", each) for name, each in found.items()}), WINDOW)
        assert strength.sentence.endswith("About 13 conversions more than usual go with it.")


@pytest.mark.parametrize(("window_days", "days"), [(84, 30), (28, 28)])
def test_actions_before_conversions_have_their_days(window_days: int, days: int) -> None:
    """The page is about a week; the first visits are 30 days old."""
    row = {"site": "main", "at_action": "/a", "seen_action": "/b", "window_days": window_days, "sentence": "Sessions."}
    found = {"visits": [{"period": "week", "conversion_rate": 0.1}], "next_best_actions": [row]}
    [strength] = strengths(Figures({}, None, {name: Figure("", each) for name, each in found.items()}), WINDOW)
    assert strength.note.startswith(f"Visits of the last {days} days. An association, not an effect")


@pytest.mark.parametrize(
    ("figure", "change", "is_found"),
    [
        ("changed_steps", {}, False),
        ("changed_steps", {"last_seen_day": LAST - timedelta(days=6)}, False),
        ("changed_steps", {"last_seen_day": LAST - timedelta(days=7)}, True),
        ("changed_steps", {"dimension": "all"}, True),
        ("changed_steps", {"dimension": "channel"}, True),
        ("changed_outcomes", {"outcome": "(converted)"}, False),
        ("changed_outcomes", {"outcome": "(sessions)"}, True),
    ],
)
def test_values_of_a_dimension_with_a_change_in_the_week_are_no_finding(
    figure: str, change: dict[str, Any], is_found: bool
) -> None:
    """If a fault stops mobile visits, those on desktop convert more often than all visits."""
    device = {"dimension": "device", "dimension_value": "desktop", "session_count": 200, "converted_count": 90}
    rates = {"conversion_rate": 0.45, "low": 0.4, "high": 0.5}
    changed = {"site": "main", "dimension": "device", "dimension_value": "mobile", "last_seen_day": LAST} | change
    found = {"visits": [{"period": "week", "conversion_rate": 0.2}], "breakdowns": [device | rates]}
    found |= {figure: [changed]}
    works = strengths(Figures({}, None, {name: Figure("", rows) for name, rows in found.items()}), WINDOW)
    assert bool(works) == is_found


def works_of(**rows: list[dict[str, Any]]) -> list[str]:
    """Return the sentences of what works in a week in which 10 % of the visits convert."""
    before = {"period": "before", "conversion_rate": 0.05, "session_count": 1000}
    visits = [before, {"period": "week", "conversion_rate": 0.1}]
    found = {"visits": visits} | rows
    figures = Figures({}, None, {name: Figure("", each) for name, each in found.items()})
    return [strength.sentence for strength in strengths(figures, WINDOW)]


def group(dimension: str, value: str | None, low: float = 0.4, visits: int = 100) -> dict[str, Any]:
    """Return a group of which half converts."""
    counts = {"session_count": visits, "converted_count": visits // 2, "conversion_rate": 0.5}
    return {"dimension": dimension, "dimension_value": value, "low": low, "high": 0.6} | counts


def test_two_things_of_different_kinds_come_first() -> None:
    actions = [
        {"site": "main", "at_action": "/a", "seen_action": f"/{n}", "window_days": 28, "sentence": f"Action {n}."}
        for n in (1, 2, 3)
    ]
    gain = {"site": "main", "dimension": "all", "dimension_value": "all", "action": "/a", "next_action": "/b"}
    gains = [gain | {"sentence": "Gain."}]
    groups = [group("device", "mobile")]
    assert works_of(next_best_actions=actions) == ["Action 1.", "Action 2."]
    assert works_of(next_best_actions=actions, gains=gains, breakdowns=groups) == ["Action 1.", "Gain."]
    assert [sentence[:16] for sentence in works_of(next_best_actions=actions, breakdowns=groups)] == [
        "Action 1.",
        "Visits on mobile",
    ]


def test_each_dimension_has_its_best_value_and_the_surest_comes_first() -> None:
    channels = [group("channel", "email", 0.42), group("channel", "social", 0.43), group("channel", "direct", 0.41)]
    found = works_of(breakdowns=[*channels, group("device", "mobile", 0.44)])
    assert [sentence.partition(" convert")[0] for sentence in found] == [
        "Visits on mobile",
        "Visits with channel social",
    ]


@pytest.mark.parametrize(("value", "visits"), [("email", 29), ("(none)", 30), (None, 30)])
def test_few_visits_and_visits_without_a_value_are_no_finding(value: str | None, visits: int) -> None:
    assert works_of(breakdowns=[group("channel", value, visits=visits)]) == []
    assert works_of(breakdowns=[group("channel", "email", visits=30)])


@pytest.mark.parametrize(
    ("visits", "converted", "is_found"),
    [
        (100, 75, True),
        (100, 63, True),  # 50 are usual; half of the claimed 25 more are 62.5
        (100, 62, False),
        (60, 55, True),
        (60, 49, False),  # of fewer visits, more than usual; but fewer conversions than on as many days
    ],
)
def test_gain_has_more_conversions_than_usual(
    visits: int, converted: int, is_found: bool, reported_week: Deployment, tmp_path: Path
) -> None:
    """If fewer visits come that seldom convert, a larger share converts, but no conversion is won."""
    page = page_with(reported_week, tmp_path, gain_rows(visits, converted))
    assert ("More visits go on." in page.text.split("What works")[1].split("Changes found")[0]) == is_found


@pytest.mark.parametrize("other", [{"action": "/cart"}, {"dimension_value": "desktop"}])
def test_stronger_gain_without_more_conversions_hides_no_other(
    other: dict[str, Any], reported_week: Deployment, tmp_path: Path
) -> None:
    """The other one is of the same segment or of the same step."""
    stronger, weaker = gain_rows(100, 50), gain_rows(100, 75)
    rows = {
        "progress_changes": [GAIN, GAIN | other | {"score": 3.8, "sentence": "The other gain."}],
        "action_visits": [*stronger["action_visits"], *(row | other for row in weaker["action_visits"])],
        "daily_summary": stronger["daily_summary"],
    }
    works = page_with(reported_week, tmp_path, rows).text.split("What works")[1].split("Changes found")[0]
    assert "The other gain." in works
    assert "More visits go on." not in works


def test_what_works_is_worded_with_caution(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {
        "next_best_actions": [
            {"site": "main", "window_days": window, "rank": 1, "at_action": "/a", "seen_action": "/b"}
            | {"difference": 0.1, "score": 5.0, "is_significant": True, "sentence": f"Sessions of {window} days."}
            for window in (28, 84)
        ],
    } | gain_rows(100, 75)
    page = page_with(reported_week, tmp_path, rows)
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of 84 days. Visits of the last 9 days. An association, not an effect" in works
    assert "More visits go on. Nothing says what causes it" in works
    assert "28 days" not in works


def test_what_works_names_visitors_as_the_glossary_does(reported_week: Deployment, tmp_path: Path) -> None:
    rows = [
        {"site": "main", "dimension": "lifecycle", "dimension_value": value, "session_count": 100}
        | {"bounce_count": 0, "new_session_count": 0, "converted_count": converted}
        for value, converted in (("returning", 99), ("new", 1))
    ]
    page = page_with(reported_week, tmp_path, {"daily_breakdowns": rows})
    works = page.text.split("What works")[1].split("Changes found")[0]
    assert "Visits of visitors who were also there the day before convert more often: 99.0 %" in works


def test_conversions_that_ceased_are_not_missing_settings(reported_week: Deployment, tmp_path: Path) -> None:
    """The purchases of the week are those of 14 March; after it, visits only engage."""
    later = {"site": "main", "session_date": date(2024, 5, 1), "session_count": 10}
    engaged = later | {"outcome": "engaged"}
    page = page_with(reported_week, tmp_path, {"daily_summary": [OTHER_SITE | later], "daily_outcomes": [engaged]})
    assert "No visit converted in 28 days. The last conversion was on Thu 14 Mar 2024." in page.text
    assert "in settings.toml defines what counts" not in page.text
    assert page.row("purchase")[:3] == ["purchase", "0", "0.0 %"]
