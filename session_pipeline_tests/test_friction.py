"""Compares the tables of friction with the oracle on random events, and with an independent count of the sample."""

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from session_pipeline.checks import friction_adds_up
from session_pipeline.data_folder import DataFolder
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Key, Written
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import friction as oracle

DAY = date(2026, 10, 5)
UNTIL = date(2026, 10, 7)
SAMPLE = Path(__file__).parents[1] / "data" / "raw" / "sample"
TABLES = ("session_friction", "action_friction", "daily_friction")
SEEDS = range(int(os.environ.get("PIPELINE_TESTS_CASES", "2000")) // 600)

SETTINGS: Mapping[str, Any] = {
    "actions": {"fold": [{"pattern": "/[0-9]+", "replacement": "/:id"}]},
    "sources": {"app": {"site": "app"}},
    "friction": {
        "click": "event_name = 'click'",
        "search_results": "page_path = '/search'",
        "submit": "event_name in ('submit', 'buy')",
        "error": "status_code >= 400 or event_name = 'error'",
        "dead_end_sessions": 3,
        "dead_end_exit_percent": 25,
        "forms": [
            {"start": "event_name = 'start'", "submit": "event_name = 'submit'"},
            {"start": "page_path = '/a'", "submit": "event_name = 'buy'"},
        ],
    },
}
OPTIONS: Mapping[str, Any] = {
    "click": lambda event: event["event_name"] == "click",
    "search_results": lambda event: event["page_path"] == "/search",
    "submit": lambda event: event["event_name"] in ("submit", "buy"),
    "error": lambda event: event["event_name"] == "error" or (event["status_code"] or 0) >= 400,
    "dead_end_sessions": 3,
    "dead_end_exit_percent": 25,
    "forms": [
        (lambda event: event["event_name"] == "start", lambda event: event["event_name"] == "submit"),
        (lambda event: event["page_path"] == "/a", lambda event: event["event_name"] == "buy"),
    ],
}
OTHER: Mapping[str, int] = {
    "rage_click_clicks": 2,
    "rage_click_seconds": 3,
    "u_turn_seconds": 4,
    "repeated_submit_seconds": 1,
    "error_loop_actions": 2,
    "long_dwell_seconds": 30,
}
PATHS = ("/", "/a", "/b", "/p/1", "/p/2", "/search")
PAGE_EVENTS = (
    *("page_view",) * 8,
    *("click", "search") * 3,
    *("submit", "buy", "error", "start", "page_ping", "asset"),
)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAUSES = (0, 0.2, 0.5, 0.5, 0.5, 1, 1, 2, 3, 3, 4, 5, 10, 10.001, 30, 119.9, 120, 200, 2000)


def lines_of(random: Random, *, is_app: bool, has_status: bool) -> Iterator[dict[str, Any]]:
    """Yield the events of some visitors, in the morning and around midnight. Half of the events are repeated soon."""
    number = 0
    for visitor in range(random.choice([5, 20, 40])):
        now = datetime(2026, 10, 5, random.choice([9, 23]), random.randint(0, 59), tzinfo=UTC)
        is_bot = random.random() < 0.1
        event: dict[str, Any] = {}
        for _ in range(random.randint(1, 25)):
            is_repeated = bool(event) and random.random() < 0.5
            now += timedelta(seconds=random.choice(PAUSES[:8] if is_repeated else PAUSES))
            number += 1
            if not is_repeated:
                event = app_event(random) if is_app else web_event(random, has_status=has_status)
            yield {
                "event_id": f"e{number}",
                "visitor_id": f"v{visitor}",
                "event_time": now.isoformat(),
                "user_agent": BOT if is_bot else BROWSER,
                **event,
            }


def app_event(random: Random) -> dict[str, Any]:
    return {"event_name": random.choice(["home", "list", "item", "item", "error"])}


def web_event(random: Random, *, has_status: bool) -> dict[str, Any]:
    name = random.choice(PAGE_EVENTS)
    event: dict[str, Any] = {"event_name": name}
    if random.random() < 0.95:
        event["page_url"] = f"https://shop.example{random.choice(PATHS)}{random.choice(('', '', '?page=2'))}"
    if name in ("click", "submit") and random.random() < 0.8:
        event["element"] = random.choice(["button", "link"])
    if name == "search" or (name == "page_view" and random.random() < 0.1):
        event["search_term"] = random.choice(["lamp", " Lamp", "red  lamp", "Red\tlamp ", "Müsli", "MÜSLI"])
    if has_status and name in ("page_view", "asset"):
        event["status_code"] = random.choice([200, 200, 200, 404])
    return event


def random_deployment(seed: int, folder: Path) -> tuple[Deployment, oracle.Options]:
    random = Random(seed)
    other = {name: value for name, value in OTHER.items() if random.random() < 0.5}
    signals = random.sample(oracle.SIGNALS, random.choice([4, 11, 11, 11]))
    parameters = random.choice([[], ["page"]])
    settings = {
        **SETTINGS,
        "actions": {**SETTINGS["actions"], "query_parameters": parameters},
        "friction": {**SETTINGS["friction"], **other, "signals": signals},
        "privacy": {"keep_query_parameters": ["page"]},
    }
    deployment = Deployment(folder, settings, only=("session_friction", "action_friction", "daily_friction"))
    deployment.deliver("web", list(lines_of(random, is_app=False, has_status=random.random() < 0.5)))
    deployment.deliver("app", list(lines_of(random, is_app=True, has_status=False)), source="app")
    return deployment, oracle.Options(**OPTIONS, **other, signals=signals, query_parameters=parameters)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Deployment, oracle.Options]]:
    """A deployment for each seed. Read only."""
    deployments = [random_deployment(seed, tmp_path_factory.mktemp("friction")) for seed in SEEDS]
    for deployment, _ in deployments:
        deployment.run(until=UNTIL)
    return deployments


@pytest.mark.parametrize("name", TABLES)
def test_friction_equals_oracle(built: list[tuple[Deployment, oracle.Options]], name: str) -> None:
    key = ["session_date", *table(name).key]
    columns = ["session_date", *(column.name for column in table(name).columns)]
    for seed, (deployment, options) in enumerate(built):
        expected = getattr(oracle, name)(deployment.records("events"), options)
        pd.testing.assert_frame_equal(
            deployment.table(name)[columns].sort_values(key, ignore_index=True),
            pd.DataFrame(expected, columns=columns, dtype=object).sort_values(key, ignore_index=True),
            obj=f"{name} of seed {seed}",
        )


def test_random_events_show_every_signal(built: list[tuple[Deployment, oracle.Options]]) -> None:
    """Comparing tables without any row of a signal would prove nothing."""
    signals = pd.concat(deployment.table("session_friction")["signal"] for deployment, _ in built)
    assert set(signals) == set(oracle.SIGNALS)


def test_a_signal_that_is_off_or_cannot_be_shown_is_null(built: list[tuple[Deployment, oracle.Options]]) -> None:
    for deployment, options in built:
        days = deployment.table("daily_friction")
        off = [f"{signal}_count" for signal in oracle.SIGNALS if signal not in options.signals]
        assert days[off].isna().all(axis=None)
        app = days[days["site"] == "app"]
        assert len(app) > 0
        assert app[[f"{name}_count" for name in ("rage_click", "repeated_search")]].isna().all(axis=None)


def test_sample_has_its_errors_at_shipping(sample_deployment: Deployment) -> None:
    """90 errors in 62 sessions, counted in the delivered files by visitor and time."""
    at_shipping = {
        line["event_id"]: line["visitor_id"]
        for path in SAMPLE.glob("*.jsonl.gz")
        for line in map(json.loads, valid_lines(path))
        if line["event_name"] == "error" and line["page_url"].endswith("/checkout/shipping")
    }
    found = sample_deployment.table("session_friction")
    found = found[(found["action"] == "/checkout/shipping") & (found["signal"] == "error")]
    sessions = sample_deployment.table("sessions").set_index("session_id")["visitor_id"]
    assert len(at_shipping) == found["occurrence_count"].sum() == 90
    assert len(found) == 62
    errors_of_visitor = Counter(at_shipping.values())
    found_of_visitor: Counter[str] = Counter()
    for session_id, count in zip(found["session_id"], found["occurrence_count"], strict=True):
        found_of_visitor[sessions[session_id]] += count
    assert found_of_visitor == errors_of_visitor
    assert set(found["first_event_id"]) <= at_shipping.keys()


def valid_lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            try:
                if "event_name" in json.loads(line):
                    yield line
            except json.JSONDecodeError:
                continue


@pytest.mark.parametrize(
    ("name", "select", "problem"),
    [
        (
            "session_friction",
            "select * from session_friction where signal <> 'repeat'",
            "repeat is not counted as in session_friction",
        ),
        (
            "session_friction",
            "select * replace (md5(session_id) as session_id) from session_friction",
            "session_friction has unknown sessions",
        ),
        (
            "action_friction",
            "select * replace (0 as session_count) from action_friction",
            "repeat has more sessions than there are at an action",
        ),
        (
            "action_friction",
            "select * replace (null as error_count) from action_friction",
            "error is not counted as in session_friction",
        ),
        (
            "daily_friction",
            "select * replace (hard_time_count + 1 as hard_time_count) from daily_friction",
            "daily_friction differs from sessions",
        ),
        ("daily_friction", "select * from daily_friction where false", "repeat is not counted as in session_friction"),
        (
            "daily_friction",
            "select * replace (error_count + 1 as error_count) from daily_friction",
            "error is not counted as in session_friction",
        ),
        (
            "daily_friction",
            "select * replace (session_count + 1 as session_count) from daily_friction",
            "daily_friction differs from sessions",
        ),
    ],
)
def test_wrong_counts_are_found(
    built: list[tuple[Deployment, oracle.Options]], tmp_path: Path, name: str, select: str, problem: str
) -> None:
    assert f"2026-10-05, main: {problem}" in problems_after(built, tmp_path, name, select)


def test_too_many_sessions_with_a_hard_time_are_no_problem_of_a_signal(
    built: list[tuple[Deployment, oracle.Options]], tmp_path: Path
) -> None:
    select = "select * replace (session_count + 1 as hard_time_count) from action_friction"
    assert problems_after(built, tmp_path, "action_friction", select) == tuple(
        f"2026-10-05, {site}: more sessions had a hard time than there are at an action" for site in ("app", "main")
    )


def problems_after(
    built: list[tuple[Deployment, oracle.Options]], folder: Path, name: str, select: str
) -> Sequence[str]:
    """Return what the check finds after a table of a day was changed, in a copy of the data."""
    deployment = next(deployment for deployment, options in built if set(options.signals) == set(oracle.SIGNALS))
    shutil.copytree(deployment.folder.path, folder / "data")
    with open_run(DataFolder(folder / "data"), run_id="test", until=UNTIL) as run:
        assert friction_adds_up(run, [DAY]).holds
        partition = run.store.partitions[Key(name, DAY, "")]
        path = run.store.scratch / "changed.parquet"
        with run.engine.job() as job:
            job.add_input(table(name), [run.store.path_of(partition)])
            count = job.write(table(name), select, path)
        written = Written(partition.key, path, count, partition.fingerprint, partition.parts, partition.counts, "test")
        run.store.commit([written], run_id="test")
    with open_run(DataFolder(folder / "data"), run_id="test", until=UNTIL) as run:
        return friction_adds_up(run, [DAY]).problems
