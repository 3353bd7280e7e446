"""Tests that progress_changes finds planted faults, each as one alert, and no loss where nothing was lost."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from session_pipeline_tests.oracles import progress as oracle
from session_pipeline_tests.oracles.progress import GOAL, Session
from session_pipeline_tests.test_progress_changes import SHIP, Row, changes, day, rows_of, shop, step_of

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))]


def test_quiet_days_raise_no_alert() -> None:
    found = changes(rows_of(shop(120, seed=7), range(60, 120, 3)))
    assert {row["window_days"] for row in found} == {1, 7, 14, 28}
    assert not any(row["is_alert"] or row["explained_by"] for row in found)


@pytest.mark.parametrize(("where", "value"), [("m", ("device", "m")), ("md", ("all", "all"))])
def test_a_fault_is_one_alert_at_its_step_and_segment(where: str, value: tuple[str, str]) -> None:
    found = changes(rows_of(shop(100, drop_from=86, drop_in=where), [99]))
    alerts = [row for row in found if row["is_alert"]]
    assert [step_of(row) for row in alerts] == [(*value, "ship", "pay")]
    assert abs((alerts[0]["since"] - day(86)).days) <= 2
    assert sum(row["explained_by"] == f"{value[0]}={value[1]}: ship > pay" for row in found) > 3
    assert alerts[0]["rank"] == 1
    assert alerts[0]["example_session_ids"] == f"{day(99)} 2 3"
    # 60 a day, .6 and .8 of them at ship; a drop by 60 % of .8; .8 of those buy: the loss of the true rates.
    share = len(where) / 2
    true_loss = alerts[0]["window_days"] * 60 * share * 0.6 * 0.8 * 0.8 * 0.6 * 0.8
    assert alerts[0]["associated_lost"] == pytest.approx(true_loss, rel=0.25)
    assert alerts[0]["associated_lost_value"] == pytest.approx(20 * alerts[0]["associated_lost"], abs=0.02)


def test_examples_of_an_alert_are_of_the_days_of_its_change() -> None:
    """One session a day stopped at ship. From the third day of the fault on, none does: they see an error there."""
    rows = rows_of(shop(100, drop_from=95, drop_in="m"), [99])
    for row in rows:
        is_example = row["stopped_session_ids"] and row["session_date"] < day(97)
        row["stopped_session_ids"] = str(row["session_date"]) if is_example else None
    [alert] = [row for row in changes(rows) if row["is_alert"]]
    assert (step_of(alert), alert["window_days"], alert["since"]) == (SHIP, 7, day(95))
    assert alert["example_session_ids"] == f"{day(96)} {day(95)}"


def test_two_faults_are_two_alerts() -> None:
    sessions = shop(100, drop_from=86, drop_in="m")
    other = {id(one) for one in sessions if one.day >= day(86) and Random(one.session_id).random() < 0.5}
    without_cart = [
        Session(one.day, one.session_id, one.actions[:1], None, one.segments)
        if id(one) in other and one.segments == [("device", "d")]
        else one
        for one in sessions
    ]
    found = changes(rows_of(without_cart, [99]))
    assert {step_of(row) for row in found if row["is_alert"]} == {
        ("device", "m", "ship", "pay"),
        ("device", "d", "home", "cart"),
    }


def visits_of_a_form(offset: int, *, is_faulty: bool) -> list[Session]:
    """Return 20 sessions of a day at a form that most of them send; two of them were at ship before."""
    return [
        Session(
            day(offset),
            f"{offset:03}-f{number:02}",
            list(enumerate(("ship", "form") if number % 10 == 9 else ("form",), start=1)),
            None if is_faulty or number < 9 else 3,
            [("device", "md"[number % 2])],
        )
        for number in range(20)
    ]


@pytest.fixture
def faulty_forms() -> list[Session]:
    return [one for offset in range(100) for one in visits_of_a_form(offset, is_faulty=offset == 99)]


def test_an_alert_does_not_explain_drops_that_it_hardly_accounts_for(faulty_forms: list[Session]) -> None:
    found = changes(rows_of([*shop(100, drop_from=93, drop_in="m", drop=0.2), *faulty_forms], [99]))
    assert [step_of(row) for row in found if row["is_alert"]] == [("all", "all", "form", GOAL)]
    assert [row["explained_by"] for row in found if step_of(row) == SHIP and row["score"] < -2.5] == [None]
    assert {row["action"] for row in found if row["explained_by"]} == {"form"}


def test_an_alert_does_not_hide_a_fault_that_it_hardly_accounts_for(faulty_forms: list[Session]) -> None:
    found = changes(rows_of([*shop(100, drop_from=93, drop_in="m", drop=0.3), *faulty_forms], [99]))
    assert {step_of(row) for row in found if row["is_alert"]} == {("all", "all", "form", GOAL), SHIP}


def fixed_shop(drop_from: int, fixed_on: int) -> list[Session]:
    """Return the sessions of 100 days, with a fault in some of them."""
    faulty, healthy = shop(100, drop_from=drop_from, drop_in="m"), shop(100)
    return [one for one in faulty if one.day < day(fixed_on)] + [one for one in healthy if one.day >= day(fixed_on)]


def test_the_end_of_a_fault_raises_no_alert() -> None:
    assert not any(row["is_alert"] for row in changes(rows_of(fixed_shop(50, 86), [99])) if row["window_days"] < 28)


def test_a_fault_that_is_over_is_no_alert_and_has_its_days() -> None:
    found = changes(rows_of(fixed_shop(86, 92), [91, 99]))
    before, after = (
        [row for row in found if row["session_date"] == on and row["since"] is not None] for on in (day(91), day(99))
    )
    assert [(step_of(row), row["is_alert"], row["over_since"]) for row in before] == [(SHIP, True, None)]
    assert [(step_of(row), row["is_alert"]) for row in after] == [(SHIP, False)]
    assert abs((after[0]["since"] - day(86)).days) <= 1
    assert abs((after[0]["over_since"] - day(92)).days) <= 1
    assert after[0]["example_session_ids"] == f"{after[0]['over_since'] - timedelta(days=1)} 2 3"
    assert after[0]["sentence"] == (
        "From 28 March to 2 April, fewer visits with device m at ship went on to pay: 34 %; before it was 81 %, and"
        " since 3 April it is 86 %. In the 14 days to 10 April, about 34 conversions are missing, worth about 680."
    )
    assert any(row["explained_by"] == "device=m: ship > pay" for row in found if row["session_date"] == day(99))


def test_a_fault_that_returns_is_an_alert_again() -> None:
    faulty = shop(100, drop_from=86, drop_in="m", drop=0.9)
    sessions = [one for one in fixed_shop(86, 92) if one.day < day(98)] + [one for one in faulty if one.day >= day(98)]
    found = changes(rows_of(sessions, [97, 99]))
    assert not any(row["is_alert"] for row in found if row["session_date"] == day(97))
    assert SHIP in {step_of(row) for row in found if row["is_alert"]}


def days_of_cart(is_faulty: Callable[[int], bool], *, asked_for: Iterable[int]) -> list[Row]:
    """Return the rows with a date of a fault of 100 days: 100 visits a day at the cart, of which usually 80 convert."""
    counts = {
        day(offset): {(oracle.WHOLE, "cart", GOAL): (100, k, 0), (oracle.WHOLE, GOAL, GOAL): (k, k, 0)}
        for offset in range(100)
        for k in [40 if is_faulty(offset) else 80]
    }
    found = changes(oracle.rows_of_counts(counts, {day(offset) for offset in asked_for}))
    return [row for row in found if row["since"]]


def test_a_fault_of_weekends_lasts_on_wednesdays_from_its_second_weekend_on() -> None:
    """It begins on day 79, a Saturday. Days 83, 90 and 97 are Wednesdays."""
    found = days_of_cart(lambda offset: offset >= 79 and day(offset).weekday() > 4, asked_for=(83, 90, 97))
    assert [(row["session_date"], row["is_alert"], row["since"], row["over_since"]) for row in found] == [
        (day(83), False, day(79), day(81)),
        (day(90), True, day(79), None),
        (day(97), True, day(79), None),
    ]


def test_a_fault_that_returns_after_a_week_has_the_day_of_its_return() -> None:
    [row] = days_of_cart(lambda offset: 70 <= offset < 82 or offset >= 94, asked_for=[99])
    assert (row["is_alert"], row["since"]) == (True, day(94))


# Drops without a loss


def without_action(sessions: Iterable[Session], action: str, since: int) -> list[Session]:
    """Return the sessions as if an event was no longer sent: what visitors do does not change."""
    return [
        replace(one, actions=[each for each in one.actions if one.day < day(since) or each[1] != action])
        for one in sessions
    ]


def visits_of_a_campaign(since: int, until: int) -> list[Session]:
    """Return as many sessions a day again that hardly ever do anything."""
    return [
        Session(day(offset), f"{offset:03}-c{number:02}", [(1, "home")], None, [("device", "m"), ("channel", "ads")])
        for offset in range(since, until)
        for number in range(60)
    ]


def without_steps_after_home(sessions: Iterable[Session], since: int) -> list[Session]:
    """Return the sessions as if most buttons of the cart no longer worked from a day on."""
    return [
        replace(one, actions=one.actions[:1], converted_at=None)
        if one.day >= day(since) and Random(one.session_id).random() < 0.7
        else one
        for one in sessions
    ]


def in_a_channel(one: Session) -> Session:
    channel = "search" if one.session_id.endswith(("1", "4", "7")) else "direct"
    return replace(one, segments=[*one.segments, ("channel", channel)])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("action", ["cart", "ship"])
def test_an_event_that_is_no_longer_sent_is_no_loss(action: str, seed: int) -> None:
    found = changes(rows_of(without_action(shop(100, seed=seed), action, since=86), range(88, 100, 3)))
    assert min(row["score"] for row in found) < -10
    assert not any(row["is_alert"] or row["explained_by"] for row in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_visits_that_do_not_buy_are_no_loss(seed: int) -> None:
    usual = map(in_a_channel, shop(100, seed=seed))
    found = changes(rows_of([*usual, *visits_of_a_campaign(86, 100)], range(88, 100, 3)))
    assert min(row["score"] for row in found) < -5
    assert not any(row["is_alert"] or row["explained_by"] for row in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_during_a_campaign_that_does_not_buy_is_one_alert(seed: int) -> None:
    """Fewer visits at home go on to the cart, but as many as before; the conversions are missing after ship."""
    usual = map(in_a_channel, shop(100, drop_from=92, drop=0.8, seed=seed))
    found = changes(rows_of([*usual, *visits_of_a_campaign(86, 100)], [96, 99]))
    assert min(row["score"] for row in found if step_of(row)[2:] == ("home", "cart")) < -5
    assert [step_of(row) for row in found if row["is_alert"]] == [("all", "all", "ship", "pay")] * 2


def test_a_fault_of_the_step_that_a_campaign_dilutes_is_an_alert() -> None:
    broken = without_steps_after_home(map(in_a_channel, shop(100)), since=92)
    found = changes(rows_of([*broken, *visits_of_a_campaign(86, 100)], [99]))
    assert ("all", "all", "home", "cart") in {step_of(row) for row in found if row["is_alert"]}


def test_a_fault_while_visits_grow_everywhere_is_an_alert() -> None:
    more = [
        replace(one, session_id=f"{one.session_id}-b")
        for one in shop(100, drop_from=86, drop_in="m", seed=2)
        if one.day >= day(86)
    ]
    found = changes(rows_of([*shop(100, drop_from=86, drop_in="m"), *more], [99]))
    assert [step_of(row) for row in found if row["is_alert"]] == [("device", "m", "ship", "pay")]


def test_a_fault_is_named_while_an_event_is_no_longer_sent() -> None:
    found = changes(rows_of(without_action(shop(100, drop_from=86, drop_in="m"), "cart", since=86), [99]))
    assert [step_of(row) for row in found if row["is_alert"]] == [("device", "m", "ship", "pay")]


def test_others_are_counted_on_the_days_that_have_the_dimension() -> None:
    sessions = [
        one if one.day >= day(35) else Session(one.day, one.session_id, one.actions[:3], None)
        for one in shop(75, drop_from=68, drop_in="m", drop=0.9)
    ]
    row = next(
        row
        for row in changes(rows_of(sessions, [74]))
        if (row["window_days"], *step_of(row)) == (7, "device", "m", "ship", "pay")
    )

    def others_at(action: str, first: int, last: int) -> int:
        days = {day(offset) for offset in range(first, last + 1)}
        others = [one for one in sessions if one.day in days and one.segments == [("device", "d")]]
        return sum(action in [name for _, name in one.actions] for one in others)

    assert row["others_session_count"] == others_at("ship", 68, 74)
    assert row["others_rate"] == pytest.approx(others_at("pay", 68, 74) / others_at("ship", 68, 74))
    assert row["others_usual_rate"] == pytest.approx(others_at("pay", 35, 67) / others_at("ship", 35, 67))
