"""Tests rules that hold across the contracts of all tables, and across the modules of the package."""

import ast
from collections import Counter
from pathlib import Path

import pytest

import session_pipeline
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.older_versions import SETTINGS, UNTIL, copy_of, query

PACKAGE = Path(session_pipeline.__file__).parent
DESCRIBED = ("build", "engines", "publish", "run", "store")  # packages whose docstring says what each module does


def test_published_tables_by_session_have_is_bot() -> None:
    by_session = {
        name: {column.name for column in contract.columns}
        for name, contract in TABLES.items()
        if contract.is_published and any(column.name == "session_id" for column in contract.columns)
    }
    assert len(by_session) >= 8
    assert [name for name, columns in by_session.items() if "is_bot" not in columns] == []


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


@pytest.mark.parametrize("package", DESCRIBED)
def test_docstring_of_a_package_names_each_module(package: str) -> None:
    described = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8")))
    assert described
    modules = {path.name for path in (PACKAGE / package).glob("*.py")} - {"__init__.py"}
    assert len(modules) >= 5
    assert {name for name in modules if name not in described} == set()


@pytest.mark.parametrize("native_limit_gb", [2.0, 0.0], ids=["native", "views"])
def test_every_table_and_column_has_a_comment(rebuilt_days: Deployment, tmp_path: Path, native_limit_gb: float) -> None:
    deployment = copy_of(rebuilt_days, tmp_path / "data")
    deployment.set({**SETTINGS, "publish": {"native_limit_gb": native_limit_gb}})
    deployment.folder.warehouse.unlink()
    deployment.run(UNTIL)
    relations = query(
        deployment,
        "select table_name, comment from duckdb_tables() where not internal"
        " union all select view_name, comment from duckdb_views() where not internal"
        " union all select table_name || '.' || column_name, comment from duckdb_columns() where not internal",
    )
    assert "published.sha256" in {name for name, _ in relations}
    assert [name for name, comment in relations if not comment] == []
