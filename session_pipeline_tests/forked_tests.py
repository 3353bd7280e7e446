"""Tests of one mutant of a Python module, in a child that is forked for it.

A process of its own has the heavy libraries loaded, and nothing of the package. For each mutant it forks a child, which
imports the package with the mutant in the place of the module and runs tests until one fails. Knows processes and
pytest. Does not know what a mutant is, nor which tests fit.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.known_models import learn_models

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
# Parts of the package that read no other part; a child keeps them, unless the mutant is of one of them.
KEPT = ("session_pipeline", "session_pipeline.contracts", "session_pipeline.errors", "session_pipeline.models")
PLUGINS = ("-p", "pytest_timeout", "-p", "no:cacheprovider")  # no others, for they take their time
MOST_CPU_SECONDS = 20  # a mutant that takes longer loops for ever, so it was noticed
CANNOT_BE_IMPORTED = 100
NOTICED_BY_TIME = 101


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: noticed, not noticed, or no mutant, since it cannot even be imported."""

    is_killed: bool
    is_stillborn: bool = False


class ForkedTests:
    """A process that forks children."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def verdict(self, file: str, text: str, tests: Sequence[str]) -> Verdict:
        """Run tests, in their order, with this source in the place of the file; until one fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"file": file, "text": text, "tests": list(tests)}) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, 1, 2, CANNOT_BE_IMPORTED, NOTICED_BY_TIME), f"pytest ended with {code} for {file}"
        return Verdict(is_killed=code in (1, 2, NOTICED_BY_TIME), is_stillborn=code == CANNOT_BE_IMPORTED)


@contextmanager
def forked_tests() -> Iterator[ForkedTests]:
    """Within, mutants can be tried."""
    command = [sys.executable, "-m", __name__]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:
        yield ForkedTests(process)
        assert process.stdin is not None
        process.stdin.close()


class _Source(importlib.machinery.SourceFileLoader):
    """Loads a module from another text than its file has."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: Path, text: str) -> None:
        self._name, self._path, self._text = name, path, text

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Source(fullname, str(self._path), self._text)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def _module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _run(file: str, text: str, tests: Sequence[str], folder: str) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 5))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    name = _module_name(file)
    if name.startswith(KEPT[1:]):
        for kept in [kept for kept in sys.modules if kept.startswith(KEPT[0])]:
            del sys.modules[kept]
    sys.meta_path.insert(0, _Finder(name, ROOT / file, text))
    try:
        importlib.import_module(name)
    except BaseException:
        return CANNOT_BE_IMPORTED
    options = ("-x", "-q", "--no-header", "--no-summary", "--basetemp", f"{folder}/pytest", "--timeout", "120")
    return int(pytest.main([*options, *PLUGINS, *tests]))


def main() -> None:
    """Take mutants from standard input, a line each, and say how pytest ended."""
    for name in (*HEAVY, *KEPT):
        importlib.import_module(name)
    learn_models()  # once for all children; it takes a second
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = _run(asked["file"], asked["text"], asked["tests"], folder)
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(code if code >= 0 else NOTICED_BY_TIME, flush=True)


if __name__ == "__main__":
    main()
