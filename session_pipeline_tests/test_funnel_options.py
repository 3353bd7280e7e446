"""Tests all options of funnels on random funnels and random events: the pipeline's tables equal those of the oracle.

A visitor has a few events within seconds, with many equal times, in up to three sessions on two days. Conditions of
steps overlap, so that one event can meet several steps.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from math import isnan
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from session_pipeline.errors import SettingsError
from session_pipeline.settings import parse_settings
from session_pipeline_tests.deliveries import ALLOWANCES, Delivery, delivery, read_lines, settings
from session_pipeline_tests.deployment import Deployment, to_toml
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import entry_row
from session_pipeline_tests.oracles.funnel_counts import action_count, actions_after, drop_rows, entry_date, step_rows
from session_pipeline_tests.oracles.funnels import Attempt, Exclusion, Funnel, Limits, attempts
from session_pipeline_tests.oracles.sessions import Event, Rules

VISITOR_COUNT = 300
FEW_VISITORS = 100  # in all but some nightly cases: most of the time is that of the oracle
FUNNEL_COUNT = 40
NOON = datetime(2026, 10, 5, 12)
DAY = date(2026, 10, 5)
UNTIL = date(2026, 10, 7)
RULES = Rules()
PAUSES = (timedelta(hours=1), timedelta(hours=13))

TABLES = ("funnel_entries", "funnel_steps", "funnel_drops")

Row = dict[str, Any]


def visits(random: Random, first: datetime = NOON, visitor_count: int = VISITOR_COUNT) -> Delivery:
    lines = []
    for visitor in range(visitor_count):
        begins = first
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            lines += [
                {
                    "event_id": f"{len(lines) + number}",
                    "visitor_id": f"{visitor:04d}",
                    "event_time": begins + timedelta(seconds=random.randint(0, 6)),
                    "event_name": random.choice("aaabbbccdexy"),
                    "value": random.choice((None, 1, 2)),
                }
                for number in range(random.randint(1, 8))
            ]
            begins += random.choice(PAUSES)
    return delivery("visits", lines)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def possible_funnel(random: Random) -> Funnel:
    """Return a random funnel, which the settings may refuse."""
    steps = tuple(
        frozenset(random.choice(("a", "b", "c", "ab", "bc", "d", "*"))) for _ in range(random.choice((1, 2, 3, 3, 4)))
    )
    count = len(steps)
    [mode] = random.choices(("ordered", "strict", "unordered"), (10, 8, 2))
    often = 0.3 if mode == "ordered" else 0.15
    limits = {
        number: Limits(seconds(random.choice((0, 0, 1, 2))), random.choice((None, seconds(2), seconds(4))))
        for number in range(2, count + 1)
        if random.random() < often
    }
    funnel = Funnel(
        steps=steps,
        grain=random.choice(("session", "visitor", "attempt")),  # type: ignore[arg-type]
        window=random.choice((None, seconds(0), seconds(3), seconds(90_000))),
        exclusions=tuple(
            Exclusion(frozenset(random.choice("xya")), after, random.randint(after + 1, count))
            for after in random.sample(range(1, count), k=min(count - 1, random.choice((0, 0, 1, 2))))
        ),
        mode=mode,  # type: ignore[arg-type]
        ties=random.choice(("advance", "advance", "later")),  # type: ignore[arg-type]
        one_event_per_step=random.random() < 0.6,
        repeats=random.choice(("ignore", "stop", "restart")),  # type: ignore[arg-type]
        **{allowance: mode == "strict" and random.random() < 0.4 for allowance in ALLOWANCES},
        stop_ends=random.choice(("attempt", "all")),  # type: ignore[arg-type]
        entry=random.choice(("first", "first", "any")),  # type: ignore[arg-type]
        shortest=seconds(random.choice((0, 0, 0, 2))),
        optional=frozenset(number for number in range(2, count) if random.random() < often),
        limits=limits,
    )
    return without_an_order(funnel) if mode == "unordered" else funnel


def with_a_common_end(funnel: Funnel, random: Random) -> Funnel:
    """Return the funnel with a stop of all attempts, and with an optional step and an exclusion for it to end."""
    steps = tuple(frozenset(name) for name in random.sample("abcd", k=4))
    return replace(
        funnel,
        steps=steps,
        mode=random.choice(("ordered", "strict")),  # type: ignore[arg-type]
        repeats="stop",
        stop_ends="all",
        optional=frozenset({random.choice((2, 3))}),
        exclusions=(Exclusion(frozenset("x"), 1, len(steps)),),
        limits={},
    )


def without_an_order(funnel: Funnel) -> Funnel:
    """Return the funnel without the options that need an order, and exclusions between the first and the last step."""
    return Funnel(
        steps=funnel.steps,
        grain=funnel.grain,
        window=funnel.window,
        exclusions=tuple(replace(one, after_step=1, before_step=len(funnel.steps)) for one in funnel.exclusions),
        mode="unordered",
        one_event_per_step=funnel.one_event_per_step,
    )


def random_funnels(random: Random, count: int = FUNNEL_COUNT) -> dict[str, Funnel]:
    """Return funnels that the settings accept, each option often."""
    funnels: dict[str, Funnel] = {}
    while len(funnels) < count:
        funnel = possible_funnel(random)
        if len(funnels) % 4 == 3 and funnel.mode != "unordered":
            funnel = with_a_common_end(funnel, random)
        said = settings(RULES, DAY, {"one": funnel})
        try:
            parse_settings(to_toml({"funnels": said["funnels"]}))
        except SettingsError:
            continue
        funnels[f"{len(funnels)}"] = funnel
    return funnels


class Case:
    """Random events and funnels, the attempts of the oracle and the tables of the pipeline."""

    def __init__(self, seed: int, visitor_count: int, folder: Path) -> None:
        random = Random(seed)
        delivered = visits(random, visitor_count=visitor_count)
        self.funnels = random_funnels(random)
        self.deployment = Deployment(
            folder,
            settings(RULES, DAY - timedelta(days=1), self.funnels),
            only=(*TABLES, "funnel_entry_steps"),
        )
        self.deployment.deliver(delivered.name, delivered.lines)
        self.deployment.run(until=UNTIL)
        self.rows_of = {name: rows_by_funnel(self.deployment.table(name)) for name in TABLES}
        self.events = oracle.sessionize(read_lines([delivered]), RULES)
        self.values = {event.line.event_id: value for event, value in with_values(self.events, delivered)}
        self.attempts: dict[str, list[Attempt]] = {
            name: attempts(self.events, funnel, RULES, UNTIL) for name, funnel in self.funnels.items()
        }

    def value_of(self, event: Event) -> int | None:
        return self.values[event.line.event_id]

    def check(self, table: str, name: str, expected: Iterable[Row]) -> None:
        """Compare the rows of a funnel, in the columns of the expected rows."""
        rows = list(expected)
        found = self.rows_of[table].get(name, [])
        difference = Counter(plain({column: row[column] for column in rows[0]}) for row in found)
        difference.subtract(Counter(map(plain, rows)))
        wrong = [(count, dict(row)) for row, count in difference.items() if count]
        assert not wrong, f"{self.funnels[name]}\n" + "\n".join(map(str, wrong[:6]))


def rows_by_funnel(table: pd.DataFrame) -> dict[str, list[Row]]:
    return {str(name): rows.to_dict("records") for name, rows in table.groupby("funnel")}


def with_values(events: Iterable[Event], delivered: Delivery) -> Iterable[tuple[Event, int | None]]:
    import json

    said = {line["event_id"]: line.get("value") for line in map(json.loads, delivered.lines)}
    return ((event, said[event.line.event_id]) for event in events)


def plain(row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a row with values that compare equal whatever library made them."""
    values = {}
    for name, value in row.items():
        if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and isnan(value)):
            values[name] = None
        elif isinstance(value, pd.Timestamp):
            values[name] = value.to_pydatetime()
        elif name in ("value", "seconds", "median_seconds", "p90_seconds"):
            values[name] = float(value)
        else:
            values[name] = value
    return tuple(sorted(values.items()))


@pytest.fixture(
    scope="module",
    params=[
        (13, FEW_VISITORS),
        pytest.param((12, FEW_VISITORS), marks=pytest.mark.long),
        *(pytest.param((seed, VISITOR_COUNT), marks=pytest.mark.nightly) for seed in (12, 13)),
    ],
    ids=str,
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(*request.param, tmp_path_factory.mktemp("options"))


NAMES = [f"{number}" for number in range(FUNNEL_COUNT)]


@pytest.mark.parametrize("name", NAMES)
def test_entries_equal_oracle(name: str, case: Case) -> None:
    funnel = case.funnels[name]
    after = actions_after(case.events)
    rows = []
    for one in case.attempts[name]:
        last = one.taken[-1]
        following = [] if one.is_converted else after[last.session_id, last.event_number]
        actions = [*following, None, None, None]
        rows.append(
            entry_row(name, funnel, one, RULES.timezone)
            | {
                "dropped_to_action": actions[0],
                "dropped_to_action_2": actions[1],
                "dropped_to_action_3": actions[2],
                "action_count": action_count(one, last) if one.is_converted else None,
                "value": case.value_of(last) if one.is_converted else None,
            }
        )
    case.check("funnel_entries", name, rows)


@pytest.mark.parametrize("name", NAMES)
def test_steps_equal_oracle(name: str, case: Case) -> None:
    funnel = case.funnels[name]
    case.check("funnel_steps", name, step_rows(name, funnel, case.attempts[name], RULES.timezone, case.value_of))


@pytest.mark.parametrize("name", NAMES)
def test_drops_equal_oracle(name: str, case: Case) -> None:
    funnel = case.funnels[name]
    rows = drop_rows(name, funnel, case.attempts[name], RULES.timezone, actions_after(case.events))
    if rows:
        case.check("funnel_drops", name, rows)


@pytest.mark.long
def test_closed_entries_do_not_change(tmp_path: Path) -> None:
    random = Random(4)
    delivered = visits(random, datetime(2026, 10, 5, 23, 59, 57), FEW_VISITORS)
    said = settings(RULES, DAY - timedelta(days=1), random_funnels(random))
    deployment = Deployment(tmp_path, said, only=("funnel_entries",))
    deployment.deliver(delivered.name, delivered.lines)
    closed: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for days in (0, 1, 2, 9):
        deployment.run(until=DAY + timedelta(days=days))
        rows = [plain(row) for row in deployment.records("funnel_entries")]
        changed = closed - Counter(rows)
        assert not changed, next(iter(changed))
        closed = Counter(row for row in rows if dict(row)["is_window_closed"])
    assert closed == Counter(rows)


def test_funnels_use_every_option(case: Case) -> None:
    usual = Funnel(())
    options = ("mode", "ties", "one_event_per_step", "repeats", "stop_ends", "entry", "grain")
    for option in (*options, *ALLOWANCES):
        changed = [one for one in case.funnels.values() if getattr(one, option) != getattr(usual, option)]
        assert len(changed) >= 3, option
    for option in ("window", "shortest", "optional", "limits", "exclusions"):
        assert sum(bool(getattr(one, option)) for one in case.funnels.values()) >= 3, option
    assert any(one.window == seconds(0) for one in case.funnels.values())
    without_order = [one for one in case.funnels.values() if one.mode == "unordered" and one.one_event_per_step]
    assert sum(len(one.steps) > 1 for one in without_order) >= 3
    assert {entry_date(one, case.funnels[name], RULES.timezone) for name in NAMES for one in case.attempts[name]} == {
        DAY,
        DAY + timedelta(days=1),
    }
