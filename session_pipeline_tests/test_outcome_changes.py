"""Tests outcome_changes on planted changes, and its scores against formulas in plain Python."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from random import Random
from statistics import median
from typing import Any

import pyarrow as pa
import pytest

from session_pipeline.tables.changes.found_outcomes import outcome_changes
from session_pipeline_tests.oracles.outcome_changes import rows_of_day

Row = dict[str, Any]

FIRST = date(2026, 1, 1)
SCHEMA = pa.schema(
    [
        ("session_date", pa.date32()),
        ("is_asked_for", pa.bool_()),
        *((name, pa.string()) for name in ("site", "dimension", "dimension_value", "outcome")),
        ("session_count", pa.int64()),
        ("outcome_count", pa.int64()),
    ]
)


def day(offset: int) -> date:
    return FIRST + timedelta(days=offset)


def shop(
    day_count: int, rate: Callable[[int], float], *, sessions: Callable[[int], int] = lambda offset: 400, seed: int = 1
) -> list[tuple[int, int]]:
    """Return the sessions of each day, and those with a purchase."""
    random = Random(seed)
    return [
        (sessions(offset), sum(random.random() < rate(offset) for _ in range(sessions(offset))))
        for offset in range(day_count)
    ]


def rows_of(days: Sequence[tuple[int, int]], asked_for: Iterable[int]) -> list[Row]:
    """Return the rows of outcome_counts; a day without the outcome has no row for it."""
    asked = set(asked_for)
    return [
        {
            "session_date": day(offset),
            "is_asked_for": offset in asked,
            "site": "main",
            "dimension": "all",
            "dimension_value": "all",
            "outcome": outcome,
            "session_count": n,
            "outcome_count": count,
        }
        for offset, (n, k) in enumerate(days)
        for outcome, count in (("purchase", k), ("engaged", n - k))
        if count
    ]


def random_counts(random: Random) -> list[Row]:
    """Return counts of a site that is closed on some days, with more values than are compared, and changes."""
    weekdays = [random.choice((1.0, 0.5, 1.4)) for _ in range(7)]
    closed = random.choice((None, 6))
    values = {("device", "mobile"): 0.4, ("device", "(none)"): 0.1} | {("plan", f"p{n}"): 0.3 / n for n in range(1, 25)}
    fewer, changed = random.randrange(70, 100), random.randrange(60, 90)
    rows = []
    for offset in range(110):
        if day(offset).weekday() == closed or random.random() < 0.05:
            continue
        n = round(120 * weekdays[day(offset).weekday()] * random.uniform(0.8, 1.2) * (0.3 if offset == fewer else 1))
        rate = 0.2 * (0.5 if changed <= offset < changed + 14 else 1)
        segments = {("all", "all"): n} | {
            each: round(n * share * random.random() * 2) for each, share in values.items()
        }
        for segment, count in segments.items():
            converted = sum(random.random() < rate for _ in range(count))
            bounced = sum(random.random() < 0.3 for _ in range(count - converted))
            named = {"purchase": converted, "bounce": bounced, "engaged": count - converted - bounced}
            if segment != ("all", "all"):
                named = {"(converted)": converted, "bounce": bounced}
            rows += [
                {
                    "session_date": day(offset),
                    "is_asked_for": offset % 7 == 5 or offset > 100,
                    "site": "main",
                    "dimension": segment[0],
                    "dimension_value": segment[1],
                    "outcome": outcome,
                    "session_count": count,
                    "outcome_count": outcome_count,
                }
                for outcome, outcome_count in named.items()
                if count
            ]
    return rows


def key(row: Row) -> tuple[int, str, str, str]:
    return row["window_days"], row["dimension"], row["dimension_value"], row["outcome"]


def changes(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = outcome_changes(pa.Table.from_pylist(list(rows), schema=SCHEMA)).to_pylist()
    return found


def usual(offset: int) -> float:
    return 0.12 if offset % 7 in (5, 6) else 0.05


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_weekday_is_no_change(seed: int) -> None:
    assert not any(row["is_alert"] for row in changes(rows_of(shop(120, usual, seed=seed), range(84, 120))))


def test_half_the_purchases_are_an_alert_with_its_first_day() -> None:
    days = shop(100, lambda offset: usual(offset) * (0.5 if offset >= 93 else 1))
    found = {(row["window_days"], row["outcome"]): row for row in changes(rows_of(days, [99]))}
    row = found[7, "purchase"]
    assert row["is_alert"]
    assert row["score"] < -3.5
    assert abs((row["since"] - day(93)).days) <= 2
    assert row["outcome_count"] == sum(k for _, k in days[93:100])
    assert row["rank"] <= 2
    assert f"the usual 7.2 % would be about {row['expected_count']:.0f}." in row["sentence"]


def test_a_change_that_is_over_is_no_alert_and_has_its_days() -> None:
    days = shop(100, lambda offset: usual(offset) * (0.3 if 80 <= offset < 90 else 1))
    found = {(row["window_days"], row["outcome"]): row for row in changes(rows_of(days, [99]))}
    row = found[28, "purchase"]
    assert row["score"] < -3.5
    assert (row["is_alert"], row["since"]) == (False, day(80))
    assert abs((row["over_since"] - day(90)).days) <= 1
    assert row["sentence"].startswith("From 22 to 30 March, visits ended with purchase less often: ")
    assert "and since 31 March it is " in row["sentence"]


def test_far_fewer_sessions_are_an_alert() -> None:
    def sessions(offset: int) -> int:
        return (700 if offset % 7 in (5, 6) else 400) + offset % 11 * 5 - (250 if offset == 99 else 0)

    found = changes(rows_of(shop(100, usual, sessions=sessions), [98, 99]))
    [row] = [row for row in found if row["outcome"] == "(sessions)" and row["is_alert"]]
    assert (row["session_date"], row["window_days"], row["rate"], row["usual_rate"]) == (day(99), 1, None, None)
    assert row["expected_count"] == median(sessions(99 - 7 * week) for week in range(1, 9))


def numbers(counts: Sequence[Row], asked_for: Iterable[int]) -> dict[tuple[int, str], Row]:
    """Return the rows of numbers of sessions in windows of a week, by day and value."""
    rows = changes([{**row, "is_asked_for": row["session_date"] in set(map(day, asked_for))} for row in counts])
    weekly = [row for row in rows if (row["outcome"], row["window_days"]) == ("(sessions)", 7)]
    return {((row["session_date"] - FIRST).days, row["dimension_value"]): row for row in weekly}


def few_visits(offset: int, usual_count: int = 30) -> int:
    """Return about 30 sessions, by a fixed pattern that is the same in no two weeks."""
    return usual_count + (offset * 7919) % 11 - 5


def halved(offset: int, first: int = 90, end: int = 200) -> int:
    return few_visits(offset) // (2 if first <= offset < end else 1)


def test_a_lasting_fall_of_few_visits_is_an_alert_of_the_week() -> None:
    rows = rows_of([(halved(offset), 2) for offset in range(110)], [])
    found = numbers(rows, range(84, 110))
    alerts = {offset: row for (offset, _), row in found.items() if row["is_alert"]}
    assert list(alerts) == list(range(95, 105)), "later, the week is compared with many days after the fall"
    row = alerts[97]
    expected = sum(median(halved(day - 7 * week) for week in range(1, 9)) for day in range(91, 98))
    assert (row["session_count"], row["expected_count"]) == (sum(map(halved, range(91, 98))), expected)
    assert (row["since"], row["over_since"], row["rate"]) == (day(90), None, None)
    counts = f"{row['session_count']} instead of about {expected:.0f}"
    assert row["sentence"] == f"In the 7 days to 8 April, fewer visits came than usual: {counts}."


def test_a_fall_that_is_over_for_three_days_is_no_alert() -> None:
    found = numbers(rows_of([(halved(offset, 90, 104), 2) for offset in range(110)], []), range(97, 110))
    assert found[103, "all"]["is_alert"]
    assert not any(row["is_alert"] for (offset, _), row in found.items() if offset >= 106)


def test_days_without_sessions_are_no_fall_of_the_week() -> None:
    days = [(0 if offset in (97, 98, 99) else few_visits(offset), 2) for offset in range(102)]
    found = numbers(rows_of([(n, min(n, k)) for n, k in days], []), [100, 101])
    assert not any(row["is_alert"] for row in found.values())


@pytest.mark.parametrize(
    ("desktop_count", "of_desktop", "of_phone", "alerts"),
    [
        (60, 0.5, 0.5, {"all"}),
        (60, 0.7, 0.1, {"all", "phone"}),
        (360, 1, 0.3, {"phone"}),
        (25, 1, 0.2, {"all", "phone"}),
    ],
    ids=["both fall", "phones fall more", "a small part falls alone", "a large part falls alone"],
)
def test_a_value_is_an_alert_beside_all_sessions_only_if_it_fell_more_than_the_others(
    desktop_count: int, of_desktop: float, of_phone: float, alerts: set[str]
) -> None:
    """There are 60 sessions of phones a day; from day 95 on, shares of both are left."""
    rows = []
    for offset in range(104):
        desktop, phone = few_visits(offset, desktop_count), few_visits(offset + 3, 60)
        if offset >= 95:
            desktop, phone = round(desktop * of_desktop), round(phone * of_phone)
        for segment, n in ((("all", "all"), desktop + phone), (("device", "desktop"), desktop),
                           (("device", "phone"), phone)):  # fmt: skip
            place = {"session_date": day(offset), "dimension": segment[0], "dimension_value": segment[1]}
            rows += [{**row, **place} for row in rows_of([(n, 3)], [])]
    found = numbers(rows, [103])
    assert {value for (_, value), row in found.items() if row["is_alert"]} == alerts


def falls(
    dimension: str, usual: Sequence[int], now: Sequence[int], *, first: int = 0, without: tuple[int, int] = (0, 0)
) -> set[str]:
    """Return the values with fewer visits than usual in the week after a change, of three that begin with `first`.

    `without` are the visits with no value, before and after.
    """
    rows = []
    for offset in range(84):
        is_now = offset >= 77
        counts = dict(zip("abc", now if is_now else usual, strict=False)) if offset >= first else {}
        total = sum(now if is_now else usual) + without[is_now]
        values = {"all": total, **counts, "(none)": total - sum(counts.values())}
        for value, n in values.items():
            place = {"session_date": day(offset), "dimension_value": value}
            if value != "(none)" or (n and offset >= first):
                place["dimension"] = "all" if value == "all" else dimension
                rows += [{**row, **place} for row in rows_of([(n, min(n, 3))], []) if n]
    found = numbers(rows, [83])
    return {value for (_, value), row in found.items() if row["is_alert"] and row["score"] < 0}


@pytest.mark.parametrize("first", [0, 45], ids=["long test", "test of 32 days"])
def test_end_of_a_test_is_no_alert_because_its_visits_have_another_variant(first: int) -> None:
    assert falls("variant", [100, 100], [200, 0], first=first) == set()
    assert falls("variant", [100, 100, 100], [160, 140, 0], first=first) == set()


@pytest.mark.parametrize("dimension", ["variant", "device"])
def test_lost_visits_of_a_value_are_an_alert_if_no_other_has_them(dimension: str) -> None:
    assert falls(dimension, [100, 100], [100, 0]) == {"all", "b"}
    assert falls(dimension, [100, 100], [100, 0], without=(100, 200)) == {"b"}


def test_fewer_visits_of_a_device_are_an_alert_also_if_another_has_more() -> None:
    assert falls("device", [100, 100], [200, 0]) == {"b"}


@pytest.mark.parametrize(
    ("usual", "now", "without", "expected"),
    [
        ([100, 100], [175, 0], (300, 300), set()),
        ([100, 100], [174, 0], (300, 300), {"b"}),
        ([360, 40], [401, 0], (0, 0), set()),  # of 400, 360 are 90 %
        ([360, 40], [400, 0], (0, 0), {"b"}),
        ([100, 100], [222, 0], (0, 0), set()),
        ([100, 100], [223, 0], (0, 0), {"b"}),
        ([100, 100], [200, 0], (800, 700), set()),
        ([100, 100], [200, 0], (800, 699), {"b"}),
    ],
    ids=[
        *("three quarters went over", "fewer went over"),
        *("others have more", "others have as many"),
        *("as many visits", "more visits"),
        *("as many of all visits", "fewer of all visits"),
    ],
)
def test_visits_went_over_up_to_the_bounds(
    usual: Sequence[int], now: Sequence[int], without: tuple[int, int], expected: set[str]
) -> None:
    assert falls("variant", usual, now, without=without) == expected


@pytest.mark.parametrize(("of_weekend", "alerts"), [(0, []), (60, [day(121)]), (600, [day(121)])])
def test_weekends_with_few_or_no_sessions_neither_cause_nor_hide_alerts(of_weekend: int, alerts: list[date]) -> None:
    """Days differ by 10 %. Day 118, a Wednesday, has three fifths of its usual sessions, and day 121 a fifth."""
    random = Random(1)

    def count(offset: int) -> int:
        of_weekday = of_weekend if day(offset).weekday() > 4 else 600
        return round(of_weekday * random.gauss(1, 0.1) * {118: 0.6, 121: 0.2}.get(offset, 1))

    found = changes(rows_of([(n, n // 20) for n in map(count, range(122))], [118, 121]))
    assert [row["session_date"] for row in found if row["outcome"] == "(sessions)" and row["is_alert"]] == alerts


@pytest.mark.parametrize(("other_weekdays", "is_alert"), [(499, True), (500, False), (2000, False), (2001, True)])
def test_the_deviation_is_of_weekdays_with_half_to_twice_the_sessions(other_weekdays: int, is_alert: bool) -> None:
    """One weekday has 1000 sessions each week. The others have 100 more and 100 fewer than their median in turn."""
    counts = [1000 if offset % 7 == 0 else other_weekdays + (-1) ** (offset // 7) * 100 for offset in range(56)]
    found = changes(rows_of([(n, n // 20) for n in [*counts, 400]], [56]))
    [row] = [row for row in found if (row["outcome"], row["window_days"]) == ("(sessions)", 1)]
    assert row["is_alert"] == is_alert


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2))])
def test_rows_equal_those_of_the_oracle(seed: int) -> None:
    rows = random_counts(Random(seed))
    found = changes(rows)
    for offset in range(110):
        here = [row for row in found if row["session_date"] == day(offset)]
        is_asked_for = any(row["is_asked_for"] for row in rows if row["session_date"] == day(offset))
        expected = rows_of_day(rows, day(offset)) if is_asked_for else {}
        assert [key(row) for row in here] == list(expected)
        for row, wanted in zip(here, expected.values(), strict=True):
            for name, value in wanted.items():
                assert row[name] == (pytest.approx(value, abs=2e-6) if isinstance(value, float) else value), name
    assert any(row["is_alert"] for row in found)
    assert any(row["over_since"] for row in found)


@pytest.mark.parametrize(("count", "is_tested"), [(9, True), (8, False)])
def test_a_rate_is_tested_if_exactly_5_sessions_are_expected(count: int, is_tested: bool) -> None:
    """In floating-point numbers, 9 times a usual rate of 5 of 9 is less than 5."""
    days = [(9, 5)] * 56 + [(count, 1)]
    found = {(row["window_days"], row["outcome"]) for row in changes(rows_of(days, [56]))}
    assert ((1, "purchase") in found) == is_tested


def test_weeks_that_differ_much_raise_the_spread_of_windows_of_a_week() -> None:
    """Days of a week are alike: 32 of 400 sessions buy in one week, 48 in the next. Then only 20 a day buy."""
    days = [(400, 48 if offset // 7 % 2 else 32) for offset in range(56)] + [(400, 20)] * 7
    found = {(row["window_days"], row["outcome"]): row for row in changes(rows_of(days, [62]))}
    of_weeks = 8 * 56**2 / (400 * 7 * 0.1 * 0.9)
    assert found[7, "purchase"]["spread"] == pytest.approx((of_weeks + 7) / (7 + 7), abs=1e-6)
    assert not found[7, "purchase"]["is_alert"]


@pytest.mark.parametrize(("count", "is_alert"), [(6, True), (5, False)])
def test_a_change_by_fewer_than_5_sessions_is_no_alert(count: int, is_alert: bool) -> None:
    """Usually, there is a purchase on one of five days."""
    days = [(100, int(offset % 5 == 0)) for offset in range(56)] + [(100, count)]
    found = {(row["window_days"], row["outcome"]): row for row in changes(rows_of(days, [56]))}
    assert found[1, "purchase"]["score"] > 3.5
    assert found[1, "purchase"]["is_alert"] == is_alert


def test_an_outcome_that_no_session_or_all_sessions_had_before_is_not_tested() -> None:
    assert {row["outcome"] for row in changes(rows_of([(100, 0)] * 56 + [(100, 20)], [56]))} == {"(sessions)"}


@pytest.mark.parametrize(("count", "tested_count"), [(99, 6), (100, 3)])
def test_a_value_that_has_all_sessions_is_not_tested_twice(count: int, tested_count: int) -> None:
    """All sessions have two outcomes and their number. So has the value, if some sessions have another one."""
    days = [(100, 20)] * 83
    rows = rows_of([*days, (100, 20)], [83])
    values = rows_of([*days, (count, 20)], [83])
    found = changes([*rows, *({**row, "dimension": "device", "dimension_value": "m"} for row in values)])
    assert {row["tested_count"] for row in found if row["window_days"] == 1} == {tested_count}


@pytest.mark.parametrize(("count", "is_alert"), [(9000, True), (9001, False)])
def test_the_deviation_of_even_days_is_2_percent(count: int, is_alert: bool) -> None:
    rows = changes(rows_of([(10000, 500)] * 56 + [(count, count // 20)], [56]))
    [row] = [row for row in rows if (row["outcome"], row["window_days"]) == ("(sessions)", 1)]
    assert row["score"] == (count - 10000) / 200
    assert row["is_alert"] == is_alert


def test_a_day_has_the_same_rows_alone_and_with_others_in_any_order() -> None:
    days = shop(130, lambda offset: usual(offset) * (0.5 if offset > 100 else 1))
    rows = rows_of(days, range(130))
    together = changes(rows)
    Random(2).shuffle(rows)
    assert changes(rows) == together
    for offset in (28, 60, 84, 105, 129):
        alone = [row for row in rows_of(days, [offset]) if day(offset - 83) <= row["session_date"] <= day(offset)]
        assert changes(alone) == [row for row in together if row["session_date"] == day(offset)]


def test_too_few_days_have_no_rows() -> None:
    assert changes(rows_of(shop(28, usual), range(28))) == []
    assert changes([]) == []


@pytest.mark.long
def test_days_that_only_a_day_without_sessions_reads_change_nothing() -> None:
    days = shop(220, lambda offset: usual(offset) * (0.5 if offset > 150 else 1))
    asked = range(160, 200)
    read = [row for row in rows_of(days, asked) if day(160 - 83) <= row["session_date"] < day(200)]
    assert changes(rows_of(days, asked)) == changes(read) != []
