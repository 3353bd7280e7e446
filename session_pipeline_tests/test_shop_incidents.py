"""Tests what the tables of changes show of the incidents in the shared shop, and that its quiet weeks raise no alert.

Events whose names give an incident away are no actions here. The fixture's source describes one incident: from 9 April
to 9 May 2024, the shipping page sends mobile visitors back to the cart.
"""

import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from session_pipeline.checks import progress_alerts
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment

FIXTURE = Path(__file__).resolve().parents[2] / "shared" / "fixtures" / "retentioneering_ecom" / "ecom.csv.gz"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not FIXTURE.exists(), reason="the shared fixtures are not here: a user's clone has none"),
]

UNTIL = date(2024, 7, 1)
BEGIN, END = date(2024, 4, 9), date(2024, 5, 9)
NAMES = ["checkout_bug", "payment_error"]
SETTINGS = {
    "start_date": date(2024, 1, 1),
    "actions": {"ignored_events": NAMES},
    "dimensions": {
        "platform": "properties ->> 'platform'",
        "acquisition_channel": "properties ->> 'acquisition_channel'",
    },
    "sources": {"shop": {"columns": {"visitor_id": "user_id", "event_name": "event", "event_time": "timestamp"}}},
}
SHIPPING = ("platform", "mobile", "shipping_details", "payment_details")
PAYMENT = ("all", "all", "payment_details", "(goal)")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("shop"), SETTINGS)
    (deployment.folder.raw / "shop").mkdir(parents=True)
    shutil.copyfile(FIXTURE, deployment.folder.raw / "shop" / FIXTURE.name)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        for name in ("progress_changes", "outcome_changes"):
            run.build(STEP_OF_TABLE[name], run.planner.frame.wanted)  # and its inputs
    return deployment


@pytest.fixture(scope="module")
def alerts(shop: Deployment) -> pd.DataFrame:
    """The alerts of progress_changes, by day and rank."""
    changes = shop.table("progress_changes")
    return changes[changes["is_alert"]].sort_values(["session_date", "rank"])


def steps(alerts: pd.DataFrame) -> Sequence[tuple[Any, ...]]:
    return list(zip(*(alerts[name] for name in ("dimension", "dimension_value", "action", "next_action")), strict=True))


def between(alerts: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    return alerts[(alerts["session_date"] >= first) & (alerts["session_date"] <= last)]


def test_quiet_weeks_raise_no_alert(alerts: pd.DataFrame) -> None:
    assert len(between(alerts, date(2024, 1, 1), BEGIN)) == 0
    assert len(between(alerts, date(2024, 5, 12), date(2024, 5, 28))) == 0
    assert len(between(alerts, date(2024, 6, 15), UNTIL)) == 0


def test_mobile_checkout_bug_is_the_first_flaw_while_it_lasts(alerts: pd.DataFrame) -> None:
    while_it_lasts = between(alerts, BEGIN, END)
    first = while_it_lasts.iloc[0]
    assert steps(while_it_lasts)[0] == SHIPPING
    assert first["session_date"] <= date(2024, 4, 24)
    of_bug = while_it_lasts[[step == SHIPPING for step in steps(while_it_lasts)]]
    assert len(of_bug) >= 5
    assert all(abs((since - BEGIN).days) <= 5 for since in of_bug["since"])
    # On each day from the first alert on, it has the largest loss of the last 14 days.
    for offset in range((END - first["session_date"]).days + 1):
        day = first["session_date"] + timedelta(days=offset)
        shown = between(alerts, day - timedelta(days=13), day)
        largest = shown.sort_values("associated_lost", ascending=False)
        assert steps(largest)[0] == SHIPPING, day


def test_sentence_and_examples_of_the_mobile_checkout_bug(alerts: pd.DataFrame, shop: Deployment) -> None:
    row = alerts[alerts["session_date"] == date(2024, 5, 6)].iloc[0]
    assert row["sentence"].startswith(
        "Since 12 April, fewer visits with platform mobile at shipping_details go on to payment_details: 12 of 49 in"
        " the 28 days to 6 May; before it was 77 %, for"
    )
    actions = shop.table("session_actions")
    examples = row["example_session_ids"].split()
    assert len(examples) == 3
    for session_id in examples:
        found = set(actions[actions["session_id"] == session_id]["action"])
        assert "shipping_details" in found
        assert "payment_details" not in found


def test_another_incident_lowers_purchases_after_payment(alerts: pd.DataFrame) -> None:
    """From 18 May to 8 June, fewer of all sessions at payment buy, on every platform."""
    other = between(alerts, date(2024, 5, 28), UNTIL)
    assert set(steps(other)) == {PAYMENT}
    assert set(other["since"]) == {date(2024, 5, 18)}
    assert other["associated_lost"].max() > 40


def test_check_warns_about_the_latest_alerts(shop: Deployment) -> None:
    with open_run(shop.folder, run_id="test", until=UNTIL) as run:
        verdict = progress_alerts(run, [date(2024, 4, 26)])
        assert not verdict.holds
        assert verdict.problems == (
            "fewer visits with platform mobile at shipping_details go on to payment_details (site main)",
        )
        assert progress_alerts(run, [BEGIN]).holds
        assert progress_alerts(run, [UNTIL]).holds


@pytest.mark.nightly
def test_days_have_the_same_bytes_alone_and_in_a_stretch(shop: Deployment) -> None:
    with open_run(shop.folder, run_id="test", until=UNTIL) as run:
        for name in ("action_visits", "progress_changes", "outcome_changes"):
            for day in run.planner.frame.wanted[5::29]:
                assert run.recompute(STEP_OF_TABLE[name], day) == [], (name, day)
