"""Compares the tables of paths, and the macros about actions, with the oracle on random sessions of several sites."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import duckdb
import pytest

from session_pipeline import checks
from session_pipeline.checks import unusual
from session_pipeline.engines.sql import query_text
from session_pipeline.publish import warehouse
from session_pipeline.run.pipeline import open_store
from session_pipeline.tables import table
from session_pipeline_tests.checked_stores import opened
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import action_labels as of_labels
from session_pipeline_tests.oracles import path_macros as of_macros
from session_pipeline_tests.oracles import paths as oracle
from session_pipeline_tests.oracles.path_cases import LAST_DAY, Group, group
from session_pipeline_tests.oracles.paths import Session
from session_pipeline_tests.oracles.typical_paths import typical_paths

Row = Mapping[str, Any]

# The usual tests have the first seed, the long ones the next, the nightly ones the others.
# Three seeds have each of FOLDS, six each of SIZES, and eighteen each pair of them.
USUAL, LONG, ALL = 1, 3, 18


def marks_of(seed: int) -> list[pytest.MarkDecorator]:
    return [] if seed < USUAL else [pytest.mark.long if seed < LONG else pytest.mark.nightly]


class Case(Deployment):
    """The sessions of a seed, built."""

    group: Group


@pytest.fixture(
    scope="module",
    params=[pytest.param(seed, marks=marks_of(seed)) for seed in range(ALL)],
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    cases = group(request.param)
    built = Case(
        tmp_path_factory.mktemp("paths"),
        cases.settings,
        only=("action_transitions", "typical_paths", "session_outcomes", "action_labels"),
    )
    built.group = cases
    for source, lines in cases.lines.items():
        built.deliver("lines", lines, source)
    built.run(LAST_DAY)
    return built


@pytest.fixture(scope="module")
def sessions(built: Case) -> Sequence[Session]:
    return sessions_of(built)


def sessions_of(built: Case) -> Sequence[Session]:
    """Return the human sessions from tables that have oracles of their own."""
    outcomes = {row["session_id"]: row for row in built.records("session_outcomes")}
    actions: dict[str, list[tuple[str, datetime]]] = {}
    for row in sorted(built.records("session_actions"), key=lambda row: row["action_number"]):
        actions.setdefault(row["session_id"], []).append((row["action"], row["occurred_at"]))
    return [
        Session(
            row["session_date"],
            row["site"],
            row["session_id"],
            outcomes[row["session_id"]]["outcome"],
            outcomes[row["session_id"]]["is_converted"],
            row["device"] or "(none)",
            row["duration_seconds"],
            tuple(actions.get(row["session_id"], ())),
        )
        for row in built.records("sessions")
        if not row["is_bot"]
    ]


def compare(built: Case, name: str, expected: Sequence[Row]) -> None:
    """Compare all rows and columns of a table."""
    contract = table(name)
    found = built.records(name)
    assert expected
    assert set(expected[0]) == {contract.date_column, *(column.name for column in contract.columns)}
    key = (contract.date_column, *contract.key)
    ours, theirs = oracle.by_key(found, key), oracle.by_key(expected, key)
    assert ours.keys() == theirs.keys()
    assert {
        place: (shown(ours[place]), shown(row)) for place, row in theirs.items() if shown(ours[place]) != shown(row)
    } == {}


def shown(row: Row) -> Row:
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()}


def test_action_labels_equal_the_oracle(built: Case) -> None:
    group = built.group
    expected = of_labels.action_labels(built.records("events"), group.fold, group.ignored, group.parameters)
    compare(built, "action_labels", expected)


def test_session_actions_equal_the_oracle(built: Case) -> None:
    group = built.group
    bots = {row["session_id"] for row in built.records("sessions") if row["is_bot"]}
    assert bots
    expected = of_labels.session_actions(built.records("events"), bots, group.fold, group.ignored, group.parameters)
    compare(built, "session_actions", expected)


def test_action_transitions_equal_the_oracle(built: Case, sessions: Sequence[Session]) -> None:
    compare(built, "action_transitions", oracle.transitions(sessions, built.group.sizes))


def test_action_steps_equal_the_oracle(built: Case, sessions: Sequence[Session]) -> None:
    compare(built, "action_steps", oracle.steps(sessions, built.group.sizes))


def test_session_paths_equal_the_oracle(built: Case, sessions: Sequence[Session]) -> None:
    compare(built, "session_paths", oracle.session_paths(sessions, built.group.sizes))


def test_path_counts_equal_the_oracle(built: Case, sessions: Sequence[Session]) -> None:
    compare(built, "path_counts", oracle.path_counts(sessions, built.group.sizes))


def test_typical_paths_equal_the_oracle(built: Case, sessions: Sequence[Session]) -> None:
    days = {row["event_date"] for row in built.records("events")}
    days |= {day + timedelta(days=1) for day in days}
    built_days = sorted(day for day in days if day <= LAST_DAY)
    compare(built, "typical_paths", typical_paths(sessions, built_days, built.group.sizes))


@pytest.fixture(scope="module")
def actions_of_sessions(built: Case) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the macros of the warehouse and the tables that they read."""
    with closing(duckdb.connect()) as connection, closing(open_store(built.folder)) as store:
        for name in ("session_actions", "session_outcomes"):
            selects = [
                f"select *, date '{partition.key.date}' as session_date from"
                f" read_parquet({list(map(str, store.paths_of(partition)))}, hive_partitioning = false)"
                for partition in store.of_table(name)
            ]
            connection.execute(f"create table {name} as {' union all by name '.join(selects)}")
        connection.execute(query_text(warehouse.__package__, "macros"))
        yield connection


def selected(connection: duckdb.DuckDBPyConnection, call: str, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = ", ".join(f"{name} := ${name}" for name in arguments)
    cursor = connection.execute(f"from {call}({given})", dict(arguments))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def selections(sessions: Sequence[Session], random: Random) -> Iterator[tuple[dict[str, Any], Sequence[Session]]]:
    """Return arguments of macros that select sessions, with these sessions."""
    days, sites = sorted({one.day for one in sessions}), sorted({one.site for one in sessions})
    for has_first, has_last, has_site in product((True, False), repeat=3):
        first, last = sorted(random.choices(days, k=2))
        site = random.choice(sites)
        arguments = {"first_day": first} if has_first else {}
        arguments |= {"last_day": last} if has_last else {}
        arguments |= {"given_site": site} if has_site else {}
        yield (
            arguments,
            [
                one
                for one in sessions
                if (not has_first or first <= one.day)
                and (not has_last or one.day <= last)
                and (not has_site or one.site == site)
            ],
        )


@pytest.mark.parametrize("macro", ["paths_after", "paths_before"])
def test_paths_after_and_before_equal_the_oracle(
    macro: str, sessions: Sequence[Session], actions_of_sessions: duckdb.DuckDBPyConnection
) -> None:
    random, expected_of = Random(1), getattr(of_macros, macro)
    names = sorted({action for one in sessions for action, _ in one.actions})
    for arguments, chosen in selections(sessions, random):
        for action in random.sample(names, 3):
            most = random.choice((1, 2, 3, 50))
            given = {"given_action": action, "step_count": most, **arguments}
            assert selected(actions_of_sessions, macro, given) == expected_of(chosen, action, most), given
    given = {"given_action": "cart"}
    assert selected(actions_of_sessions, macro, given) == expected_of(sessions, "cart", 3)


def test_ad_hoc_funnel_equals_the_oracle(
    sessions: Sequence[Session], actions_of_sessions: duckdb.DuckDBPyConnection
) -> None:
    random, reached = Random(2), Counter[int]()
    names = sorted({action for one in sessions for action, _ in one.actions})
    for arguments, chosen in selections(sessions, random):
        for _ in range(8):
            # Some of the actions of a session, mostly in their order: steps that this session may reach.
            actions = [action for action, _ in random.choice([one for one in sessions if len(one.actions) > 1]).actions]
            places = sorted(random.sample(range(len(actions)), k=min(len(actions), random.randint(1, 3))))
            steps = [[actions[place]] for place in (places if random.random() < 0.8 else reversed(places))]
            has_options = random.random() < 0.5
            if has_options:
                steps = [[*step, *random.sample(names, random.randint(0, 2))] for step in steps]
            seconds = random.choice((None, 0, 1, 1.25, 9, 100, 2000))
            window = {} if seconds is None else {"window_seconds": seconds}
            given = {"given_steps": steps if has_options else [step for [step] in steps], **window, **arguments}
            expected = of_macros.ad_hoc_funnel(chosen, steps, seconds)
            assert selected(actions_of_sessions, "ad_hoc_funnel", given) == expected, given
            reached.update(row["step_number"] for row in expected if row["session_count"])
    assert min(reached[1], reached[2]) > 10


@pytest.mark.parametrize(("most", "most_actions"), [(0, 0), (2, 6), (5, 15), (99, 15)])
def test_unfolded_actions_names_what_the_oracle_finds(
    most: int, most_actions: int, built: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unusual, "LARGEST_VALUE_COUNT", most)
    monkeypatch.setattr(unusual, "LARGEST_ACTION_COUNT", most_actions)
    by_day: dict[date, set[str]] = defaultdict(set)
    for row in built.records("action_labels"):
        if row["action"] is not None:
            by_day[row["event_date"]].add(row["action"])
    expected = []
    for day, actions in by_day.items():
        ways = {key: found for key, found in of_labels.ways_to_continue(actions).items() if found[0] > most}
        expected += [
            f"{day}: {count} different actions begin with {on_a_line(beginning)},"
            f" from {on_a_line(first)} to {on_a_line(last)}"
            for beginning, (count, first, last) in ways.items()
        ]
        if not ways and len(actions) > most_actions:
            expected.append(f"{day}: {len(actions)} actions")
    with opened(built, LAST_DAY) as run:
        verdict = checks.unfolded_actions(run, sorted(by_day))
    assert verdict.holds == (not expected)
    assert sorted(verdict.problems) == sorted(expected)


def on_a_line(action: str) -> str:
    return action.replace("\n", " ")
