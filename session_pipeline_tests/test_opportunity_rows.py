"""Tests each column of opportunities and next_best_actions against the oracle, on generated sessions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pytest

from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.reference.signals import SIGNALS
from session_pipeline.tables import parameters
from session_pipeline.tables.opportunities import findings
from session_pipeline.tables.opportunities.matched import estimates
from session_pipeline.tables.opportunities.matched_sums import FIXED_POINT, Sums
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.moments import PARAMETERS, assert_rows_equal, compared, compared_seen, count_moments
from session_pipeline_tests.oracles import opportunity_rows as oracle
from session_pipeline_tests.oracles.opportunities import Session

FIRST = date(2026, 10, 5)
# Days with sessions: both windows have days that they just include and days that they just leave out.
DAYS = [FIRST + timedelta(days=number) for number in (0, 1, 27, 28, 56, 83, 84)]
BUILT = [*DAYS, FIRST + timedelta(days=2), FIRST + timedelta(days=111)]  # two days have no sessions
ACTIONS = ("/", "/a", "/b", "/c", "open", "click")
VALUES = (None, Decimal(0), Decimal(10), Decimal("12.34"), Decimal("0.004"), Decimal(-5), Decimal("1234567.891"))
COPIES = (1, 2, 5, 10, 14, 15, 16, 29, 30, 31, 45, 60)


def generated_sessions(seed: int) -> list[Session]:
    """Return sessions of several kinds: equal actions, as often as a border needs. Kinds differ in few actions."""
    random = Random(seed)
    values = random.choice((VALUES, (None,), (Decimal(0), None), (Decimal(20),), VALUES[:4]))
    days = random.choice((DAYS, DAYS[:1], DAYS[2:4]))
    sites = random.choice((("main",), ("main", "main", "other")))
    devices = random.choice((("mobile",), ("mobile",), ("mobile", "mobile", "desktop", None)))
    signals = random.choice((SIGNALS, ("error", "u_turn"), tuple(oracle.PHRASES)))
    length, share_of_steps = random.choice((2, 3, 4, 4, 15)), random.choice((0, 0, 0.02, 0.1))
    path = [random.choice(ACTIONS) for _ in range(length)]
    rate, after_all = random.choice((0.3, 0.6, 0.9)), random.choice((1, 1, 0.9, 0.7))
    sessions: list[Session] = []
    for _ in range(random.choice((10, 30, 60))):
        kind = _kind(random, path, share_of_steps, signals)
        day, site, device = random.choice(days), random.choice(sites), random.choice(devices)
        copies, is_bot = random.choice(COPIES), random.random() < 0.05
        share = random.choice((0.0, 1.0, rate, rate, rate, random.random()))
        last = kind["actions"][-1][1]
        conversions = [last + 1] if random.random() < after_all else sorted(random.sample(range(2, 2 * last + 3), 2))
        as_a_whole = random.random() < 0.1
        for _ in range(copies):
            converts = random.random() < share
            matches = conversions if converts and not as_a_whole else []
            sessions.append(
                Session(
                    session_id=f"{random.randrange(10**9):09}-{len(sessions)}",
                    day=day if random.random() < 0.8 else random.choice(days),
                    site=site,
                    device=device if random.random() < 0.95 else random.choice(devices),
                    is_bot=is_bot,
                    conversions=matches,
                    as_a_whole=converts and as_a_whole,
                    values=[random.choice(values) for _ in matches],
                    **kind,
                )
            )
    return sessions + _twins(sessions) if random.random() < 0.3 else sessions


def _kind(random: Random, path: Sequence[str], share_of_steps: float, signals: Sequence[str]) -> dict[str, Any]:
    """Return what the sessions of a kind have in common: actions, steps, signals, and matches of other outcomes."""
    at, actions = 0, []
    for number, action in enumerate(path, start=1):
        at += 1 if random.random() < 0.9 else 2
        actions.append((number, at, action if random.random() < 0.7 else random.choice(ACTIONS)))
    steps = [(at, "shop", 2) for _, at, action in actions if action == "open" and random.random() < 5 * share_of_steps]
    steps += [(at, "visit", random.choice((1, 3, -1))) for _, at, _ in actions if random.random() < share_of_steps]
    found = {
        (random.choice(actions)[2], random.choice(signals)): random.choice(actions)[0]
        for _ in range(random.choice((0, 0, 1, 2, 6)))
    }
    return {
        "actions": actions,
        "steps": sorted(steps),
        "signals": [(action, signal, at) for (action, signal), at in found.items()],
        "other_matches": [
            (at, random.choice(("abandoned_cart", "contact")), Decimal(7))
            for _, at, _ in actions
            if random.random() < 0.05
        ],
    }


def _twins(sessions: Sequence[Session]) -> list[Session]:
    """Return copies of sessions with other names of actions. Their figures are equal, so they tie in ranks."""
    return [
        replace(
            session,
            session_id=session.session_id + "-twin",
            actions=[(number, at, action + "2") for number, at, action in session.actions],
            signals=[(action + "2", signal, at) for action, signal, at in session.signals],
        )
        for session in sessions
    ]


def compare_with_oracle(engine: DuckDBEngine, seed: int, most: int) -> tuple[list[Any], list[Any]]:
    """Compare both tables of generated sessions with the oracle; returns the rows of the oracle."""
    sessions = generated_sessions(seed)
    limits = {**PARAMETERS, "most_moment_actions": most, "most_seen_actions": most}
    moments, seen = count_moments(engine, sessions, limits)
    days = sorted(BUILT)
    expected = oracle.opportunity_rows(sessions, days, most), oracle.next_best_action_rows(sessions, days, most)
    assert_rows_equal("opportunities", compared(engine, moments, days), expected[0])
    assert_rows_equal("next_best_actions", compared_seen(engine, seen, days), expected[1])
    return expected


# Borders


def test_limits_are_those_of_the_definitions() -> None:
    names = ("WINDOWS", "LEAST_EXPECTED", "MOST_ROWS", "MOST_EXAMPLES")
    assert [getattr(findings, name) for name in names] == [getattr(oracle, name) for name in names]
    assert (parameters.MOST_MOMENT_ACTIONS, parameters.MOST_SEEN_ACTIONS) == (200, 50)
    assert parameters.LEAST_COMPARED_SESSIONS == PARAMETERS["least_compared_sessions"] == oracle.LEAST_SESSIONS


@pytest.mark.parametrize(
    ("score", "sign", "can_be_chance", "is_significant"),
    [
        (2.5, 1, False, True),
        (2.4999, 1, True, False),
        (-2.5, 1, False, False),
        (-2.5, -1, False, True),
        (-2.4999, -1, True, False),
        (2.5, -1, False, False),
    ],
)
def test_score_of_two_and_a_half_is_enough(score: float, sign: int, can_be_chance: bool, is_significant: bool) -> None:
    found = estimates(sums_of(expected=20 - score, variance=1.0), np.array([0]), sign, 1.96)
    assert found.score.tolist() == pytest.approx([score], abs=1e-8)
    assert (found.can_be_chance.tolist(), found.is_significant.tolist()) == ([can_be_chance], [is_significant])


def test_interval_is_cut_at_one_and_minus_one() -> None:
    found = estimates(sums_of(sato=1e6), np.array([0]), 1, 1.96)
    assert (found.low.tolist(), found.high.tolist()) == ([-1.0], [1.0])


def sums_of(**given: float) -> Sums:
    """Return the sums of one comparison of 60 sessions, in which 20 of 30 converted on each side."""
    numbers = {"factor": 0, "day": 0, "window": 28, "with_count": 30, "with_converted": 20, "without_count": 30,
               "without_converted": 20, "converted": 40, "cents": 0, "values": 0}  # fmt: skip
    fractions = {"rate_with": 10, "rate_without": 10, "weight": 15, "expected": 20, "variance": 3.4,
                 "sato_of_difference": 0, "sato": 6.7, **given}  # fmt: skip
    fixed = {name: round(value * FIXED_POINT) for name, value in fractions.items()}
    return Sums(**{name: np.array([value]) for name, value in {**numbers, **fixed}.items()})


def test_interval_has_no_width_if_rounding_makes_the_variance_negative() -> None:
    found = estimates(sums_of(sato=-1e-9), np.array([0]), 1, 1.96)
    assert (found.low.tolist(), found.high.tolist()) == ([0.0], [0.0])


def sessions_of(
    count: int, converted: int, *names: str, signals: Sequence[tuple[str, str, int]] = (), value: Decimal | None = None
) -> list[Session]:
    """Return sessions with these actions, some of which convert after the last one."""
    return [
        Session(
            session_id=f"{'>'.join(names)}-{len(signals)}-{number:03}",
            day=FIRST,
            site="main",
            device=None,
            is_bot=False,
            actions=[(place, place, name) for place, name in enumerate(names, start=1)],
            conversions=[len(names) + 1] if number < converted else [],
            as_a_whole=False,
            values=[value] if number < converted else [],
            steps=[],
            signals=signals,
        )
        for number in range(count)
    ]


def errors_at_home(engine: DuckDBEngine, with_it: Sequence[int], without_it: Sequence[int], value: Any = None) -> Any:
    """Return the first row about sessions at /: of each side, the sessions and those that convert."""
    sessions = sessions_of(*with_it, "/", signals=[("/", "error", 1)], value=value)
    sessions += sessions_of(*without_it, "/", value=value)
    return next(iter(compared(engine, count_moments(engine, sessions)[0], [FIRST])), None)


@pytest.mark.parametrize(
    ("value", "lost"), [(None, None), (Decimal(0), 0.0), (Decimal(30), 360.0), (Decimal(-30), -360.0)]
)
def test_lost_value_is_null_only_if_no_conversion_has_a_value(
    engine: DuckDBEngine, value: Decimal | None, lost: float | None
) -> None:
    row = errors_at_home(engine, (48, 12), (48, 24), value)
    assert (row["associated_lost_conversions"], row["associated_lost_value"]) == (12.0, lost)


@pytest.mark.parametrize(
    ("with_it", "without_it", "has_row"),
    [
        ((30, 15), (30, 15), True),
        ((29, 15), (30, 15), False),
        ((30, 15), (29, 15), False),
        ((30, 5), (60, 10), True),  # 5 expected conversions
        ((30, 14), (60, 0), False),
        ((30, 15), (60, 0), True),
        ((30, 30), (60, 60), False),
        ((30, 29), (60, 60), True),
    ],
)
def test_enough_sessions(
    engine: DuckDBEngine, with_it: tuple[int, int], without_it: tuple[int, int], has_row: bool
) -> None:
    assert (errors_at_home(engine, with_it, without_it) is not None) == has_row


@pytest.mark.parametrize(
    ("converted", "others", "is_intention"),
    [
        ((24, 48), (24, 48), False),
        ((25, 48), (24, 48), True),
        ((102, 200), (100, 200), True),
        ((101, 200), (100, 200), False),
    ],
)
def test_sentence_says_that_intentions_differ_only_if_it_says_that_more_converted(
    engine: DuckDBEngine, converted: tuple[int, int], others: tuple[int, int], is_intention: bool
) -> None:
    (converted_count, count), (others_converted_count, others_count) = converted, others
    sessions = sessions_of(count, converted_count, "/a", "/b")
    sessions += sessions_of(others_count, others_converted_count, "/c", "/b")
    rows = compared_seen(engine, count_moments(engine, sessions)[1], [FIRST])
    row = next(row for row in rows if row["seen_action"] == "/a")
    assert ("more often" in row["sentence"]) == is_intention
    assert ("They may have meant to convert anyway." in row["sentence"]) == is_intention
    assert "This can be chance." in row["sentence"]


@pytest.mark.parametrize(("count", "has_row"), [(30, True), (29, False)])
def test_thirty_sessions_that_had_seen_an_action_are_enough(engine: DuckDBEngine, count: int, has_row: bool) -> None:
    sessions = sessions_of(count, 20, "/a", "/b") + sessions_of(60, 20, "/c", "/b")
    rows = compared_seen(engine, count_moments(engine, sessions)[1], [FIRST])
    assert ("/a" in {row["seen_action"] for row in rows}) == has_row


def test_each_moment_of_a_day_gives_one_example(engine: DuckDBEngine) -> None:
    """Two stages of one action are two moments."""
    error = [("/b", "error", 2)]
    early = sessions_of(40, 10, "/a", "/b", signals=error) + sessions_of(40, 20, "/a", "/b")
    late = [
        replace(each, session_id=each.session_id.replace("/a", "/x"), steps=[(1, "shop", 1)])
        for each in sessions_of(40, 10, "/a", "/b", signals=error) + sessions_of(40, 20, "/a", "/b")
    ]
    row = compared(engine, count_moments(engine, early + late)[0], [FIRST])[0]
    examples = [
        min(each.session_id for each in half if each.signals and not each.conversions) for half in (early, late)
    ]
    assert row["example_session_ids"] == " ".join(examples)


# Generated sessions


# These have rows of each kind, such as 20 rows of a site, 30 sessions on one side, a lift that is null.
SEEDS = (1, 5, 24, 28, 48, 103)
SLOW = (5, 103)


@pytest.mark.parametrize(
    "seed",
    [
        *(pytest.param(seed, marks=pytest.mark.long if seed in SLOW else []) for seed in SEEDS),
        *(
            pytest.param(seed, marks=pytest.mark.nightly if seed % 10 else pytest.mark.long)
            for seed in sorted({*range(300)} - {*SEEDS})
        ),
    ],
)
def test_rows_equal_those_of_the_oracle(engine: DuckDBEngine, seed: int) -> None:
    compare_with_oracle(engine, seed, Random(seed).choice((3, 6, 20)))


# The sample


def sessions_of_store(deployment: Deployment) -> list[Session]:
    """Return all sessions of a store, from the tables of sessions, actions, outcomes, funnels and friction."""

    def by_session(name: str, *columns: str) -> dict[str, list[Any]]:
        found = defaultdict(list)
        frame = deployment.table(name)
        for session_id, *values in zip(*(frame[column].tolist() for column in ("session_id", *columns)), strict=True):
            found[session_id].append(tuple(values))
        return found

    actions = by_session("session_actions", "action_number", "event_number", "action")
    outcomes = by_session("session_outcomes", "outcome", "is_converted")
    matches = by_session("outcome_matches", "event_number", "rule", "value")
    steps = by_session("funnel_matches", "event_number", "funnel", "step_number")
    signals = by_session("session_friction", "action", "signal", "first_action_number")
    sessions = []
    for session_id, found in by_session("sessions", "session_date", "site", "device", "is_bot").items():
        [(day, site, device, is_bot)], [(outcome, is_converted)] = found, outcomes[session_id]
        deciding = sorted(
            ((at, value) for at, rule, value in matches[session_id] if rule == outcome and is_converted),
            key=lambda match: match[0],
        )
        sessions.append(
            Session(
                session_id=session_id,
                day=day,
                site=site,
                device=device,
                is_bot=is_bot,
                actions=sorted(actions[session_id]),
                conversions=[at for at, _ in deciding],
                as_a_whole=is_converted and not deciding,
                values=[value for _, value in deciding],
                steps=steps[session_id],
                signals=signals[session_id],
                other_matches=[match for match in matches[session_id] if match[1] != outcome],
            )
        )
    return sessions


@pytest.mark.long
def test_rows_of_the_sample_equal_those_of_the_oracle(sample_deployment: Deployment) -> None:
    sessions = sessions_of_store(sample_deployment)
    days = sorted({session.day for session in sessions} | {date(2026, 10, 12)})  # the last day has no sessions
    expected = {
        "opportunities": oracle.opportunity_rows(sessions, days, 200),
        "next_best_actions": oracle.next_best_action_rows(sessions, days, 50),
    }
    for name, rows in expected.items():
        assert len(rows) > 10
        assert_rows_equal(name, sample_deployment.records(name), rows)
