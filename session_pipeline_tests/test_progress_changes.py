"""Tests the rows of progress_changes against the oracle, by days and sites. test_planted_faults.py has the alerts."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from session_pipeline.reference import changes as limits
from session_pipeline.tables import statistics
from session_pipeline.tables.changes import steps
from session_pipeline.tables.changes.found_progress import progress_changes
from session_pipeline_tests.oracles import progress as oracle
from session_pipeline_tests.oracles.progress import GOAL, Session

Row = dict[str, Any]
Window = tuple[date, int]  # its last day and its number of days
StepKey = tuple[str, str, str, str]  # as step_of returns it

FIRST = date(2026, 1, 1)
SHIP: StepKey = ("device", "m", "ship", "pay")


def day(offset: int) -> date:
    return FIRST + timedelta(days=offset)


def shop(
    day_count: int, *, drop_from: int = 999, drop_in: str = "md", drop: float = 0.6, seed: int = 1
) -> list[Session]:
    """Return 60 sessions a day: home > cart > ship > pay > buy. A fault lowers ship > pay in some segments."""
    random = Random(seed)
    sessions = []
    for offset in range(day_count):
        for number in range(60):
            device = "md"[number % 2]
            actions = ["home"]
            for action, share in (("cart", 0.6), ("ship", 0.8), ("pay", 0.8), ("buy", 0.8)):
                is_faulty = action == "pay" and offset >= drop_from and device in drop_in
                if random.random() >= share * (1 - drop * is_faulty):
                    break
                actions.append(action)
            converted_at = actions.index("buy") + 1 if "buy" in actions else None
            sessions.append(
                Session(
                    day(offset),
                    f"{offset:03}-{number:02}",
                    list(enumerate(actions, start=1)),
                    converted_at,
                    [("device", device)],
                )
            )
    return sessions


def rows_of(sessions: Sequence[Session], asked_for: Iterable[int], site: str = "main") -> list[Row]:
    """Return the rows of progress_counts for sessions of a site."""
    return oracle.rows_of_counts(oracle.daily_counts(sessions), {day(offset) for offset in asked_for}, site)


def changes(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = progress_changes(pa.Table.from_pylist(list(rows), schema=oracle.ROWS)).to_pylist()
    return found


def step_of(row: Row) -> StepKey:
    return row["dimension"], row["dimension_value"], row["action"], row["next_action"]


@pytest.mark.parametrize("rate", [0.79, 0.75, 0.721, 0.719, 0.5])
def test_a_rate_up_to_the_detectable_rate_has_the_score_and_the_size_of_an_alert(rate: float) -> None:
    step = (oracle.WHOLE, "cart", GOAL)
    counts = {
        day(offset): {step: (1000, converted, 0)}
        for offset in range(63)
        for converted in [round(1000 * rate) if offset >= 56 else 800]
    }
    row = next(row for row in changes(oracle.rows_of_counts(counts, {day(62)})) if row["window_days"] == 7)
    is_large = row["score"] <= -4 and row["progress_rate"] <= 0.9 * row["usual_rate"]
    assert (row["score"] <= -4, is_large) == (rate < 0.79, rate < 0.72)
    assert is_large == (row["progress_rate"] <= row["detectable_rate"])


# Scores against the oracle


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2, 3))])
def test_rows_have_the_scores_of_the_oracle(seed: int) -> None:
    sessions = shop(70, drop_from=60, drop_in="m", drop=0.4, seed=seed)
    sessions = [one for one in sessions if one.day != day(44) and Random(f"{seed} {one.session_id}").random() < 0.5]
    counts = oracle.daily_counts(sessions)
    expected: dict[Window, dict[StepKey, oracle.Tested]] = defaultdict(dict)
    for on in {day(offset) for offset in range(30, 70)} & counts.keys():
        for each in oracle.tested_steps(counts, on, oracle.daily_of(counts)):
            (dimension, value), action, later = each.step
            expected[on, each.window_days][dimension, value, action, later] = each
    found: dict[Window, dict[StepKey, Row]] = defaultdict(dict)
    for row in changes(rows_of(sessions, range(30, 70))):
        found[row["session_date"], row["window_days"]][step_of(row)] = row
    assert found
    assert found.keys() == expected.keys()
    for window, tested in expected.items():
        compare_window(found[window], tested)


def compare_window(rows: Mapping[StepKey, Row], tested: Mapping[StepKey, oracle.Tested]) -> None:
    """Compare the rows of a window: steps with a large score, and one with the lowest score, any one if it is tied."""
    large = {step for step, each in tested.items() if abs(each.score) >= 2.5}
    least = min(each.score for each in tested.values())
    lowest = {step for step, each in tested.items() if each.score == least}
    assert rows.keys() == large | (lowest & rows.keys())
    assert lowest <= large or len(lowest & rows.keys()) == 1
    for step, row in rows.items():
        for name in ("session_count", "progressed_count", "usual_session_count", "usual_progressed_count"):
            assert row[name] == getattr(tested[step], name), (step, name)
        for name in ("step_value", "spread", "score", "q_value"):
            assert row[name] == pytest.approx(getattr(tested[step], name), abs=2e-6), (step, name)
        assert row["tested_count"] == len(tested)


@pytest.mark.parametrize(("others", "is_tested"), [(0, True), (1000, False)])
def test_a_step_is_tested_if_enough_of_all_conversions_depend_on_it(others: int, is_tested: bool) -> None:
    """A session that converts before its first action has a conversion, but none after an action."""
    sessions = shop(60) + [
        Session(day(offset), f"{offset:03}-b{number:03}", [(2, "thanks")], 1.0)
        for offset in range(32, 60)
        for number in range(others)
    ]
    counts = oracle.daily_counts(sessions)
    tested = oracle.tested_steps(counts, day(59), oracle.daily_of(counts))
    assert any(each.window_days == 28 for each in tested) == is_tested
    assert any(row["window_days"] == 28 for row in changes(rows_of(sessions, [59]))) == is_tested


@pytest.mark.parametrize(("days_before", "is_tested"), [(6, False), (7, True)])
def test_a_step_is_tested_if_a_week_before_has_visits_at_it(days_before: int, is_tested: bool) -> None:
    """Fewer visits at a new page convert in the 7 days after its first days."""
    old, new = (oracle.WHOLE, "home", GOAL), (oracle.WHOLE, "sale", GOAL)
    counts = {
        day(offset): {old: (100, 80, 0)} | ({new: (100, 20 if offset >= 56 else 40, 0)} if offset >= first else {})
        for first in [56 - days_before]
        for offset in range(63)
    }
    tested = oracle.tested_steps(counts, day(62), oracle.daily_of(counts))
    assert ((7, new) in {(each.window_days, each.step) for each in tested}) == is_tested
    found = {(row["window_days"], row["action"]): row for row in changes(oracle.rows_of_counts(counts, {day(62)}))}
    assert ((7, "sale") in found) == is_tested


def test_a_site_with_conversions_and_no_actions_has_no_rows() -> None:
    sessions = [Session(day(offset), f"{offset}", [], math.inf) for offset in range(60)]
    assert changes(rows_of(sessions, [59])) == []
    healthy = rows_of(shop(60), [59], "shop")
    assert changes([*rows_of(sessions, [59]), *healthy]) == changes(healthy)


# Order, stretches, sites


def test_rows_do_not_depend_on_the_order_of_the_input() -> None:
    rows = rows_of(shop(80, drop_from=70, drop_in="m"), range(74, 80))
    expected = changes(rows)
    Random(3).shuffle(rows)
    assert changes(rows) == expected


@pytest.mark.long
def test_a_day_has_the_same_rows_alone_and_with_others() -> None:
    sessions = shop(130, drop_from=100, drop_in="m")
    # A value that some of the days do not read: their sentences must not count it among the others.
    sessions += [Session(day(offset), f"{offset}-t", [(1, "home")], None, [("device", "t")]) for offset in (0, 125)]
    together = changes(rows_of(sessions, range(130)))
    for offset in (29, 60, 84, 99, 104, 129):
        read = [one for one in sessions if day(offset - 83) <= one.day <= day(offset)]
        alone = changes(rows_of(read, [offset]))
        assert alone == [row for row in together if row["session_date"] == day(offset)]


def test_sites_are_looked_at_apart() -> None:
    faulty, healthy = shop(90, drop_from=80), shop(90)
    found = changes([*rows_of(faulty, [89], "b"), *rows_of(healthy, [89], "a")])
    assert {row["site"] for row in found if row["is_alert"]} == {"b"}
    assert [row for row in found if row["site"] == "a"] == changes(rows_of(healthy, [89], "a"))


@pytest.mark.parametrize("is_followed", [True, False])
def test_days_on_which_a_visited_action_is_not_followed_are_left_out(is_followed: bool) -> None:
    rows = [
        {**row, "is_followed": is_followed or row["action"] != "pay"} if row["session_date"] >= day(50) else row
        for row in rows_of(shop(60), [59])
        if row["session_date"] < day(50)
        or row["next_action"] == GOAL
        or "pay" not in (row["action"], row["next_action"])
    ]
    assert any(row["score"] < -10 for row in changes(rows)) == is_followed


def test_nothing_is_found_without_rows() -> None:
    assert changes([]) == []


def test_logic_version_stands_for_this_source() -> None:
    """If this fails, raise LOGIC_VERSION if rows can change, and write down the new hash."""
    folder = Path(steps.__file__).parent
    apart = {"__init__", "contracts", "from_settings", "steps"}
    modules = [
        Path(limits.__file__),
        Path(statistics.__file__),
        *sorted(path for path in folder.glob("*.py") if path.stem not in apart),
    ]
    source = "".join("".join(path.read_text().split()) for path in modules)
    assert (steps.LOGIC_VERSION, hashlib.sha256(source.encode()).hexdigest()[:16]) == ("35", "3c341032496152ef")
