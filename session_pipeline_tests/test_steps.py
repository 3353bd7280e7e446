"""Tests what a step reads for a day and which values it gets: dates of inputs, parameters, lists of the settings."""

from datetime import date, datetime, timedelta

import pytest
import sqlglot
from sqlglot import exp

from session_pipeline.engines.spark_macros import expand
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.tables import TABLES, models, spans
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import LOGS, STEP_OF_TABLE, STEPS

NEW_YORK = "America/New_York"  # 2026-03-08 has 23 hours there
FUNNELS = """
[[funnels]]
name = "shop"
grain = "visitor"
window_seconds = 90000
steps = [{ name = "cart", where = "event_name = 'cart'" }, { name = "purchase", where = "event_name = 'purchase'" }]

[[funnels]]
name = "blog"
window_seconds = 200000
exclusions = [
    { where = "event_name = 'logout'", after_step = 1, before_step = 2 },
    { where = "event_name = 'login'", after_step = 2 },
]
steps = [
    { name = "read", where = "event_name = 'read'" },
    { name = "sign up", where = "event_name = 'sign_up'" },
    { name = "pay", where = "event_name = 'pay'" },
]
"""


def march(*days: int) -> tuple[date, ...]:
    return tuple(date(2026, 3, day) for day in days)


def frame(settings: str = "", timezone: str = NEW_YORK, wanted: tuple[date, ...] | None = None) -> Frame:
    parsed = parse_settings(settings, "settings.toml")
    return Frame(parsed, Calendar(timezone), march(*range(1, 32)) if wanted is None else wanted, date(2026, 3, 31))


@pytest.mark.parametrize(
    ("span", "day", "read"),
    [
        (spans.THE_DAY, 9, (9,)),
        (spans.DAY_BEFORE, 9, (8,)),
        (spans.DAY_BEFORE, 1, ()),
        (spans.UTC_DATES, 9, (9, 10)),
        (spans.REACH, 10, (10, 11)),
        (spans.REACH, 7, (7, 8, 9)),
        (spans.REACH, 31, (31,)),
        (spans.REACHING, 10, (9,)),
        (spans.REACHING, 9, (7, 8)),
        (spans.REACHING, 1, ()),
        (spans.END_OF_REACH, 10, ()),
        (spans.END_OF_REACH, 31, (31,)),
        (spans.END_OF_REACH, 30, ()),
        (spans.ALL_DAYS, 9, tuple(range(1, 32))),
        (spans.days_back(1), 9, (9,)),
        (spans.days_back(3), 9, (7, 8, 9)),
        (spans.days_back(28), 2, (1, 2)),
    ],
)
def test_span_has_these_dates(span: spans.Span, day: int, read: tuple[int, ...]) -> None:
    assert span.dates(frame(), date(2026, 3, day)) == march(*read)


def test_undated_step_reads_all_days() -> None:
    assert spans.THE_DAY.dates(frame(wanted=march(3, 5)), None) == march(3, 5)


def test_unwanted_days_are_not_read() -> None:
    some = frame(wanted=march(7, 9, 10))
    assert spans.DAY_BEFORE.dates(some, date(2026, 3, 9)) == ()
    assert spans.REACH.dates(some, date(2026, 3, 7)) == march(7, 9)
    assert spans.END_OF_REACH.dates(some, date(2026, 3, 10)) == march(10)
    assert some.is_wanted(date(2026, 3, 7))
    assert not some.is_wanted(date(2026, 3, 8))


@pytest.mark.parametrize(
    ("seconds", "read"),
    [(None, (10,)), (1, (9, 10, 11)), (86400, (9, 10, 11)), (86401, (9, 10, 11, 12)), (90000, (9, 10, 11, 12))],
)
def test_visitor_funnel_reads_the_days_of_its_window(seconds: int | None, read: tuple[int, ...]) -> None:
    settings = "funnels = []" if seconds is None else FUNNELS.replace("90000", str(seconds))
    assert spans.VISITOR_WINDOW.dates(frame(settings), date(2026, 3, 10)) == march(*read)


def test_visitor_funnel_skips_days_of_zero_length() -> None:
    apia = frame(FUNNELS, "Pacific/Apia", tuple(date(2011, 12, day) for day in (28, 29, 30, 31)))
    read = spans.VISITOR_WINDOW.dates(apia, date(2011, 12, 29))
    assert read == (date(2011, 12, 28), date(2011, 12, 29), date(2011, 12, 31))


def test_only_visitor_funnels_have_a_visitor_window() -> None:
    assert frame(FUNNELS).longest_visitor_window == timedelta(seconds=90000)
    two = FUNNELS + FUNNELS.replace("shop", "two").replace("blog", "three").replace("90000", "5")
    assert frame(two).longest_visitor_window == timedelta(seconds=90000)
    assert frame("funnels = []").longest_visitor_window == timedelta(0)


def test_durations_have_the_units_that_models_compare() -> None:
    settings = """
        [sessions]
        inactivity_minutes = 20
        max_hours = 3
        engaged_seconds = 7
        engaged_gap_seconds = 11
    """
    parameters = frame(settings + FUNNELS).parameters
    assert parameters["inactivity_minutes"] == 20
    assert parameters["carried_minutes"] == 60
    assert parameters["max_microseconds"] == 10_800_000_000
    assert parameters["engaged_microseconds"] == 7_000_000
    assert parameters["engaged_gap_microseconds"] == 11_000_000
    assert parameters["z"] == pytest.approx(1.959963984540054, abs=1e-15)


def test_days_have_their_bounds() -> None:
    eighth, last = frame(FUNNELS).days(march(8, 31)).rows
    assert eighth == {
        "event_date": date(2026, 3, 8),
        "day_start": datetime(2026, 3, 8, 5),
        "day_end": datetime(2026, 3, 9, 4),
        "day_before": date(2026, 3, 7),
        "day_number": 20_520,
        "number_built_before": 20_519,
        "end_of_reach": None,
        "observed_until": datetime(2026, 3, 10, 5),
    }
    assert last["end_of_reach"] == date(2026, 3, 31)
    assert last["observed_until"] == datetime(2026, 4, 1, 4)
    parts = frame(FUNNELS).day_parts(march(8, 31)).rows
    assert [(part["utc_date"], part["event_date"]) for part in parts] == [
        (date(2026, 3, 8), date(2026, 3, 8)),
        (date(2026, 3, 9), date(2026, 3, 8)),
        (date(2026, 3, 31), date(2026, 3, 31)),
        (date(2026, 4, 1), date(2026, 3, 31)),
    ]


def test_lists_have_the_rows_of_the_settings() -> None:
    settings = parse_settings(FUNNELS, "settings.toml")
    lists = STEP_OF_TABLE["funnel_entries"].lists
    columns = ("funnel", "is_within_session", "window_seconds", "step_count")
    assert [tuple(row[name] for name in columns) for row in lists["funnels"](settings).rows] == [
        ("shop", False, 90000, 2),
        ("blog", True, 200000, 3),
    ]
    assert [tuple(row.values())[:3] for row in lists["funnel_step_rules"](settings).rows] == [
        ("shop", 1, None),
        ("shop", 2, 1),
        ("blog", 1, None),
        ("blog", 2, 1),
        ("blog", 3, 2),
    ]
    assert lists["stopping_steps"](settings).rows == []
    assert lists["exclusion_rules"](settings).rows == [
        {"funnel": "blog", "step_number": -1, "after_step": 1, "before_step": 2},
        {"funnel": "blog", "step_number": -2, "after_step": 2, "before_step": 3},
    ]
    names = STEP_OF_TABLE["funnel_steps"].lists["funnel_step_names"](settings).rows
    assert [tuple(row.values()) for row in names] == [
        ("shop", 1, "cart", False, False),
        ("shop", 2, "purchase", False, True),
        ("blog", 1, "read", False, False),
        ("blog", 2, "sign up", False, False),
        ("blog", 3, "pay", False, True),
    ]


def test_outcomes_are_ordered_by_priority_and_event_names_by_name() -> None:
    settings = parse_settings(
        """
        [[outcomes]]
        name = "purchase"
        where = "event_name = 'purchase'"
        is_conversion = true

        [[outcomes]]
        name = "reader"
        where_session = "page_view_count > 2"

        [actions]
        ignored_events = ["ping", "beat"]

        [sessions]
        passive_events = ["scroll", "move"]
        """,
        "settings.toml",
    )
    rules = STEP_OF_TABLE["session_outcomes"].lists["outcome_rules"](settings).rows
    assert [tuple(row.values()) for row in rules] == [(0, "purchase", True), (1, "reader", False)]
    lists = STEP_OF_TABLE["action_labels"].lists
    assert lists["ignored_events"](settings).rows == [{"event_name": "beat"}, {"event_name": "ping"}]
    assert lists["passive_events"](settings).rows == [{"event_name": "move"}, {"event_name": "scroll"}]


def test_funnel_steps_are_computed_one_after_another() -> None:
    step = STEP_OF_TABLE["funnel_entries"]
    settings = parse_settings(FUNNELS, "settings.toml")
    runs = [(computation.model, computation.name, dict(run)) for computation, run in step.runs(settings)]
    assert runs == [
        ("step_events", "step_events", {}),
        ("reached_steps", "reached_steps", {}),
        ("next_reached_steps", "reached_steps", {"step_number": 2}),
        ("next_reached_steps", "reached_steps", {"step_number": 3}),
        ("funnel_attempts", "funnel_attempts", {}),
        ("attempt_steps", "attempt_steps", {}),
    ]
    assert len(step.runs(parse_settings("funnels = []", "settings.toml"))) == 4
    assert step.day_columns == {"day_start", "day_end", "observed_until"}


def test_steps_with_observed_until_read_the_days_until_then() -> None:
    """How far a change reaches is found from the inputs alone, and the horizon can change `observed_until`."""
    observing = [step for step in STEPS if "observed_until" in step.day_columns]
    assert observing
    for step in observing:
        assert spans.VISITOR_WINDOW in {what.span for what in step.inputs}, step.name


def test_models_of_options_run_only_for_funnels_that_use_them() -> None:
    strict = FUNNELS.replace('name = "blog"', 'name = "blog"\nmode = "strict"\nstop_ends = "all"')
    unordered = FUNNELS.replace('name = "shop"', 'name = "shop"\nmode = "unordered"')
    step = STEP_OF_TABLE["funnel_entries"]
    usual, strictly, without_order = (
        {computation.model for computation, _ in step.runs(parse_settings(text, "settings.toml"))}
        for text in (FUNNELS, strict, unordered)
    )
    assert strictly - usual == {"stopped_events", "unstopped_steps"}
    assert without_order - usual == {
        "narrower_steps",
        "next_step_events",
        "unordered_attempts",
        "unordered_steps",
        "distinct_steps",
    }


def test_steps_have_the_parameters_of_their_sql() -> None:
    assert STEP_OF_TABLE["agents_seen"].parameters == frozenset()
    assert STEP_OF_TABLE["agents_seen"].day_columns == {"day_start", "day_end"}
    assert STEP_OF_TABLE["events"].day_columns == {"day_start", "day_end", "day_before"}
    assert STEP_OF_TABLE["sessions"].day_columns == frozenset()
    assert STEP_OF_TABLE["user_agents"].parameters == frozenset()
    assert STEP_OF_TABLE["agents_seen"].is_daily
    assert not STEP_OF_TABLE["user_agents"].is_daily


def test_parameters_that_settings_lack_are_those_of_the_computations() -> None:
    """A fingerprint has only these two kinds, so a change of any other parameter would make nothing stale."""
    patterns = """
[[patterns]]
name = "timed"
pattern = "search -> [^search]* -> search"
within_seconds = 600

[[patterns]]
name = "untimed"
pattern = "search -> cart"
"""
    found = frame(FUNNELS + patterns)
    known = found.parameters.keys()
    lacking = {step.name: set(step.parameters - known) for step in STEPS if step.parameters - known}
    given = {step.name: {name for _, run in step.runs(found.settings) for name in run} for step in STEPS}
    assert lacking == {name: names for name, names in given.items() if names}
    assert not known & set().union(*given.values())


def test_only_day_history_records_the_first_build() -> None:
    assert {log.table: log.records_first_build for log in LOGS} == {"session_changes": False, "_day_history": True}


def test_inputs_and_spans_are_derived_from_the_sql() -> None:
    found = {step.name: {what.table: what.span for what in step.inputs} for step in STEPS}
    assert found["event_matches"] == {"events": spans.REACH}
    assert found["session_outcomes"] == {"outcome_matches": spans.THE_DAY, "sessions": spans.THE_DAY}
    assert found["agents_seen"] == {"raw_events": spans.UTC_DATES}
    assert found["user_agents"] == {"agents_seen": spans.ALL_DAYS}
    assert found["funnel_steps"] == {"funnel_entries": spans.THE_DAY, "funnel_entry_steps": spans.THE_DAY}
    assert found["sessionize"]["open_sessions"] == spans.DAY_BEFORE
    assert found["daily_summary"]["events"] == spans.THE_DAY


@pytest.mark.parametrize("model", models.names())
def test_tokens_of_a_model_say_what_its_parsed_sql_says(model: str) -> None:
    parsed = sqlglot.parse_one(models.text(model), read="duckdb")
    own = {cte.alias for cte in parsed.find_all(exp.CTE)}
    assert models.tables_read(model) == {found.name for found in parsed.find_all(exp.Table)} - own
    assert {found.name for found in parsed.find_all(exp.Column)} - {"*"} <= models.columns_read(model)


def test_meaning_of_a_model_is_that_of_its_tokens_and_macros(monkeypatch: pytest.MonkeyPatch) -> None:
    def meaning(model: str, macros: str = models.macros()) -> str:
        monkeypatch.setattr(models, "text", lambda name: model)
        monkeypatch.setattr(models, "macros", lambda: macros)
        for cached in (models.tokens, models.meaning, models._macro_tokens):
            cached.cache_clear()
        found = models.meaning("any")
        for cached in (models.tokens, models.meaning, models._macro_tokens):
            cached.cache_clear()
        return found

    select = "select wilson_low(a, n, 2) as low from t where b = 'x -- y'"
    assert meaning(select) == meaning("-- a comment\nselect wilson_low( a,n,2 )\n  as low\nfrom t where b='x -- y'")
    assert meaning(select) != meaning(select.replace("x --", "x -"))
    assert meaning(select) != meaning(select, models.macros().replace("z * z", "z + z"))
    without = "select a from t"
    assert meaning(without) == meaning(without, models.macros().replace("z * z", "z + z"))


def test_default_span_depends_on_the_date_columns() -> None:
    by_event, by_session, by_entry = (TABLES[name] for name in ("events", "sessions", "funnel_entries"))
    assert spans.usual_span(by_session, by_event) == spans.REACH
    assert spans.usual_span(by_entry, by_event) == spans.REACH
    assert spans.usual_span(by_event, by_session) == spans.REACHING
    assert spans.usual_span(by_entry, by_session) == spans.THE_DAY


@pytest.mark.parametrize(
    ("span", "distance"),
    [(spans.THE_DAY, 0), (spans.DAY_BEFORE, 0), (spans.REACH, 1), (spans.days_back(10), 0)],
)
def test_distance_of_a_span_is_to_its_furthest_later_date(span: spans.Span, distance: int) -> None:
    assert span.distance(frame(), date(2026, 3, 15)) == distance


@pytest.mark.parametrize("step", [step for step in STEPS if step.copied], ids=lambda step: step.name)
def test_columns_said_to_be_copied_are_copied(step: Step) -> None:
    for name, copied in step.copied.items():
        query = expand(sqlglot.parse_one(models.text(name), read="duckdb"))
        assert isinstance(query, exp.Select)
        read = [each for each in query.find_all(exp.Table) if each.parent_select is query]
        aliases = {each.alias for each in read if each.name == copied.table}
        outer = {join.alias_or_name for join in query.args["joins"] if join.side}
        assert not aliases & outer, "an outer join adds nulls to copied columns"
        shared = {each.name for each in TABLES[name].columns} & {each.name for each in TABLES[copied.table].columns}
        for column in shared - copied.computed:
            [selected] = [each for each in query.selects if each.alias_or_name == column]
            assert isinstance(selected, exp.Column), f"{column} is computed"
            assert (selected.name, selected.table in aliases) == (column, True)
