"""Tests the checks of alerts: which rows of the changes they show, in which order, and for how long."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from session_pipeline import checks
from session_pipeline.checks import Verdict
from session_pipeline.defs.checks import days_of_check
from session_pipeline_tests.checked_stores import DAY, WEEKS, asked, change, opened
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, command_line, shop_lines
from session_pipeline_tests.simulation.simulated_clock import simulated


@pytest.fixture
def deployment(four_weeks: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `four_weeks` that the test may change."""
    return four_weeks.copied_to(tmp_path / "data")


ALERT = """
    select 'main' as site, 1 as rank, 7 as window_days, 'device' as dimension, 'mobile' as dimension_value,
        '/cart' as action, '/checkout' as next_action, 25.0 as associated_lost, true as is_alert,
        '{sentence}' as sentence
"""


@pytest.mark.long
def test_progress_alerts_names_the_alerts_of_the_last_14_days(deployment: Deployment) -> None:
    assert asked(deployment, checks.progress_alerts).holds
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Fewer go on.")), WEEKS[1])
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Far fewer go on.")), WEEKS[2])
    expected = Verdict(False, "Far fewer go on.", {"alerts": 1})
    verdict = asked(deployment, checks.progress_alerts)
    assert verdict == expected
    assert verdict.problems == ("fewer mobile visits at /cart go on to /checkout (site main)",)
    assert asked(deployment, checks.progress_alerts, day=WEEKS[1]).sentence == "Fewer go on."
    assert asked(deployment, checks.progress_alerts, day=WEEKS[2] + timedelta(days=13)) == expected
    assert asked(deployment, checks.progress_alerts, day=WEEKS[2] + timedelta(days=14)).holds


@pytest.mark.parametrize("later", ["'all=all: /pay > (goal)' as explained_by", "date '2026-10-20' as over_since"])
def test_progress_alerts_leaves_out_what_is_explained_or_over_later(deployment: Deployment, later: str) -> None:
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Fewer go on.")), WEEKS[1])
    no_alert = ALERT.format(sentence="It is none.").replace("true as is_alert", f"false as is_alert, {later}")
    assert not asked(deployment, checks.progress_alerts, day=WEEKS[2]).holds
    change(deployment, "progress_changes", with_nulls(no_alert), WEEKS[2])
    assert asked(deployment, checks.progress_alerts, day=WEEKS[2]).holds


def test_progress_alerts_shows_each_step_and_segment_once_by_its_first_row(deployment: Deployment) -> None:
    explained = "2 as rank, 28 as window_days, false as is_alert, 'Explained.' as sentence, 'a step' as explained_by"
    alerts = [
        ALERT.format(sentence="Carts."),
        f"select * replace (2 as rank, 28 as window_days, 'Carts of 28 days.' as sentence) from ({ALERT})",
        f"select * exclude (rank, window_days, is_alert, sentence), {explained} from ({ALERT})",
        *(
            f"select * replace ('other' as {column}, '{column}.' as sentence) from ({ALERT})"
            for column in ("dimension_value", "action", "next_action")
        ),
    ]
    change(deployment, "progress_changes", with_nulls(" union all by name ".join(alerts)))
    verdict = asked(deployment, checks.progress_alerts)
    assert sorted(verdict.sentence.split()) == ["Carts.", "action.", "dimension_value.", "next_action."]
    assert verdict.figures == {"alerts": 4}


def test_progress_alerts_counts_those_after_the_fifth(deployment: Deployment) -> None:
    alert = ALERT.format(sentence="Fewer.")
    alerts = [f"select * replace ('/{number}' as action) from ({alert})" for number in range(7)]
    change(deployment, "progress_changes", with_nulls(" union all by name ".join(alerts)))
    verdict = asked(deployment, checks.progress_alerts)
    assert verdict.sentence == 5 * "Fewer. " + "And 2 more."
    assert len(verdict.problems) == 7


def test_progress_alerts_names_the_site_if_there_are_several(deployment: Deployment) -> None:
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Fewer go on.")))
    assert asked(deployment, checks.progress_alerts).sentence == "Fewer go on."
    other_site = "select * from action_visits union all select * replace ('jp' as site) from action_visits"
    change(deployment, "action_visits", other_site, WEEKS[2])
    assert asked(deployment, checks.progress_alerts).sentence == "On site main: fewer go on."


OUTCOME_ALERT = """
    select 'main' as site, 1 as rank, 7 as window_days, 'device' as dimension, 'mobile' as dimension_value,
        '{outcome}' as outcome, {score} as score, true as is_alert, '{outcome}.' as sentence
"""


def outcome_alert(outcome: str, score: float = -4.0) -> str:
    return with_nulls(OUTCOME_ALERT.format(outcome=outcome, score=score), "outcome_changes")


def test_outcome_alerts_names_bad_news_of_the_last_14_days(deployment: Deployment) -> None:
    assert asked(deployment, checks.outcome_alerts) == Verdict(True, "visits end as well as before", {"alerts": 0})
    bad = (("purchase", -4.0), ("bounce", 4.5), ("(sessions)", -5.0), ("(converted)", -3.5))
    good = (("lead", 4.0), ("engaged", -4.0), ("abandoned_cart", -4.0))
    alerts = " union all by name ".join(outcome_alert(*each) for each in (*bad, *good))
    change(deployment, "outcome_changes", alerts, WEEKS[2])
    verdict = asked(deployment, checks.outcome_alerts)
    assert verdict == Verdict(False, "(sessions). bounce. purchase. (converted).", {"alerts": 4})
    assert verdict.problems == (
        "fewer mobile visits came than usual (site main)",
        "mobile visits bounce more often (site main)",
        "mobile visits end with purchase less often (site main)",
        "mobile visits convert less often (site main)",
    )
    assert not asked(deployment, checks.outcome_alerts, day=WEEKS[2] + timedelta(days=13)).holds
    assert asked(deployment, checks.outcome_alerts, day=WEEKS[2] + timedelta(days=14)).holds


def test_outcome_alerts_shows_each_outcome_of_a_segment_once_by_its_first_row(deployment: Deployment) -> None:
    alert = outcome_alert("purchase")
    alerts = [
        f"select * replace ('Of 7 days.' as sentence) from ({alert})",
        f"select * replace (2 as rank, 28 as window_days, 'Of 28 days.' as sentence) from ({alert})",
        f"select * replace ('desktop' as dimension_value, 'Desktop.' as sentence) from ({alert})",
        f"select * replace ('jp' as site, 'Japan.' as sentence) from ({alert})",
    ]
    change(deployment, "outcome_changes", " union all by name ".join(alerts))
    verdict = asked(deployment, checks.outcome_alerts)
    assert verdict.sentence == "Japan. Desktop. Of 7 days."
    assert verdict.figures == {"alerts": 3}


def test_outcome_alerts_leaves_out_what_is_over(deployment: Deployment) -> None:
    change(deployment, "outcome_changes", outcome_alert("purchase"), WEEKS[1])
    assert not asked(deployment, checks.outcome_alerts, day=WEEKS[2]).holds
    over = outcome_alert("purchase").replace("true as is_alert", "false as is_alert, date '2026-10-20' as over_since")
    change(deployment, "outcome_changes", over, WEEKS[2])
    assert asked(deployment, checks.outcome_alerts, day=WEEKS[2]).holds


def test_checks_about_now_look_at_the_latest_days_that_are_over(deployment: Deployment) -> None:
    """A run that builds only an old day does not warn about what was wrong then, nor that today has few visits."""
    change(deployment, "progress_changes", with_nulls(ALERT.format(sentence="Fewer go on.")), WEEKS[0])
    assert not asked(deployment, checks.progress_alerts, day=WEEKS[0]).holds
    about_now, other = (
        next(check for check in checks.CHECKS if check.name == name) for name in ("progress_alerts", "progress_adds_up")
    )
    with opened(deployment) as run:
        assert days_of_check(run, other, [WEEKS[0]]) == [WEEKS[0]]
        days = list(days_of_check(run, about_now, [WEEKS[0]]))
        assert days == list(run.planner.frame.wanted[-len(days) :])
    with simulated(datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=9)), opened(deployment) as run:
        assert DAY not in days_of_check(run, about_now, [DAY])


@pytest.mark.long
def test_checks_about_now_wait_for_the_last_range_of_days(tmp_path: Path) -> None:
    """The run builds a day in May, and then one in December, which takes the alert away."""
    deployment = Deployment(tmp_path, SMALL)
    days = date(2024, 5, 6), date(2024, 12, 2)
    for day in days:
        deployment.deliver(str(day), shop_lines(day))
    deployment.run()
    change(deployment, "outcome_changes", outcome_alert("purchase"), days[1])
    for day in days:
        late = {"event_id": f"late {day}", "visitor_id": f"late {day}"}
        deployment.deliver(f"late {day}", [shop_lines(day)[0] | late])
    ran = command_line(deployment)
    assert "outcome_alerts" not in ran.stdout + ran.stderr


WORTH = "Fewer go on. About 25 are missing, worth about 900."


@pytest.mark.long
@pytest.mark.parametrize(
    ("currencies", "sentence"),
    [
        (["EUR"] * len(WEEKS), "Fewer go on. About 25 are missing, worth about 900 EUR."),
        (["EUR", "USD"], "Fewer go on. About 25 are missing."),
        ([], WORTH),
    ],
)
def test_progress_alerts_shows_a_value_of_one_currency_only(
    deployment: Deployment, currencies: Sequence[str], sentence: str
) -> None:
    alert = ALERT.format(sentence=WORTH).replace(" as is_alert", " as is_alert, 900.0 as associated_lost_value")
    change(deployment, "progress_changes", with_nulls(alert))
    for day, currency in zip(WEEKS, currencies, strict=False):
        change(
            deployment, "session_outcomes", f"select * replace ('{currency}' as currency) from session_outcomes", day
        )
    assert asked(deployment, checks.progress_alerts).sentence == sentence


def test_progress_alerts_orders_values_of_different_currencies_by_conversions(deployment: Deployment) -> None:
    few = (
        ALERT.format(sentence="Few.")
        .replace("'main'", "'jp'")
        .replace("25.0 as", "1000.0 as associated_lost_value, 2.0 as")
    )
    many = ALERT.format(sentence="Many.").replace(" as is_alert", " as is_alert, 900.0 as associated_lost_value")
    change(deployment, "progress_changes", with_nulls(f"{few} union all by name {many}"))
    assert asked(deployment, checks.progress_alerts).sentence == "Few. Many."
    for site, currency, day in (("jp", "JPY", WEEKS[0]), ("main", "EUR", WEEKS[1])):
        outcomes = f"select * replace ('{currency}' as currency, '{site}' as site) from session_outcomes"
        change(deployment, "session_outcomes", outcomes, day)
    for day in WEEKS[2:]:
        change(deployment, "session_outcomes", "select * from session_outcomes where false", day)
    assert asked(deployment, checks.progress_alerts).sentence == "Many. Few."


def with_nulls(select: str, name: str = "progress_changes") -> str:
    """Return a SELECT with the columns of a table, null where it has no value."""
    return f"select * from ({select}) union all by name select * from {name} where false"
