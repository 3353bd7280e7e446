"""Tests that SQL is in .sql files, where it is linted, and not in strings of the Python code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import session_pipeline

PACKAGE = Path(session_pipeline.__file__).parent
SELECT = re.compile(r"\bselect\b.*\bfrom\b", re.DOTALL | re.IGNORECASE)
LONGEST = 120

# Modules that generate SQL from settings or names, and the catalog, which is SQLite.
GENERATED = {
    "settings_warnings/similar.py",
    "store/catalog_file.py",
    "tables/definitions/from_settings.py",
    "tables/funnels/from_settings.py",
    "tables/outcomes/from_settings.py",
    "tables/paths/from_settings.py",
    "tables/sessions/from_settings.py",
    "tables/settings_sql.py",
}
PATHS = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", [path for path in PATHS if path not in GENERATED])
def test_module_has_no_long_query(path: str) -> None:
    found = [
        f"line {line}: move this query to a .sql file: {text[:60]}"
        for line, text in strings_of((PACKAGE / path).read_text(encoding="utf-8"))
        if len(text) > LONGEST and SELECT.search(text)
    ]
    assert found == []


def test_generating_modules_exist() -> None:
    assert set(PATHS) >= GENERATED


def test_strings_of_code_are_found() -> None:
    code = 'x = f"select {a}" " from b"\ndef f():\n    """Select from."""\n    return "c"\n'
    assert list(strings_of(code)) == [(1, "select … from b"), (4, "c")]


def strings_of(code: str) -> Iterator[tuple[int, str]]:
    """Yield each string with its line; values in an f-string are replaced by …, and docstrings are left out."""
    nodes = list(ast.walk(ast.parse(code)))
    inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    inner |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.lineno, node.value
