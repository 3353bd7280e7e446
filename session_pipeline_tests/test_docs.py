"""Tests that the documents are correct: commands, links, tables, settings, and the printed output of commands.

test_docs_queries.py tests docs/queries.md.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from session_pipeline.cli import app
from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline.publish import reader
from session_pipeline.settings import Settings, load_settings, parse_settings, settings_template
from session_pipeline.tables.page import tables_page
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documented_output import OUTPUT_AGAIN, with_outputs
from session_pipeline_tests.documents import DOCUMENTS, README, ROOT, anchors, blocks, links, prose

COMMAND = re.compile(r"\bsession-pipeline ([a-z]+)\b")
SETTING = re.compile(r"`\[{1,2}([a-z.]+)\]{1,2}(?: ([a-z_]+))?`")
PYTHON = [block.code for block in blocks(README.read_text()) if block.language == "python"]


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


def test_readme_counts_sessions_without_bots() -> None:
    counting = [code for code in PYTHON if "count(*)" in code]
    assert counting
    assert all("not is_bot" in code for code in counting)


def test_tables_page_is_current() -> None:
    page = ROOT / "docs" / "tables.md"
    assert page.read_text() == tables_page(), "run python -m session_pipeline.tables.page > docs/tables.md"


def test_tables_page_lists_columns_in_the_order_of_the_warehouse(sample_deployment: Deployment) -> None:
    sections = re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", tables_page(), re.MULTILINE | re.DOTALL)
    listed = {name: re.findall(r"^\| (\w+) \| [A-Z]", text, re.MULTILINE) for name, text in sections}
    with reader.connect(sample_deployment.folder.path) as warehouse:
        columns = warehouse.execute(
            "select table_name, list(column_name order by column_index) from duckdb_columns()"
            " where schema_name = 'main' and not internal group by table_name"
        ).fetchall()
    assert len(columns) >= 30
    assert [name for name, names in columns if listed[name] != names] == []


def defaults_in(text: str) -> list[tuple[str, str]]:
    """Return the settings with their defaults, as in `inactivity_minutes` (30)."""
    return re.findall(r"`(\w+)` \((\d+)\)", text)


def commands_in(text: str) -> list[str]:
    return COMMAND.findall(text)


def local_links_in(text: str) -> list[str]:
    return [link for link in links(text) if not link.startswith("https://")]


def anchored_links_in(text: str) -> list[str]:
    return [link for link in local_links_in(text) if "#" in link]


def settings_in(text: str) -> list[tuple[str, str]]:
    return SETTING.findall(prose(text))


@pytest.mark.parametrize("found_in", [commands_in, local_links_in, anchored_links_in, settings_in, defaults_in])
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


def test_files_that_contributors_are_sent_to_exist() -> None:
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    roots = (ROOT, ROOT / "session_pipeline")
    missing, count = [], 0
    for item in re.split(r"\n(?=\n|- |[0-9]+\. )", text):
        # A file without a folder is in the one that its item names.
        folders = [root / folder for root in roots for folder in (".", *re.findall(r"`([\w/]+)/`", item))]
        named = re.findall(r"`([\w/]+\.(?:html|md|py|sql|toml))`", item)
        missing += [name for name in named if not any((folder / name).is_file() for folder in folders)]
        count += len(named)
    assert count >= 30
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_settings_exist(path: Path) -> None:
    template = tomllib.loads(settings_template())
    for section, key in settings_in(path.read_text()):
        assert section in template, section
        assert not key or key in template[section], f"[{section}] {key}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_defaults_beside_settings_are_those_of_the_template(path: Path) -> None:
    # Keys of sources and funnels are comments.
    defaults = re.findall(r"^(?:# )?(\w+) = (\d+)\b", settings_template(), re.MULTILINE)
    for key, value in defaults_in(path.read_text()):
        assert (key, value) in defaults, f"`{key}` ({value}) is no default of template.toml"


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


def test_command_outputs_equal_the_readme(sample_deployment: Deployment) -> None:
    shown = with_outputs(README.read_text(), sample_deployment.folder.path)
    assert shown == README.read_text(), OUTPUT_AGAIN


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
