"""Tests opportunities and next best actions: counts and figures against oracles, planted and permuted signals."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.reference.signals import COMPARISONS, SIGNALS
from session_pipeline.tables import statistics
from session_pipeline.tables.opportunities import findings, matched, steps, windows
from session_pipeline.tables.spans import days_back
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.moments import PARAMETERS, assert_rows_equal, compared, compared_seen, count_moments
from session_pipeline_tests.oracles import opportunity_rows as oracle
from session_pipeline_tests.oracles.opportunities import OF_A_VISIT, WAYS, Session
from session_pipeline_tests.oracles.strata import Stratum, mantel_haenszel

FIRST = date(2026, 10, 5)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]


# Figures against the oracle


def shopping(random: Random, number: int) -> Session:
    """Return a session in which an error at /pay makes a purchase less likely, and one at / does not."""
    actions = [(1, 1, "/"), (2, 2, "/pay")][random.random() < 0.2 :] + [(3, 3, "/")][: random.random() < 0.5]
    errors: dict[str, int] = {}
    for at, _, action in actions:
        if random.random() < 0.3:
            errors.setdefault(action, at)
    conversions = [4] if random.random() < (0.1 if "/pay" in errors else 0.5) else []
    return Session(
        session_id=f"s{number:05}",
        day=random.choice(DAYS),
        site=random.choice(("main", "main", "other")),
        device=random.choice(("mobile", "desktop")),
        is_bot=False,
        actions=actions,
        conversions=conversions,
        as_a_whole=False,
        values=[random.choice((None, Decimal(10), Decimal(20))) for _ in conversions],
        steps=[],
        signals=[(action, "error", at) for action, at in errors.items()],
    )


@pytest.fixture(scope="module")
def purchases(engine: DuckDBEngine) -> tuple[list[Session], list[dict[str, Any]]]:
    random = Random(5)
    sessions = [shopping(random, number) for number in range(2_000)]
    return sessions, count_moments(engine, sessions)[0]


def test_figures_equal_those_of_the_oracle(
    engine: DuckDBEngine, purchases: tuple[list[Session], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "WINDOWS", (1, 2, 4))
    monkeypatch.setattr(oracle, "WINDOWS", (1, 2, 4))
    sessions, counts = purchases
    expected = oracle.opportunity_rows(sessions, DAYS, PARAMETERS["most_moment_actions"])
    assert len(expected) > 30
    assert_rows_equal("opportunities", compared(engine, counts, DAYS), expected)


def test_days_built_together_have_the_rows_of_days_built_alone(
    engine: DuckDBEngine, purchases: tuple[list[Session], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "WINDOWS", (2, 3))
    counts = purchases[1]
    together = compared(engine, counts, DAYS)

    def read(day: date) -> list[dict[str, Any]]:
        return [row for row in counts if day - timedelta(days=3) < row["session_date"] <= day]

    assert [row for day in DAYS for row in compared(engine, read(day), [day])] == together
    assert compared(engine, Random(1).sample(counts, len(counts)), DAYS) == together
    monkeypatch.setattr(windows, "MOST_VALUES", 1)
    assert compared(engine, counts, DAYS) == together


# Days on which an action is not counted


CROWDED = DAYS[1::2]


def mobile_session(
    number: int,
    day: date,
    names: Sequence[str],
    conversions: list[int],
    *,
    is_of_funnel: bool,
    signals: list[tuple[str, str, int]],
) -> Session:
    """Return a session with these actions; its first one can be a step of a funnel."""
    return Session(
        session_id=f"s{number:05}",
        day=day,
        site="main",
        device="mobile",
        is_bot=False,
        actions=[(place, place, name) for place, name in enumerate(names, start=1)],
        conversions=conversions,
        as_a_whole=False,
        values=[None for _ in conversions],
        steps=[(1, "shop", 1)] if is_of_funnel else [],
        signals=signals,
    )


def crowded(random: Random, number: int) -> Session:
    """Return a session that was at the guide or the tour before the list, or at neither of them.

    On crowded days, other pages are more popular. The guide and the tour are then not among the actions that are
    counted. On two days, the tour is a step of a funnel for a few sessions.
    """
    day = random.choice(DAYS)
    has_left = random.random() < 0.3
    names = ["/guide" if has_left else "/tour", "/list"]
    if day in CROWDED and random.random() < 0.6:
        names, has_left = [*random.sample(("/xa", "/xb", "/xc", "/xd"), 4), "/list"], False
    conversions = [9] if random.random() < (0.2 if has_left else 0.5) else []
    is_of_funnel = names[0] == "/tour" and day in DAYS[3:5] and random.random() < 0.1
    signals = [("/guide", "u_turn", 2)] if has_left else []
    return mobile_session(number, day, names, conversions, is_of_funnel=is_of_funnel, signals=signals)


def test_a_day_that_does_not_count_an_action_is_left_out_for_its_signal(engine: DuckDBEngine) -> None:
    random = Random(7)
    sessions = [crowded(random, number) for number in range(3_000)]
    row = compared(engine, count_moments(engine, sessions)[0], DAYS[-1:])[0]
    assert (row["action"], row["signal"], row["window_days"]) == ("/guide", "u_turn", 28)
    at_list = [each for each in sessions if each.day not in CROWDED and not each.steps]
    assert row["with_count"] == sum(bool(each.signals) for each in at_list)
    assert row["without_count"] == sum(not each.signals for each in at_list)


def test_who_had_the_signal_earlier_in_the_session_is_not_without_it(engine: DuckDBEngine) -> None:
    """On the first day, no U-turn leads to the last action; on the second, each does."""
    cases = (
        (100, DAYS[0], ["/a", "/p", "/a", "/d"], [("/p", "u_turn", 3)], 0),
        (100, DAYS[0], ["/a", "/b", "/b", "/d"], [], 2),
        (40, DAYS[1], ["/b", "/d", "/p", "/d"], [("/p", "u_turn", 4)], 5),
    )
    sessions = [
        mobile_session(
            1000 * case + number,
            day,
            names,
            [9] if converts_one_in and number % converts_one_in == 0 else [],
            is_of_funnel=False,
            signals=signals,
        )
        for case, (count, day, names, signals, converts_one_in) in enumerate(cases)
        for number in range(count)
    ]
    row = compared(engine, count_moments(engine, sessions)[0], DAYS[1:2])[0]
    assert (row["action"], row["signal"], row["with_count"], row["without_count"]) == ("/p", "u_turn", 40, 100)
    assert (row["rate_with"], row["rate_without"]) == (0.2, 0.5)


def test_next_best_actions_equal_those_of_the_oracle(engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "WINDOWS", (1, 2, 4))
    monkeypatch.setattr(oracle, "WINDOWS", (1, 2, 4))
    random = Random(8)
    sessions = [crowded(random, number) for number in range(3_000)]
    expected = oracle.next_best_action_rows(sessions, DAYS, PARAMETERS["most_seen_actions"])
    assert len(expected) > 10
    assert_rows_equal("next_best_actions", compared_seen(engine, count_moments(engine, sessions)[1], DAYS), expected)


def test_an_action_that_was_a_milestone_in_the_window_is_not_offered(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "WINDOWS", (1, 3))
    random = Random(9)
    sessions = [replace(crowded(random, number), steps=[]) for number in range(3_000)]
    milestone = replace(sessions[0], session_id="m", day=DAYS[2], actions=[(1, 1, "/tour")], steps=[(1, "shop", 1)])
    found = compared_seen(engine, count_moments(engine, [*sessions, milestone])[1], DAYS)
    offered = {(row["session_date"], row["window_days"]) for row in found if row["seen_action"] == "/tour"}
    assert offered == {(DAYS[0], 1), (DAYS[0], 3), (DAYS[1], 3), (DAYS[4], 1), (DAYS[5], 3)}


def test_no_row_without_counts_or_days(engine: DuckDBEngine) -> None:
    assert compared(engine, [], DAYS) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_score_is_that_of_statsmodels(seed: int) -> None:
    from statsmodels.stats import contingency_tables  # takes seconds, which each worker of the tests would need

    random = Random(seed)
    strata = []
    for _ in range(6):
        n1, n0 = random.randrange(30, 90), random.randrange(30, 90)
        strata.append(Stratum(n1, random.randrange(5, 20), n0, random.randrange(5, 25)))
    tables = [np.array([[s.a, s.n1 - s.a], [s.c, s.n0 - s.c]]) for s in strata]
    test = contingency_tables.StratifiedTable(tables).test_null_odds(correction=False)
    score = mantel_haenszel(strata)["score"]
    assert score**2 == pytest.approx(test.statistic)
    assert matched.p_value(score) == pytest.approx(test.pvalue)


def test_ranks_are_by_group() -> None:
    assert matched.ranks(np.array([1, 0, 1, 0]), np.array([5.0, 2.0, 4.0, 3.0])).tolist() == [2, 1, 1, 2]


# Planted and permuted signals


def strata_counts(random: np.random.Generator, effect: float, signals: int) -> list[dict[str, Any]]:
    """Return moment_counts of a day with signals at random; the first one lowers conversion by a share."""
    rows = []
    for place in range(12):
        moment = {"session_date": FIRST, "site": "main", "action": f"/{place % 4}", "position_bucket": 1 + place // 4,
                  "stage": 0, "device": "mobile"}  # fmt: skip
        sessions = random.integers(200, 800)
        has_signal = random.random((signals, sessions)) < 0.2
        rate = random.uniform(0.05, 0.6) * np.where(has_signal[0], 1 - effect, 1)
        converted = random.random(sessions) < rate
        nothing = {"excluded_count": 0, "excluded_converted_count": 0}
        rows.append(
            {**moment, "signal": "", "signal_action": "", "session_count": int(sessions),
             "converted_count": int(converted.sum()), **nothing}
        )  # fmt: skip
        rows += [  # the actions of the signals are counted
            {**moment, "action": f"{place} {number}", "signal": "", "signal_action": "", "session_count": 1,
             "converted_count": 0, **nothing}
            for number in range(signals if place < 4 else 0)
        ]  # fmt: skip
        for number in range(signals):
            count, of_them = int(has_signal[number].sum()), int(converted[has_signal[number]].sum())
            rows.append(
                {**moment, "signal": "error", "signal_action": f"{place % 4} {number}", "session_count": count,
                 "converted_count": of_them, "excluded_count": count, "excluded_converted_count": of_them}
            )  # fmt: skip
    return rows


@pytest.mark.long
def test_signals_at_random_are_not_significant(engine: DuckDBEngine) -> None:
    scores, significant = [], 0
    for seed in range(20):
        found = compared(engine, strata_counts(np.random.default_rng(seed), 0, 5), [FIRST])
        of_window = [row for row in found if row["window_days"] == 28]
        scores += [row["score"] for row in of_window]
        significant += sum(row["is_significant"] for row in of_window)
    assert len(scores) >= 380
    assert significant == 0
    assert 0.02 < np.mean(np.abs(scores) > 1.96) < 0.08


def test_planted_signals_are_found_and_no_others(engine: DuckDBEngine) -> None:
    found = compared(engine, strata_counts(np.random.default_rng(1), 0.6, 4), [FIRST])
    first = [row for row in found if row["window_days"] == 28]
    assert {row["action"] for row in first if row["is_significant"]} == {f"{place} 0" for place in range(4)}
    assert [row["rank"] for row in first if row["is_significant"]] == [1, 2, 3, 4]


def browsing(random: Random, number: int) -> Session:
    """Return a session that leaves the list for the cart sooner or later, whether or not it repeats the list.

    Who has been at the cart comes back to the list without a repeat, and buys more often.
    """
    has_cart = random.random() < 0.4
    names = ["cart", "/", "/list"] if has_cart else ["/", "/list", "/list"]
    signals = [] if has_cart else [("/list", "repeat", 3)]
    conversions = [4] if random.random() < (0.5 if has_cart else 0.05) else []
    signals = signals if random.random() < 0.8 else []
    return mobile_session(number, FIRST, names, conversions, is_of_funnel=has_cart, signals=signals)


@pytest.mark.parametrize("with_stage", [True, False])
def test_browsing_is_significant_only_without_the_stage(engine: DuckDBEngine, with_stage: bool) -> None:
    random = Random(3)
    sessions = [browsing(random, number) for number in range(1_000)]
    if not with_stage:
        sessions = [replace(session, steps=[]) for session in sessions]
    found = compared(engine, count_moments(engine, sessions)[0], [FIRST])
    assert {row["signal"] for row in found if row["is_significant"]} == (set() if with_stage else {"repeat"})


def test_errors_at_shipping_are_the_first_opportunity_of_the_sample(sample_deployment: Deployment) -> None:
    found = sample_deployment.table("opportunities")
    last = found[(found.session_date == date(2026, 10, 11)) & (found.window_days == 28)].sort_values("rank")
    assert (last.iloc[0].action, last.iloc[0].signal) == ("/checkout/shipping", "error")
    assert last[last.is_significant].signal.tolist() == ["error"]
    sessions = sample_deployment.table("sessions").set_index("session_id")
    for session_id in last.iloc[0].example_session_ids.split(" "):
        assert not sessions.loc[session_id].is_bot


def test_next_best_actions_of_the_sample_are_not_significant(sample_deployment: Deployment) -> None:
    found = sample_deployment.table("next_best_actions")
    assert len(found) > 20
    assert not found.is_significant.any()
    assert not found.seen_action.isin(["add_to_cart", "begin_checkout", "purchase", "contact", "sign_up"]).any()


# Inputs


@pytest.mark.parametrize(
    ("lost", "low", "high", "text"),
    [
        (19.2, 10.6, 27.4, "about 19 fewer conversions (11 to 27)"),
        (-60.0, -71.1, -48.9, "about 60 more conversions (49 to 71)"),
        (1.3, -7.2, 9.4, "about 1 fewer conversion (7 more to 9 fewer)"),
        (-2.0, -6.0, 2.1, "about 2 more conversions (2 fewer to 6 more)"),
        (4.0, -0.3, 8.0, "about 4 fewer conversions (0 to 8)"),
        (-0.2, -5.6, 5.0, "about as many conversions as without it (6 more to 5 fewer)"),
        (0.4, 0.2, 0.6, "about as many conversions as without it (0 to 1 fewer)"),
        (-0.3, -0.5, -0.1, "about as many conversions as without it (a difference of less than 1)"),
    ],
)
def test_lost_conversions_in_words(lost: float, low: float, high: float, text: str) -> None:
    assert findings.lost_text(lost, low, high) == f"This goes with {text}."


@pytest.mark.parametrize(("action", "text"), [("/cart", "/cart"), ("click", "the event click")])
def test_an_event_in_a_sentence_is_called_an_event(action: str, text: str) -> None:
    assert findings.named(action) == text


def test_the_longest_window_is_the_span_of_the_inputs() -> None:
    assert max(findings.WINDOWS) == steps.LONGEST_WINDOW
    for name, counts in (("opportunities", "moment_counts"), ("next_best_actions", "seen_counts")):
        assert STEP_OF_TABLE[name].spans == {counts: days_back(steps.LONGEST_WINDOW)}


def test_each_signal_is_compared_or_left_out_on_purpose() -> None:
    left_out = {"dead_end", "abandoned_form", "long_dwell"}
    assert set(SIGNALS) - COMPARISONS.keys() == left_out, "the columns `signal` of opportunities name these, too"
    assert {name for name, comparison in COMPARISONS.items() if comparison.is_of_a_visit} == OF_A_VISIT
    assert {name for name, comparison in COMPARISONS.items() if not comparison.is_of_a_visit} == WAYS


def test_logic_version_stands_for_this_source() -> None:
    """If this fails, raise LOGIC_VERSION if rows can change, and write down the new hash."""
    folder = Path(findings.__file__).parent
    modules = [
        *(folder / f"{name}.py" for name in ("findings", "matched", "matched_sums", "windows")),
        Path(statistics.__file__),
    ]
    source = "".join("".join(path.read_text().split()) for path in modules)
    source += "".join(comparison.did for comparison in COMPARISONS.values())  # for sentences
    assert (steps.LOGIC_VERSION, hashlib.sha256(source.encode()).hexdigest()[:16]) == ("8", "b7de7295fe302aac")
