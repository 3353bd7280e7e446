"""Tests queries of the report about pages and other actions, on a few rows of the tables that they read."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from session_pipeline_tests.test_report_queries import DAY, FIRST, LAST, answer, rows_of


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
    found = rows_of("landing_pages", {"action_transitions": [*entries, *bounces], "action_visits": []})
    figures = [(row["action"], row["session_count"], row["converted_count"], row["bounce_rate"]) for row in found]
    assert figures[:2] == [("/product/…", 30, 6, 0.2), ("/00", 5, 2, 0.2)]
    assert figures[-1] == (None, 15, 6, 0.2)
    assert sum(row["session_count"] for row in found) == 90


def test_visits_that_come_to_a_first_page_later_are_counted() -> None:
    """On the day before, no visit began there; two days before, it was not among the most visited actions."""
    entry = {"transition": "entry", "to_action": "/cart", "session_count": 5}
    days_before = {"session_date": LAST - 2 * DAY}
    entries = [entry, entry | days_before, entry | {"to_action": "action (none)"}, entry | {"to_action": "/a"}]
    at_cart = visits("/cart", 9)
    others = [visits("/cart", 4, days_ago=1), at_cart | {"dimension": "device"}, at_cart | {"site": "other"}]
    tables = {
        "action_transitions": [each | {"converted_count": 0} for each in entries],
        "action_visits": [at_cart, *others, visits("(none)", 6)],
    }
    found = {row["action"]: row["later_count"] for row in rows_of("landing_pages", tables)}
    assert found == {"/cart": 8, "action (none)": 1, "/a": None}


@pytest.mark.parametrize(("most", "expected"), [(5, [("/product/…", 10)]), (6, [("/product/a", 6), ("/product/b", 1)])])
def test_page_with_most_visits_of_its_folder_has_its_own_row(most: int, expected: list[tuple[str, int]]) -> None:
    counts = dict.fromkeys(SIX_PAGES, 1) | {"/product/a": most}
    entries = [{"transition": "entry", "to_action": page, "session_count": count} for page, count in counts.items()]
    tables = {"action_friction": [], "action_visits": []}
    first = rows_of("landing_pages", tables | {"action_transitions": [row | {"converted_count": 0} for row in entries]})
    last = rows_of("exit_pages", tables | {"action_transitions": [exits(page, counts[page]) for page in SIX_PAGES]})
    assert [(row["action"], row["session_count"]) for row in first][:2] == expected
    assert [(row["action"], row["exit_count"]) for row in last][:2] == expected


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
        (landing,) = rows_of("landing_pages", at_pages | tables)
        assert (landing["session_count"], landing["conversion_rate"]) == (7, rate)
        assert (landing["bounce_rate"] is None, landing["low"] is None, landing["high"] is None) == (rate is None,) * 3
        assert [row["share"] for row in rows_of("transitions", tables)] == [rate]
        assert [row["exit_rate"] for row in rows_of("exit_pages", at_pages | tables)] == [rate]
    earlier = {**rare, "session_date": FIRST - DAY}
    tables = at_pages | {"action_transitions": [*rows[:3], earlier]}
    assert rows_of("landing_pages", tables)[0]["conversion_rate"] == 1.0


def test_slash_in_a_parameter_of_an_action_is_no_folder() -> None:
    pages = [f"/product/{letter}?list=new/{letter}" for letter in "abcdef"]
    start_pages = [f"/start?list=new/{letter}" for letter in "abcdef"]
    actions = [*pages, *start_pages]
    entries = [{"session_date": LAST, "transition": "entry", "to_action": page, "session_count": 1} for page in actions]
    tables = {
        "action_transitions": [*entries, *(exits(page, 1) for page in actions)],
        "action_friction": [{**visits(page, 1), "hard_time_count": 1} for page in actions],
        "action_visits": [],
        "session_friction": [],
    }
    for name in ("landing_pages", "exit_pages", "friction_by_page"):
        assert [row["action"] for row in rows_of(name, tables)][:7] == ["/product/…", *start_pages]


@pytest.mark.parametrize(
    ("hard_times", "expected"),
    [
        ([2] * 6, [("/product/…", 12, None)]),
        ([7, *[1] * 5], [("/product/a", 7, 10), *((page, 1, 10) for page in SIX_PAGES[1:])]),
        ([2] * 5, [(page, 2, 10) for page in SIX_PAGES[:5]]),
    ],
)
def test_hard_times_of_a_folder_are_one_row_unless_one_page_has_most(
    hard_times: list[int], expected: list[tuple[str, int, int]]
) -> None:
    pages = [{**visits(page, 10), "hard_time_count": count} for page, count in zip(SIX_PAGES, hard_times, strict=False)]
    found = rows_of("friction_by_page", {"action_friction": pages, "session_friction": []})
    assert [(row["action"], row["hard_time_count"], row["session_count"]) for row in found] == expected


def test_visit_with_hard_times_at_many_pages_of_a_folder_counts_once_there() -> None:
    """Two programs that ask for six pages are no larger fault than three visitors at one page."""
    met = [
        {"session_id": visitor, "action": page, "signal": signal, "is_hard_time": signal == "error", "is_bot": is_bot}
        for visitor, is_bot in (("a", False), ("b", False), ("bot", True))
        for page in SIX_PAGES
        for signal in ("error", "back_track")
    ]
    met += [{**met[0], "signal": "u_turn"}, {**met[0], "session_date": FIRST - DAY}]
    met += [{**met[0], "session_id": visitor, "action": "/pay"} for visitor in "cde"]
    pages = [{**visits(page, 9), "hard_time_count": 2, "error_count": 2, "u_turn_count": 0} for page in SIX_PAGES]
    pages[0] |= {"u_turn_count": 1}
    pages += [{**visits("/pay", 9), "hard_time_count": 3, "error_count": 3, "u_turn_count": 0}]
    found = rows_of("friction_by_page", {"action_friction": pages, "session_friction": met})
    counts = ("action", "hard_time_count", "error_count", "u_turn_count", "rage_click_count", "friction_rate")
    assert [tuple(row[name] for name in counts) for row in found] == [
        ("/pay", 3, 3, 0, None, 3 / 9),
        ("/product/…", 2, 2, 1, None, None),
    ]
    assert [row["is_by_page"] for row in found] == [False, False]


def test_visit_whose_session_has_expired_counts_once_for_each_page_of_a_folder() -> None:
    met = [{"session_id": "a", "action": page, "signal": "error", "is_hard_time": True} for page in SIX_PAGES]
    days = [{**visits(page, 1, days_ago=days_ago), "hard_time_count": 1} for page in SIX_PAGES for days_ago in (0, 1)]
    pages = [*days, {**visits("/pay", 1), "hard_time_count": 1}]
    met = [{**row, "is_bot": False, "session_date": LAST} for row in met]
    found = rows_of("friction_by_page", {"action_friction": pages, "session_friction": met})
    assert [(row["action"], row["hard_time_count"], row["is_by_page"]) for row in found] == [
        ("/product/…", 7, True),
        ("/pay", 1, False),
    ]


def test_hard_times_beyond_the_most_frequent_are_all_others() -> None:
    pages = [{**visits(f"/{number:02}", 10), "hard_time_count": 3} for number in range(14)]
    found = rows_of("friction_by_page", {"action_friction": pages, "session_friction": []})
    assert len(found) == 13
    assert [found[-1][name] for name in ("action", "site", "hard_time_count", "friction_rate")] == [None, None, 6, None]
    assert (found[0]["session_count"], found[-1]["session_count"]) == (10, None)


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
        at: Action, visits there, those that convert with it or after it, and those that neither convert nor bounce.
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
    """Of 10 visits, 8 convert and then see /thanks; so does one of the others. All begin with /a.

    The conversion itself is listed, as in usual paths.
    """
    steps = [("purchase", "/a", 1, 8), ("engaged", "/a", 1, 2), ("purchase", "purchase", 2, 8)]
    steps += [("engaged", "/thanks", 2, 1), ("purchase", "/thanks", 3, 8)]
    found = common_actions((10, 8, 0), steps, [("/a", 10, 8, 2), ("purchase", 8, 8, 0), ("/thanks", 9, 0, 1)])
    assert found == {"/a": (1.0, 1.0), "purchase": (1.0, 0.0), "/thanks": (0.0, 0.5)}


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
