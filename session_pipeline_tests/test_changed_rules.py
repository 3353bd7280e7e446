"""Tests that a changed setting, model or contract makes exactly the tables stale that depend on it.

The expected tables are listed in stale_tables.py. After the change is reverted, all files are identical to those before
it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from datetime import date
from functools import reduce
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, Literal, get_args, get_origin

import pytest

from session_pipeline.build import fingerprints, planner
from session_pipeline.build.explain import changes
from session_pipeline.build.plan import Certainty, Kind
from session_pipeline.engines.sql import literal
from session_pipeline.run.pipeline import make_planner, open_run, open_store
from session_pipeline.settings import Settings, load_settings, parse_settings
from session_pipeline.settings.section import Section
from session_pipeline.tables import TABLES, models
from session_pipeline.tables import table as contract_of
from session_pipeline.tables.steps import STEPS, steps_of
from session_pipeline_tests.constructed_catalogs import Built
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reliability.figures import effort, record
from session_pipeline_tests.stale_tables import (
    ACCESS_LOG,
    CHANGES,
    CONSTANTS,
    LINES,
    LOG_SETTINGS,
    MODELS,
    SETTINGS,
    WITHOUT_ID,
)

UNTIL = date(2026, 10, 10)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Two built days. Read only."""
    deployment = Deployment(tmp_path_factory.mktemp("built"), SETTINGS)
    deployment.deliver("lines", (*LINES, WITHOUT_ID))
    log = deployment.folder.raw / "log" / "access.log"
    log.parent.mkdir()
    log.write_text(ACCESS_LOG)
    deployment.run(UNTIL)
    return deployment


@pytest.fixture
def deployment(built: Deployment, tmp_path: Path) -> Deployment:
    return built.copied_to(tmp_path / "copy")


def test_every_setting_is_listed() -> None:
    assert set(keys_of(Settings)) == CHANGES.keys(), "list each setting in CHANGES of stale_tables.py"


def test_every_changed_part_of_a_recipe_is_named_by_its_settings() -> None:
    keys = [re.sub(r"[\[\]{}]", "", key).split(".") for key in keys_of(Settings)]
    names = {".".join(key[:length]) for key in keys for length in range(1, len(key) + 1)} | {key[-1] for key in keys}
    planner = Built().planner('[identity]\nby = "person"')
    parts = {part for step in steps_of(planner.frame.settings) for part in planner.fingerprints.recipe(step).parts}
    for part in sorted(parts - CONSTANTS):
        if part.startswith(("setting ", "list ")):
            [named] = changes({part: "1"}, {part: "2"})
            shown = re.sub(r"^setting | changed( from \d+ to \d+)?$", "", named)
            assert names.issuperset(re.split(", | or ", shown)), f"{part}: {named}"


def _marks(number: int, key: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a setting: the usual tests have every twelfth, the reliability tests most of the others."""
    if key == "engine.kind":
        return [pytest.mark.spark, pytest.mark.long]
    if number % 6:
        return [pytest.mark.reliability]
    return [pytest.mark.long] if number % 12 else []


KEYS = [pytest.param(key, marks=_marks(number, key)) for number, key in enumerate(CHANGES)]


@pytest.mark.parametrize("key", KEYS)
def test_setting_makes_exactly_its_tables_stale(deployment: Deployment, key: str) -> None:
    change = CHANGES[key]
    if key == "engine.kind":
        pytest.importorskip("pyspark")
    deployment.set(changed(key, change.value))
    assert load_settings(deployment.folder.path) != load_settings_of(SETTINGS, deployment)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        named = run.plan(upgrade=True)
    certain = [item for item in named.items if item.certainty is Certainty.WILL]
    assert {table for item in certain for table in item.step.tables} == set(change.stale)
    assert {item.reason for item in certain} == reasons(key)
    assert bool(named.items) == bool(change.stale)
    assert named.unwanted == ()
    record(settings_checked=1)


def reasons(key: str) -> set[str]:
    """Return the reasons that the plan gives if a setting has the value in CHANGES instead of its default."""
    reason = CHANGES[key].reason
    if "{default}" in reason:
        reason = reason.format(default=literal(reduce(getattr, key.split("."), parse_settings(""))))
    return set(filter(None, reason.split("; ")))


# Not the engine: test_parity.py compares whole builds of both.
SOME_KEYS = [key for key in CHANGES if key != "engine.kind"][:: max(1, 16 // effort())]


@pytest.mark.reliability
@pytest.mark.parametrize("key", SOME_KEYS)
def test_setting_changed_back_restores_all_tables(deployment: Deployment, key: str) -> None:
    change = CHANGES[key]
    before = deployment.hashes()
    deployment.set(changed(key, change.value))
    deployment.run(UNTIL)
    # Not the other way round: the few events here do not show what each option of a funnel or of friction does.
    assert change.stale or deployment.hashes() == before
    deployment.set(SETTINGS)
    deployment.run(UNTIL)
    assert deployment.hashes() == before


@pytest.mark.long
def test_later_start_date_drops_earlier_days(deployment: Deployment) -> None:
    before = deployment.hashes()
    deployment.set({"start_date": date(2026, 10, 8), **SETTINGS})
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        named = run.plan(upgrade=True)
    assert {key.date for key in named.unwanted} == {date(2026, 10, 7)}
    certain = {(item.step.name, item.day): item.reason for item in named.items if item.certainty is Certainty.WILL}
    assert certain == {
        ("sessionize", date(2026, 10, 8)): "open_sessions changed, recent_event_ids changed",
        ("funnel_entries", date(2026, 10, 8)): "funnel_events changed",
        ("user_agents", None): "agents_seen changed",
        **{("typical_paths", date(2026, 10, day)): "path_counts changed" for day in (8, 9)},
        **{("opportunities", date(2026, 10, day)): "moment_counts changed" for day in (8, 9)},
        **{("next_best_actions", date(2026, 10, day)): "seen_counts changed" for day in (8, 9)},
        ("visitor_days", date(2026, 10, 8)): "visitor_states changed",
        ("visitor_days", date(2026, 10, 9)): "visitor_states changed",
        ("daily_visitors", date(2026, 10, 8)): "visitor_days changed",
        **{
            ("progress_changes", date(2026, 10, day)): "daily_outcomes changed, action_visits changed, "
            "action_progress changed"
            for day in (8, 9)
        },
        ("outcome_changes", date(2026, 10, 8)): "daily_outcomes changed, daily_breakdowns changed",
        ("outcome_changes", date(2026, 10, 9)): "daily_outcomes changed, daily_breakdowns changed",
        ("visitors", None): "visitor_states changed",
        ("retention", None): "visitor_days changed",
    }
    deployment.run(UNTIL)
    deployment.set(SETTINGS)
    deployment.run(UNTIL)
    assert deployment.hashes() == before


@pytest.mark.nightly
@pytest.mark.parametrize("zones", [("UTC", "America/New_York"), ("Europe/Berlin", "Europe/Athens")], ids=str)
def test_time_zone_change_is_not_outdated(tmp_path: Path, zones: tuple[str, str]) -> None:
    """With days of two time zones, an event could be in two days or in none."""
    deployment = Deployment(tmp_path / "data", {"timezone": zones[0], "max_rebuild_days": 1})
    deployment.deliver("lines", LINES)
    deployment.run(UNTIL)
    deployment.set({"timezone": zones[1], "max_rebuild_days": 1})
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        assert run.plan().outdated == ()


def test_every_model_is_listed() -> None:
    assert set(models.names()) == set(MODELS), "list each model in MODELS of stale_tables.py"


@pytest.mark.long
def test_changed_model_makes_exactly_its_tables_stale(built: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    meaning = models.meaning
    for model, stale in MODELS.items():
        monkeypatch.setattr(models, "meaning", lambda name, model=model: meaning(name) + "'" * (name == model))
        assert stale_in(built) == ({f"model {model} changed"} if stale else set(), set(stale)), model


@pytest.mark.long
def test_changed_contract_makes_exactly_its_tables_stale(built: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered = {"raw_events", "quarantined_lines", "source_files", "warehouse_info"}
    for name in TABLES.keys() - delivered:

        def changed_table(asked: str, name: str = name) -> Any:
            contract = contract_of(asked)
            return (
                SimpleNamespace(shape=[*contract.shape, "more"], date_column=contract.date_column)
                if asked == name
                else contract
            )

        monkeypatch.setattr(fingerprints, "table", changed_table)
        stale = MODELS[name]
        assert stale_in(built) == ({f"contract of {name} changed"} if stale else set(), set(stale)), name


@pytest.mark.long
def test_changed_logic_version_makes_exactly_its_tables_stale(
    built: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in STEPS:
        other = [replace(one, logic_version="another") if one is step else one for one in STEPS]
        monkeypatch.setattr(planner, "steps_of", lambda settings, other=tuple(other): other)
        assert stale_in(built) == ({"logic changed"}, set(step.tables)), step.name


def stale_in(deployment: Deployment) -> tuple[set[str], set[str]]:
    """Return the reasons and the tables of all certain builds."""
    settings = load_settings(deployment.folder.path)
    with closing(open_store(deployment.folder)) as store:
        items = make_planner(settings, store, UNTIL).plan(upgrade=True).items
    certain = [item for item in items if item.certainty is Certainty.WILL]
    assert {item.kind for item in certain} <= {Kind.LOGIC}
    return {item.reason for item in certain}, {table for item in certain for table in item.step.tables}


def load_settings_of(settings: Mapping[str, Any], deployment: Deployment) -> Settings:
    other = Deployment(deployment.folder.path / "other", settings)
    return load_settings(other.folder.path)


def keys_of(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield the key of every setting, such as `funnels[].steps[].where` and `sources{}.site`."""
    for name, said in section.model_fields.items():
        inner, brackets = section_in(said.annotation)
        if inner is None:
            yield prefix + name
        else:
            yield from keys_of(inner, f"{prefix}{name}{brackets}.")


def section_in(annotation: Any) -> tuple[type[Section] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, ""
    if get_origin(annotation) is Literal:
        return None, ""
    brackets = {tuple: "[]", UnionType: ""}.get(get_origin(annotation), "{}")
    found = [inner for inner, _ in map(section_in, get_args(annotation)) if inner is not None]
    return (found[0], brackets) if found else (None, "")


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return the settings with another value for one key. In a list, the first entry with the key is changed."""
    settings = deepcopy(dict(SETTINGS))
    *sections, name = key.split(".")
    place: Any = settings
    for section in sections:
        if section.endswith("[]"):
            entries = place[section[:-2]]
            place = next((entry for entry in entries if holds(entry, name)), entries[0])
        elif section.endswith("{}"):
            entry = {"sources": "log" if name in LOG_SETTINGS else "test", "rules": "mine"}[section[:-2]]
            place = place[section[:-2]][entry]
        else:
            place = place.setdefault(section, {})
    place[name] = value
    return settings


def holds(entry: Mapping[str, Any], name: str) -> bool:
    """Whether an entry of a list, or an entry of a list in it, has a key."""
    lists = [inner for inner in entry.values() if isinstance(inner, list)]
    return name in entry or any(name in one for inner in lists for one in inner if isinstance(one, dict))
