"""Tests compiled templates: used again if nothing changed, and no harm done by damage or a read-only folder."""

import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from session_pipeline.report.compiled import CompiledTemplates


@pytest.fixture(autouse=True)
def _writes_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.html").write_text("one {{ name }}")
    return folder


def rendered(templates: Path) -> str:
    """Render the page as a new process would."""
    environment = Environment(loader=FileSystemLoader(templates), autoescape=True)
    environment.bytecode_cache = CompiledTemplates(templates, environment)
    return environment.get_template("page.html").render(name="<b>")


def test_template_is_compiled_once(templates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(templates) == "one &lt;b&gt;"

    def compile_again(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(Environment, "compile", compile_again)
    assert rendered(templates) == "one &lt;b&gt;"


def test_changed_template_is_compiled_again(templates: Path) -> None:
    rendered(templates)
    (templates / "page.html").write_text("two {{ name }}")
    assert rendered(templates) == "two &lt;b&gt;"


def test_damaged_file_is_compiled_again(templates: Path) -> None:
    rendered(templates)
    [compiled] = (templates / "__pycache__").iterdir()
    compiled.write_bytes(compiled.read_bytes()[:-20])
    assert rendered(templates) == "one &lt;b&gt;"


def test_nothing_is_written_where_python_writes_no_bytecode(templates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(templates) == "one &lt;b&gt;"
    assert not (templates / "__pycache__").exists()


def test_folder_that_cannot_be_made_does_no_harm(templates: Path) -> None:
    (templates / "__pycache__").write_text("a file, so that no folder can be made")
    assert rendered(templates) == "one &lt;b&gt;"
