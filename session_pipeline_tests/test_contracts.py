"""Tests rules that hold across the contracts of all tables, and across the modules of the package."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
import sqlglot

import session_pipeline
from session_pipeline.engines.connections import private_connection
from session_pipeline.tables import TABLES, models
from session_pipeline.tables.page import HEAD
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.older_versions import SETTINGS, UNTIL, copy_of

CONNECT = "duckdb.connect("
PACKAGE = Path(session_pipeline.__file__).parent
# Packages whose docstring says what each module does.
DESCRIBED = ("build", "engines", "ingest", "publish", "reference", "run", "settings", "store", "tables", "trial")


def test_published_tables_by_session_have_is_bot() -> None:
    by_session = {
        name: {column.name for column in contract.columns}
        for name, contract in TABLES.items()
        if contract.is_published and any(column.name == "session_id" for column in contract.columns)
    }
    assert len(by_session) >= 8
    assert [name for name, columns in by_session.items() if "is_bot" not in columns] == []


def test_only_tables_that_the_page_names_have_keys_without_a_site() -> None:
    of_one_site = {"site", "session_id", "file_id"}
    without_site = {name for name, contract in TABLES.items() if not of_one_site & set(contract.key)}
    sentence = re.search(r"Only (.+?) have no site", HEAD, re.DOTALL)
    assert sentence
    assert set(re.findall(r"`(\w+)`", sentence[1])) == without_site


@pytest.mark.parametrize("name", STEP_OF_TABLE)
def test_last_select_of_a_model_lists_the_columns_of_its_contract(name: str) -> None:
    """A missing column fails in DuckDB without the name of the model; one more is dropped silently."""
    contract = TABLES[name]
    columns = [column.name for column in contract.columns]
    dates = [contract.date_column] if contract.date_column and contract.date_column not in columns else []
    selected = sqlglot.parse_one(models.text(name), read="duckdb").named_selects
    assert selected == dates + columns, (
        f"{name}.sql and the contract of {name} in contracts.py of its group list different columns"
    )


def meanings(column: str) -> dict[str, str]:
    """Return the meaning of the columns with a name, by table."""
    return {name: item.meaning for name, table in TABLES.items() for item in table.columns if item.name == column}


def test_is_bot_says_whether_it_is_that_of_the_event_or_the_session() -> None:
    by_session = {name: meaning for name, meaning in meanings("is_bot").items() if "session_id" in columns_of(name)}
    assert {name for name, meaning in by_session.items() if "this event is" in meaning} == {"events", "event_devices"}
    assert {name for name, meaning in by_session.items() if "session" not in meaning} == set()


@pytest.mark.parametrize("bound", ["low", "high"])
def test_bounds_name_the_column_that_they_bound(bound: str) -> None:
    found = meanings(bound)
    assert len(found) >= 4
    assert [name for name, text in found.items() if not columns_of(name) & set(re.findall(r"\w+", text))] == []


def test_sums_of_values_say_that_they_add_currencies() -> None:
    sums = [
        (name, column.meaning)
        for name, table in TABLES.items()
        for column in table.columns
        if table.is_published and column.name == "value" and column.type == "DECIMAL(38,6)"
    ]
    assert len(sums) >= 8
    assert [name for name, meaning in sums if "currencies" not in meaning] == []


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (
            "events",
            "site source event_name page_host page_path page_title referrer_host utm_source utm_medium utm_campaign"
            " utm_term utm_content click_id_type element currency user_agent_id bot_reason break_reason file_id",
        ),
        (
            "sessions",
            "site source landing_page exit_page landing_action exit_action referrer_host channel device browser os"
            " utm_source utm_medium utm_campaign utm_term utm_content click_id_type bot_reason break_reason",
        ),
        ("session_actions", "site action event_name previous_action next_action"),
    ],
)
def test_texts_that_warnings_may_show_are_listed(table: str, shown: str) -> None:
    """A new column must be listed here, or be marked as personal."""
    texts = [column.name for column in TABLES[table].columns if column.type == "VARCHAR" and not column.is_personal]
    assert texts == shown.split()


def test_ids_are_personal_unless_they_are_of_files_runs_or_agents() -> None:
    texts = [column for table in TABLES.values() for column in table.columns if column.type == "VARCHAR"]
    ids = {column.name: column.is_personal for column in texts if re.search(r"(^|_)ids?$", column.name)}
    assert {name for name, is_personal in ids.items() if not is_personal} == {
        "file_id",
        "kept_file_id",
        "run_id",
        "user_agent_id",
    }


def columns_of(table: str) -> set[str]:
    return {column.name for column in TABLES[table].columns}


def test_no_module_assigns_a_constant_twice() -> None:
    twice = []
    for path in PACKAGE.rglob("*.py"):
        names = [
            target.id
            for statement in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        ]
        twice += [(path.name, name) for name, number in Counter(names).items() if number > 1]
    assert twice == []


def test_connections_neither_install_nor_load_extensions() -> None:
    """Only settings/conditions, which cannot import it, opens its own connection: without access to files."""
    calls = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if CONNECT in path.read_text()}
    assert calls == {"engines/connections.py", "settings/conditions/probe.py"}
    with private_connection(threads=1) as connection:
        for name, value in {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "TimeZone": "UTC",
            "threads": 1,
        }.items():
            assert connection.execute(f"select current_setting('{name}')").fetchall() == [(value,)]


@pytest.mark.parametrize("package", DESCRIBED)
def test_docstring_of_a_package_names_each_module(package: str) -> None:
    described = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8")))
    assert described
    modules = {path.name for path in (PACKAGE / package).glob("*.py")} - {"__init__.py"}
    assert len(modules) >= 5
    assert {name for name in modules if name not in described} == set()


def test_layout_in_the_architecture_names_each_package() -> None:
    layout = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Layout\n")[1].split("```")[1]
    named = set(re.findall(r"  (\w+/|\w+\.py)(?=  |\n)", layout))
    packages = {f"{path.parent.name}/" for path in PACKAGE.rglob("__init__.py")} - {"session_pipeline/"}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert named - {"presets/"} == packages | modules


@pytest.mark.parametrize(
    "native_limit_gb", [pytest.param(2.0, id="native"), pytest.param(0.0, marks=pytest.mark.long, id="views")]
)
def test_every_table_and_column_has_a_comment(rebuilt_days: Deployment, tmp_path: Path, native_limit_gb: float) -> None:
    deployment = copy_of(rebuilt_days, tmp_path / "data")
    deployment.set({**SETTINGS, "publish": {"native_limit_gb": native_limit_gb}})
    deployment.folder.warehouse.unlink()
    deployment.run(UNTIL)
    relations = deployment.query(
        "select table_name, comment from duckdb_tables() where not internal"
        " union all select view_name, comment from duckdb_views() where not internal"
        " union all select table_name || '.' || column_name, comment from duckdb_columns() where not internal",
    )
    assert "published.sha256" in {name for name, _ in relations}
    assert [name for name, comment in relations if not comment] == []
