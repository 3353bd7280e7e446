"""Tests that the documents are correct: commands, links, tables, settings, queries, and the printed results."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer

from session_pipeline.cli import app
from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline.publish import reader
from session_pipeline.settings import Settings, load_settings, parse_settings, settings_template
from session_pipeline.tables.page import tables_page
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documented_output import QUERIES, answer, with_answers, with_outputs
from session_pipeline_tests.documents import DOCUMENTS, README, ROOT, Block, anchors, blocks, links, prose

COMMAND = re.compile(r"\bsession-pipeline ([a-z]+)\b")
SETTING = re.compile(r"`\[{1,2}([a-z.]+)\]{1,2}(?: ([a-z_]+))?`")
PYTHON = [block.code for block in blocks(README.read_text()) if block.language == "python"]
SQL = [block for block in blocks(QUERIES.read_text()) if block.language == "sql"]
# Changes are looked for from the 29th day on, and the sample has seven days. The page says so below the query.
NEEDS_MORE_DAYS = "15. What changed, and what should we look at first?"


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("which", ["first", "second"])
def test_readme_command_is_marked_and_one_line(which: str) -> None:
    found = re.findall(rf"^<!-- command: {which} -->\n```sh\n(.+)\n```$", README.read_text(), re.MULTILINE)
    assert len(found) == 1


def test_first_command_shows_progress_and_skips_test_packages() -> None:
    first, second = (
        next(block.code for block in blocks(README.read_text()) if mark in README.read_text()[: block.start][-30:])
        for mark in ("command: first", "command: second")
    )
    assert " -e . " in first
    assert not re.search(r"--quiet|-q\b|--progress-bar[ =]off", first)
    assert " -e '.[test]' && .venv/bin/pytest" in second


def test_tables_page_is_current() -> None:
    assert (ROOT / "docs" / "tables.md").read_text() == tables_page()


def commands_in(text: str) -> list[str]:
    return COMMAND.findall(text)


def local_links_in(text: str) -> list[str]:
    return [link for link in links(text) if not link.startswith("https://")]


def anchored_links_in(text: str) -> list[str]:
    return [link for link in local_links_in(text) if "#" in link]


def settings_in(text: str) -> list[tuple[str, str]]:
    return SETTING.findall(prose(text))


@pytest.mark.parametrize("found_in", [commands_in, local_links_in, anchored_links_in, settings_in])
def test_documents_contain_what_the_next_tests_look_for(found_in: Callable[[str], Sequence[object]]) -> None:
    assert any(found_in(path.read_text()) for path in DOCUMENTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_commands_exist(path: Path) -> None:
    existing = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(commands_in(path.read_text())) <= existing


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_are_valid(path: Path) -> None:
    for link in local_links_in(path.read_text()):
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.is_file(), link
        assert not anchor or anchor in anchors(file.read_text()), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_settings_exist(path: Path) -> None:
    template = tomllib.loads(settings_template())
    for section, key in settings_in(path.read_text()):
        assert section in template, section
        assert not key or key in template[section], f"[{section}] {key}"


def test_committed_settings_differ_only_in_start_date() -> None:
    committed, packaged = load_settings(ROOT / "data"), parse_settings("")
    differing = {name for name in Settings.model_fields if getattr(committed, name) != getattr(packaged, name)}
    assert differing == {"start_date"}


def test_constraints_are_pinned_and_sorted() -> None:
    comment, *lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert comment.startswith("#")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(names, key=str.upper)


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked_for = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in asked_for:
        name = re.match(r"[A-Za-z0-9-]+", requirement)
        assert name
        assert name[0] in page, requirement


def test_queries_are_numbered() -> None:
    assert [block.heading.partition(".")[0] for block in SQL] == [str(number + 1) for number in range(len(SQL))]


def test_query_results_equal_the_page(sample_deployment: Deployment) -> None:
    with reader.connect(sample_deployment.folder.path) as warehouse:
        without_rows = {block.heading for block in SQL if answer(warehouse, block.code).count("\n") <= 2}
        assert without_rows == {NEEDS_MORE_DAYS}
        assert with_answers(QUERIES.read_text(), warehouse) == QUERIES.read_text()


# Of two sites with equal visits, this lists single sessions. All other queries count both sites, or have rows for each.
LISTS_SESSIONS = "27. How do I give everything about sessions to a spreadsheet or a BI tool?"
NUMBERS = {"step_number", "next_number", "days_after", "rank"}  # all other whole and decimal numbers are sums


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The committed sample, delivered for two sites."""
    deployment = Deployment(tmp_path_factory.mktemp("two_sites") / "data")
    settings = (ROOT / "data" / "settings.toml").read_text()
    deployment.folder.settings.write_text(f"{settings}\n[sources.again]\nsite = 'again'\n")
    for source in ("sample", "again"):
        shutil.copytree(ROOT / "data" / "raw" / "sample", deployment.folder.raw / source)
    deployment.run()
    return deployment


def rows_of(deployment: Deployment, sql: str) -> list[dict[str, Any]]:
    """Returns all rows of a query, also those beyond its limit."""
    with reader.connect(deployment.folder.path) as warehouse:
        cursor = warehouse.execute(re.sub(r"\nlimit \d+\s*$", "", sql))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Returns what a row is about: its texts, dates and numbers of an order."""
    return tuple(
        value for name, value in row.items() if isinstance(value, str | date) or name in NUMBERS or name == "site"
    )


@pytest.mark.long
@pytest.mark.parametrize("block", SQL, ids=[block.heading.partition(".")[0] for block in SQL])
def test_queries_distinguish_sites_or_add_them_up(
    block: Block, sample_deployment: Deployment, two_sites: Deployment
) -> None:
    one, two = rows_of(sample_deployment, block.code), rows_of(two_sites, block.code)
    found = {key_of(row): row for row in two}
    assert len(found) == len(two), "two rows look the same"
    if any("site" in row for row in two):
        for site in ("main", "again"):
            assert [row | {"site": "main"} for row in two if row["site"] == site] == one
        return
    for row in one:
        factor = 1 if block.heading == LISTS_SESSIONS else 2
        for name, value in found[key_of(row)].items():
            is_sum = isinstance(value, int | Decimal) and not isinstance(value, bool) and name not in NUMBERS
            expected = factor * row[name] if is_sum else row[name]
            if name == "margin":
                assert value < expected  # of twice as many sessions
            else:
                assert value == pytest.approx(expected, abs=1 if name == "minutes_lost" else None), name


def query(number: int) -> str:
    return SQL[number - 1].code


def test_query_of_lines_does_not_call_erased_ones_waiting() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table source_files as select 10 as line_count, 3 as erased_count")
        for name, count in (("quarantined_lines", 1), ("duplicate_events", 2), ("events", 4)):
            warehouse.execute(f"create table {name} as select 1 from range({count})")
        assert warehouse.execute(query(10)).fetchall() == [(10, 3, 1, 2, 4, 0)]


def test_query_of_actions_has_days_without_user_agents() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table action_visits as
            select '/cart' as action, * from (values
                ('all', 'all', 10, 5), ('device', 'mobile', 4, 1), ('device', '(none)', 6, 4),
                ('all', 'all', 90, 5), ('channel', 'direct', 90, 5)
            ) as counts (dimension, dimension_value, session_count, converted_count)
        """)
        assert warehouse.execute(query(14)).fetchall() == [("/cart", 100, 0.1, 0.25)]


def test_query_of_hard_times_leaves_out_visits_that_cannot_show_them() -> None:
    columns = ("error_count", "u_turn_count", "repeated_search_count", "seconds_lost")
    nulls = ", ".join(f"null::bigint as {name}" for name in columns)
    with duckdb.connect() as warehouse:
        warehouse.execute(f"""
            create table action_friction as
            select date '2026-10-05' as session_date, '/' as action, session_count, hard_time_count, {nulls}
            from (values (100, 10), (300, null)) as counts (session_count, hard_time_count)
        """)
        assert warehouse.execute(query(12)).fetchall()[0][:4] == ("/", 400, 10, 0.1)


def test_command_outputs_equal_the_readme(sample_deployment: Deployment) -> None:
    assert with_outputs(README.read_text(), sample_deployment.folder.path) == README.read_text()


def test_readme_summary_equals_the_sample(sample_deployment: Deployment) -> None:
    summary = next(block.code for block in blocks(README.read_text()) if block.code.startswith("Files "))
    with reader.connect(sample_deployment.folder.path) as warehouse:
        counted = warehouse.execute(
            "select outcome, sum(session_count) from daily_outcomes group by outcome"
            " union all select step, sum(entered_count - excluded_count) from funnel_steps group by funnel, step"
            " union all select 'Lines', sum(line_count) from source_files"
            " union all select 'Accepted', sum(accepted_count) from source_files"
        ).fetchall()
    missing = [f"{what} {count:,}" for what, count in counted if not re.search(rf"{what} +{count:,}\b", summary)]
    assert not missing


def test_first_query_excludes_bots(sample_deployment: Deployment) -> None:
    first = re.search(r'session-pipeline query "(.+)"', QUERIES.read_text())
    assert first
    with reader.connect(sample_deployment.folder.path) as warehouse:
        counted = dict(warehouse.execute(first[1]).fetchall())
        people = warehouse.execute("select outcome, sum(session_count) from daily_outcomes group by outcome").fetchall()
        everybody = warehouse.execute("select count(*) from session_outcomes").fetchone()
    assert counted == {outcome: count for outcome, count in people if count}
    assert everybody
    assert sum(counted.values()) < everybody[0]


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.split()[1])
def test_readme_python_runs(code: str, sample_deployment: Deployment) -> None:
    if " polars" in code and find_spec("polars") is None:
        pytest.skip("polars is not installed, and nothing of ours needs it")
    counted = "\n".join(f"print('{name}', len({name}))" for name in re.findall(r"^(\w+) = ", code, re.MULTILINE))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{counted}"],
        cwd=sample_deployment.folder.path.parent,
        env={**os.environ, ENVIRONMENT_VARIABLE: ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert all(int(line.split()[1]) > 0 for line in ran.stdout.splitlines()), ran.stdout
    assert ran.stdout
