"""Runs tests against a mutant of a Python module in a forked process.

The parent process must not have imported the module: the child imports it with the text of the mutant. Slow imports
that do not depend on the module are done once, in the parent.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import CodeType

from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.mutation.replaced_models import learn_models

HEAVY = (
    "_pytest.assertion",
    "_pytest.fixtures",
    "_pytest.python",
    "_pytest.terminal",
    "duckdb",
    "hypothesis",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pydantic",
    "sqlglot",
    "ua_parser",
    "unittest.mock",
)
# Modules of the package that import no other module of it. A child keeps them unless the mutant is one of them.
KEPT = ("session_pipeline.tables", "session_pipeline.errors", "session_pipeline.tables.models")
OPTIONS = (
    *("-x", "-q", "--no-header", "--no-summary", "--timeout", "120", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"),
)
MOST_CPU_SECONDS = 60  # a mutant that takes longer never ends, so it counts as killed
CANNOT_BE_IMPORTED = 100


class Verdict(Enum):
    """The result of running tests on a mutant."""

    KILLED = "a test failed, or did not end"
    SURVIVED = "all tests passed"
    INVALID = "it cannot even be imported"


def import_libraries() -> None:
    """Import what every child needs. Call this once, before the first verdict."""
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    for name in (*HEAVY, *KEPT):
        importlib.import_module(name)
    learn_models()


def verdict_on(file: str, text: str, tests: Sequence[str]) -> Verdict:
    """Run tests with this text instead of a source file until one fails."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = _run(file, text, [*OPTIONS, "--basetemp", f"{folder}/pytest", *tests])
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0 or code in (1, 2):
        return Verdict.KILLED
    assert code in (0, CANNOT_BE_IMPORTED), f"pytest ended with {code} for {file}"
    return Verdict.SURVIVED if code == 0 else Verdict.INVALID


def _run(file: str, text: str, arguments: Sequence[str]) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 5))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    name = file.removesuffix(".py").replace("/", ".")
    if name.startswith(KEPT):
        for kept in [kept for kept in sys.modules if kept.startswith("session_pipeline.")]:
            del sys.modules[kept]
    assert name not in sys.modules, f"{name} was imported before it was replaced"
    sys.meta_path.insert(0, _Finder(name, ROOT / file, text))
    try:
        importlib.import_module(name)
    except BaseException:
        return CANNOT_BE_IMPORTED
    return int(pytest.main(list(arguments)))


class _Source(importlib.machinery.SourceFileLoader):
    """Loads a module from a text instead of its file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the module that is replaced."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        self._name, self._path, self._text = name, path, text

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Source(fullname, str(self._path), self._text)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)
