"""Tests queries of the report on a few rows of the tables that they read."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from session_pipeline.publish.native_rows import columns_of
from session_pipeline.report.figures import Row, Window, run_query
from session_pipeline.tables import models, table

LAST = date(2024, 3, 15)
FIRST = LAST - timedelta(days=6)
DAY = timedelta(days=1)


def answer(query: str, parameters: Mapping[str, Any] | None = None, /, **tables: Sequence[Row]) -> list[Row]:
    """Return the rows of a query, for the week that ends with LAST by default. Columns that are not given are null."""
    with duckdb.connect() as connection:
        connection.execute(models.macros())
        for name, rows in tables.items():
            connection.execute(f"create table {name} ({columns_of(table(name))})")
            for row in rows:
                values = ", ".join("?" for _ in row)
                connection.execute(f"insert into {name} ({', '.join(row)}) values ({values})", list(row.values()))
        of_week = Window((FIRST - 7 * DAY, LAST), LAST, LAST, is_full=True).parameters
        return run_query(connection, query, parameters or of_week).rows


def rows_of(name: str, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return the rows of a query; by default, the rows of its tables are those of the last day, of all visits."""
    filled = {table_name: [_of_all(table_name) | row for row in rows] for table_name, rows in tables.items()}
    return answer(name, **filled)


def _of_all(table_name: str) -> dict[str, Any]:
    values = {"site": "main", "dimension": "all"}
    columns = {column.name for column in table(table_name).columns}
    return {"session_date": LAST} | {name: value for name, value in values.items() if name in columns}


def test_visits_that_are_over_count_at_every_later_position() -> None:
    """One visit of /home, and two of /home, /list, /item: none ends before position 3, but one is over there."""
    counts = {(1, "/home"): 3, (2, "(end)"): 1, (2, "/list"): 2, (3, "/item"): 2, (4, "(end)"): 2}
    rows = [
        {"session_date": LAST, "step_number": number, "action": action, "session_count": count}
        for (number, action), count in counts.items()
    ]
    found = {(row["step_number"], row["action"]): row["share"] for row in answer("steps", action_steps=rows)}
    assert found == {
        (1, "/home"): 1.0,
        (2, "(end)"): 1 / 3,
        (2, "/list"): 2 / 3,
        (3, "(end)"): 1 / 3,
        (3, "/item"): 2 / 3,
        (4, "(end)"): 1.0,
    }


def test_repeated_searches_are_a_share_of_the_visits_that_can_show_them() -> None:
    search = {"site": "main", "action": "search"}
    rows = [
        search | {"session_date": FIRST, "session_count": 90, "repeated_search_count": None},
        search | {"session_date": LAST, "session_count": 10, "repeated_search_count": 2},
    ]
    [found] = answer("searches", action_friction=rows)
    assert (found["session_count"], found["repeated_search_count"], found["repeated_rate"]) == (10, 2, 0.2)


def test_search_terms_are_those_of_at_least_five_visitors() -> None:
    """One visitor searched five times for a name, and five for a lamp. A bot does not count."""
    searches = [("v0", "Ann  Example", n) for n in range(5)] + [
        (f"v{n}", " Red\t LAMP" if n else "red lamp ", 9) for n in range(5)
    ]
    sessions = [(f"{visitor}-{number}", visitor, term) for visitor, term, number in searches]
    facts = [
        {"session_date": LAST, "site": "main", "session_id": key, "visitor_id": visitor}
        | {"is_bot": False, "is_converted": key in ("v1-9", "v0-1")}
        for key, visitor, _ in sessions
    ]
    bot = {"session_date": LAST, "site": "main", "session_id": "bot", "visitor_id": "b", "is_bot": True}
    events = [
        {"event_date": LAST, "session_date": LAST, "session_id": key, "search_term": term}
        for key, _, term in [*sessions, *sessions, ("bot", "b", "red lamp")]
    ]
    before = {"event_date": FIRST - DAY, "session_date": FIRST - DAY, "session_id": "v1-9", "search_term": "old"}
    signal = {"session_date": LAST, "session_id": "v2-9", "signal": "repeated_search"}
    found = answer(
        "search_terms",
        events=[*events, before],
        session_facts=[*facts, bot],
        session_friction=[signal],
        daily_friction=[{"session_date": LAST, "site": "main", "repeated_search_count": 1}],
    )
    columns = ("search_term", "session_count", "converted_count", "conversion_rate", "repeated_rate")
    assert [[row[name] for name in columns] for row in found] == [[None, 10, 2, 0.2, 0.1], ["red lamp", 5, 1, 0.2, 0.2]]


def test_one_person_on_five_sites_is_one_visitor_who_searches() -> None:
    """Sites can share a cookie, and logs have equal ids on all sites."""
    keys = [f"s{number}" for number in range(5)]
    day = {"session_date": LAST, "is_bot": False, "is_converted": False}
    found = answer(
        "search_terms",
        events=[{"event_date": LAST, "session_date": LAST, "session_id": key, "search_term": "ann"} for key in keys],
        session_facts=[day | {"site": key, "session_id": key, "visitor_id": "ann"} for key in keys],
        session_friction=[],
        daily_friction=[],
    )
    assert [(row["search_term"], row["session_count"]) for row in found] == [(None, 5)]


def test_without_searches_there_are_no_search_terms() -> None:
    assert answer("search_terms", events=[], session_facts=[], session_friction=[], daily_friction=[]) == []


def test_smallest_detectable_drop_of_each_window_comes_first() -> None:
    """A step of many visits can need a larger drop; of equal drops, those of all visits come first."""
    rows = [
        {"window_days": days, "dimension": dimension, "action": action, "session_count": count}
        | {"detectable_rate": detectable, "usual_rate": usual, "next_action": "/next"}
        for days, dimension, action, count, detectable, usual in (
            (7, "all", "/most", 900, 0.01, 0.02),
            (7, "device", "/phone", 80, 0.32, 0.4),
            (28, "device", "/cart", 500, 0.72, 0.8),
            (28, "all", "/list", 400, 0.18, 0.2),
            (28, "all", "/unknown", 9000, None, 0.2),
        )
    ]
    found = rows_of("detectable", {"progress_changes": rows})
    assert [(row["window_days"], row["action"]) for row in found] == [(28, "/list"), (7, "/phone")]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("opportunities", {"action": "/a", "signal": "error"}, {"action": "/b", "signal": "error"}),
        (
            "next_best_actions",
            {"at_action": "/a", "seen_action": "/c", "difference": 0.1},
            {"at_action": "/b", "seen_action": "/c", "difference": 0.1},
        ),
    ],
)
def test_rows_of_several_windows_with_the_same_rank_have_one_order(name: str, first: Row, second: Row) -> None:
    same = {"site": "main", "session_date": LAST, "rank": 1, "score": 5.0, "is_significant": True}
    rows: list[dict[str, Any]] = [same | first | {"window_days": 28}, same | second | {"window_days": 7}]
    orders = [[row["window_days"] for row in answer(name, **{name: each})] for each in (rows, rows[::-1])]
    assert orders == [[7, 28], [7, 28]]


def test_retention_has_no_cell_of_a_week_that_is_not_over() -> None:
    """The visitors of the week before the last have no whole week after theirs yet."""
    rows = [
        {"cohort": "first_visit", "period": "week", "cohort_date": LAST - days * DAY}
        | {"periods_after": 1, "visitor_count": 3, "returned_count": 1}
        for days in (8, 15)
    ]
    assert [(row["first_day"], row["visitor_count"]) for row in answer("retention", retention=rows)] == [
        (LAST - 20 * DAY, 3)
    ]


def test_visitor_on_the_first_and_the_third_day_counts_once_in_the_week() -> None:
    rows: list[Row] = [
        {"session_date": FIRST, "visitor_id": "v", "previous_visit_date": FIRST - 9 * DAY},
        {"session_date": FIRST + 2 * DAY, "visitor_id": "v", "previous_visit_date": FIRST},
    ]
    found = answer("visits", visitor_days=rows, daily_summary=[], daily_friction=[])
    assert {row["period"]: row["visitor_count"] for row in found} == {"week": 1, "before": 0, "day": 0}


def exits(action: str, exit_count: int, days_ago: int = 0, converted_count: int = 0) -> dict[str, Any]:
    return {
        "session_date": LAST - timedelta(days=days_ago),
        "transition": "exit",
        "from_action": action,
        "session_count": exit_count + converted_count,
        "converted_count": converted_count,
    }


def visits(action: str, count: int, days_ago: int = 0) -> dict[str, Any]:
    return {"session_date": LAST - timedelta(days=days_ago), "action": action, "session_count": count}


def test_share_of_exits_counts_all_visits_at_a_page() -> None:
    """On the day before, 200 other actions had more visits, so action_visits does not have the page."""
    tables = {
        "action_transitions": [exits("/a", 3, converted_count=1), exits("/a", 2, days_ago=1)],
        "action_friction": [visits("/a", 7), visits("/a", 3, days_ago=1)],
        "action_visits": [visits("/a", 7)],
    }
    [row] = rows_of("exit_pages", tables)
    assert (row["action"], row["exit_count"], row["session_count"], row["exit_rate"]) == ("/a", 5, 10, 0.5)


def test_share_of_exits_is_unknown_if_visits_of_a_day_are_not_counted() -> None:
    tables = {
        "action_transitions": [exits("click", 3), exits("click", 2, days_ago=1), exits("search", 1)],
        "action_friction": [visits("/a", 7)],
        "action_visits": [visits("click", 4), visits("search", 4)],
    }
    found = [(row["action"], row["exit_count"], row["session_count"]) for row in rows_of("exit_pages", tables)]
    assert found == [("click", 5, None), ("search", 1, 4)]


def test_visits_at_an_action_named_like_a_label_are_found() -> None:
    tables = {
        "action_transitions": [exits("action (none)", 3)],
        "action_friction": [],
        "action_visits": [visits("(none)", 4)],
    }
    found = [(row["action"], row["exit_count"], row["session_count"]) for row in rows_of("exit_pages", tables)]
    assert found == [("action (none)", 3, 4)]


SIX_PAGES = [f"/product/{letter}" for letter in "abcdef"]


def test_pages_of_a_folder_are_one_last_action_and_the_last_row_has_all_others() -> None:
    others = [f"/{number:02}" for number in range(12)]
    tables = {
        "action_transitions": [*(exits(page, 2) for page in SIX_PAGES), *(exits(page, 3) for page in others)],
        "action_friction": [visits(page, 4) for page in (*SIX_PAGES, *others)],
        "action_visits": [],
    }
    found = [(row["action"], row["exit_count"], row["session_count"]) for row in rows_of("exit_pages", tables)]
    assert found[:2] == [("/product/…", 12, None), ("/00", 3, 4)]
    assert len(found) == 11
    assert found[-1] == (None, 9, None)


def test_pages_of_a_folder_are_one_first_action_and_the_last_row_has_all_others() -> None:
    entries = [
        {"session_date": LAST, "transition": "entry", "to_action": page, "session_count": 4, "converted_count": count}
        for count, pages in ((1, SIX_PAGES), (2, [f"/{number:02}" for number in range(12)]))
        for page in pages
    ]
    bounces = [{**row, "outcome": "bounce", "session_count": 1, "converted_count": 0} for row in entries]
    found = rows_of("landing_pages", {"action_transitions": [*entries, *bounces]})
    figures = [(row["action"], row["session_count"], row["converted_count"], row["bounce_rate"]) for row in found]
    assert figures[:2] == [("/product/…", 30, 6, 0.2), ("/00", 5, 2, 0.2)]
    assert figures[-1] == (None, 15, 6, 0.2)
    assert sum(row["session_count"] for row in found) == 90


def test_step_between_two_pages_of_a_folder_is_a_common_step() -> None:
    """Going to the same page again is none: its transition is a loop."""
    steps = [
        {"session_date": LAST, "transition": "step", "from_action": here, "to_action": there, "transition_count": 2}
        for here, there in zip(SIX_PAGES, [*SIX_PAGES[1:], "/cart"], strict=True)
    ]
    loop = {**steps[0], "transition": "loop", "to_action": SIX_PAGES[0], "transition_count": 9}
    assert [tuple(row.values()) for row in rows_of("transitions", {"action_transitions": [*steps, loop]})] == [
        ("/product/…", "/product/…", 10, 10 / 12),
        ("/product/…", "/cart", 2, 2 / 12),
    ]


def test_rates_are_not_known_if_rare_rows_are_combined() -> None:
    """Each row is of one outcome. Of 10 visits that begin at /a, the 3 that bounced can be among the combined ones."""
    entry = {"transition": "entry", "from_action": "(start)", "to_action": "/a", "session_count": 7}
    step = {"transition": "step", "from_action": "/a", "to_action": "/b", "transition_count": 5}
    end = exits("/b", 2)
    rare = {"transition": "other", "from_action": "(other)", "to_action": "(other)", "session_count": 3}
    rows = [entry | {"converted_count": 7}, step, end, rare | {"transition_count": 3}]
    at_pages = {"action_friction": [visits("/b", 2)], "action_visits": []}
    for tables, rate in (({"action_transitions": rows[:3]}, 1.0), ({"action_transitions": rows}, None)):
        (landing,) = rows_of("landing_pages", tables)
        assert (landing["session_count"], landing["conversion_rate"]) == (7, rate)
        assert (landing["bounce_rate"] is None, landing["low"] is None, landing["high"] is None) == (rate is None,) * 3
        assert [row["share"] for row in rows_of("transitions", tables)] == [rate]
        assert [row["exit_rate"] for row in rows_of("exit_pages", at_pages | tables)] == [rate]
    earlier = {**rare, "session_date": FIRST - DAY}
    assert rows_of("landing_pages", {"action_transitions": [*rows[:3], earlier]})[0]["conversion_rate"] == 1.0


def test_slash_in_a_parameter_of_an_action_is_no_folder() -> None:
    pages = [f"/product/{letter}?list=new/{letter}" for letter in "abcdef"]
    start_pages = [f"/start?list=new/{letter}" for letter in "abcdef"]
    actions = [*pages, *start_pages]
    entries = [{"session_date": LAST, "transition": "entry", "to_action": page, "session_count": 1} for page in actions]
    tables = {
        "action_transitions": [*entries, *(exits(page, 1) for page in actions)],
        "action_friction": [{**visits(page, 1), "hard_time_count": 1} for page in actions],
        "action_visits": [],
    }
    for name in ("landing_pages", "exit_pages", "friction_by_page"):
        assert [row["action"] for row in rows_of(name, tables)][:7] == ["/product/…", *start_pages]


@pytest.mark.parametrize(
    ("hard_times", "expected"),
    [
        ([2] * 6, [("/product/…", 12, 60)]),
        ([7, *[1] * 5], [("/product/a", 7, 10), *((page, 1, 10) for page in SIX_PAGES[1:])]),
        ([2] * 5, [(page, 2, 10) for page in SIX_PAGES[:5]]),
    ],
)
def test_hard_times_of_a_folder_are_one_row_unless_one_page_has_most(
    hard_times: list[int], expected: list[tuple[str, int, int]]
) -> None:
    pages = [{**visits(page, 10), "hard_time_count": count} for page, count in zip(SIX_PAGES, hard_times, strict=False)]
    found = rows_of("friction_by_page", {"action_friction": pages})
    assert [(row["action"], row["hard_time_count"], row["session_count"]) for row in found] == expected


def test_hard_times_beyond_the_most_frequent_are_all_others() -> None:
    pages = [{**visits(f"/{number:02}", 10), "hard_time_count": 3} for number in range(14)]
    found = rows_of("friction_by_page", {"action_friction": pages})
    assert len(found) == 13
    assert [found[-1][name] for name in ("action", "site", "hard_time_count", "friction_rate")] == [None, None, 6, 0.3]


@pytest.mark.parametrize(("page_count", "expected"), [(5, "/item/0"), (6, "/item/…")])
def test_pages_that_follow_in_a_funnel_are_a_folder_if_there_are_more_than_five(page_count: int, expected: str) -> None:
    attempt = {"entry_date": LAST, "funnel": "checkout", "step_reached": 1}
    attempt |= dict.fromkeys(("is_bot", "is_excluded", "is_converted"), False)
    entries = [attempt | {"dropped_to_action": f"/item/{number}"} for number in range(page_count)]
    found = answer("funnel_drops", funnel_entries=entries)
    assert found[0]["action"] == expected
    assert sum(row["attempt_count"] for row in found) == (6 if page_count > 5 else 3)


def test_action_that_follows_in_a_funnel_can_be_named_like_a_label() -> None:
    attempt = {"entry_date": LAST, "funnel": "checkout", "step_reached": 1}
    attempt |= dict.fromkeys(("is_bot", "is_excluded", "is_converted"), False)
    found = answer("funnel_drops", funnel_entries=[attempt, attempt | {"dropped_to_action": "(none)"}, attempt])
    assert {row["action"]: row["attempt_count"] for row in found} == {"(none)": 2, "action (none)": 1}


def test_possible_conversions_are_the_most_frequent_actions_that_are_not_pages() -> None:
    """Visits of four weeks count once: not again by dimension, and not at pages."""
    rows = [visits(action, count) for action, count in (("/a", 9), ("page_view", 8), ("b", 1), ("(c)", 1), ("d", 2))]
    rows += [visits("b", 1) | {"session_date": FIRST - 7 * DAY}, visits("d", 9) | {"dimension": "device"}]
    rows += [visits("old", 9) | {"session_date": LAST - 28 * DAY}]
    found = [(row["action"], row["session_count"]) for row in rows_of("possible_conversions", {"action_visits": rows})]
    assert found == [("b", 2), ("d", 2), ("(c)", 1)]


def common_actions(
    visits_of_week: tuple[int, int, int],
    steps: Sequence[tuple[str, str, int, int]],
    at: Sequence[tuple[str, int, int, int]],
) -> dict[str, tuple[float, float]]:
    """Return the two shares of each action.

    Args:
        visits_of_week: The visits, those that convert, and the bounces.
        steps: Outcome, action, position and visits.
        at: Action, visits there, those that convert after it, and those that neither convert nor bounce.
    """
    sessions, converted, bounces = visits_of_week
    tables = {
        "daily_summary": [{"session_count": sessions, "converted_count": converted, "bounce_count": bounces}],
        "action_steps": [
            {"outcome": outcome, "action": action, "step_number": number, "session_count": count}
            | {"converted_count": count if outcome == "purchase" else 0}
            for outcome, action, number, count in steps
        ],
        "action_visits": [
            visits(action, count) | {"converted_count": after, "not_converted_count": others}
            for action, count, after, others in at
        ],
    }
    return {row["action"]: (row["converted_share"], row["other_share"]) for row in rows_of("common_actions", tables)}


def test_common_actions_leave_out_what_follows_a_conversion() -> None:
    """Of 10 visits, 8 convert and then see /thanks; so does one of the others. All begin with /a."""
    steps = [("purchase", "/a", 1, 8), ("engaged", "/a", 1, 2), ("purchase", "purchase", 2, 8)]
    steps += [("engaged", "/thanks", 2, 1), ("purchase", "/thanks", 3, 8)]
    found = common_actions((10, 8, 0), steps, [("/a", 10, 8, 2), ("/thanks", 9, 0, 1)])
    assert found == {"/a": (1.0, 1.0), "/thanks": (0.0, 0.5)}


def test_common_actions_leave_out_bounces() -> None:
    """Of 10 visits without a conversion, 6 are bounces; all bounces and one of the others see /a."""
    steps = [("bounce", "/a", 1, 6), ("engaged", "/a", 1, 1), ("engaged", "/b", 2, 4)]
    assert common_actions((10, 0, 6), steps, [("/a", 7, 0, 1), ("/b", 4, 0, 4)]) == {"/b": (None, 1.0)}


def test_common_actions_count_each_visit_once() -> None:
    """Of 10 visits without a conversion, 4 do /a: one of them three times, and 3 bounces twice."""
    steps = [("engaged", "/a", 1, 4), ("engaged", "/a", 2, 1), ("engaged", "/a", 3, 1), ("engaged", "/b", 1, 6)]
    steps += [("bounce", "/a", 1, 3), ("bounce", "/a", 2, 3)]
    found = common_actions((13, 0, 3), steps, [("/a", 7, 0, 4), ("/b", 6, 0, 6)])
    assert found == {"/a": (None, 0.4), "/b": (None, 0.6)}


@pytest.mark.parametrize(
    ("dimension", "value", "expected"),
    [
        ("device", "mobile", ["a-error", "b-back"]),
        ("device", "(none)", ["c-unknown"]),
        ("all", "all", ["a-error", "b-back", "c-unknown"]),
        ("plan", "pro", ["b-back"]),
        ("plan", "(none)", ["a-error", "c-unknown"]),
    ],
)
def test_examples_of_a_step_are_its_victims_whatever_they_did_instead(
    dimension: str, value: str, expected: list[str]
) -> None:
    """All other visits went on, or had before, or bought something, or came before the change."""
    visits = {
        "a-error": ("mobile", False, ["/ship", "error"]),
        "b-back": ("mobile", False, ["/ship", "/cart"]),
        "c-unknown": (None, False, ["/ship"]),
        "d-went-on": ("mobile", False, ["/ship", "/pay"]),
        "e-had-before": ("mobile", False, ["/pay", "/ship"]),
        "f-bought": ("mobile", True, ["/ship"]),
        "g-elsewhere": ("mobile", False, ["/cart"]),
        "z-before": ("mobile", False, ["/ship"]),
    }
    of_visit = {
        name: {"session_date": LAST - DAY if name == "z-before" else LAST, "session_id": name, "site": "main"}
        for name in visits
    }
    parameters = {"first_day": LAST, "last_day": LAST, "site": "main", "action": "/ship", "next_action": "/pay"}
    found = answer(
        "flaw_step_examples",
        parameters | {"dimension": dimension, "dimension_value": value},
        session_facts=[
            of_visit[name] | {"device": device, "is_converted": is_converted}
            for name, (device, is_converted, _) in visits.items()
        ],
        session_actions=[
            of_visit[name] | {"action_number": number, "action": action, "is_bot": False}
            for name, (_, _, actions) in visits.items()
            for number, action in enumerate(actions, start=1)
        ],
        session_dimensions=[of_visit["b-back"] | {"dimension": "plan", "dimension_value": "pro"}],
    )
    assert [row["session_id"] for row in found] == expected
