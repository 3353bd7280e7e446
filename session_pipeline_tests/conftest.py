"""Fixtures and process settings that several test modules share."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from session_pipeline.ingest.formats import json_values
from session_pipeline.ingest.reading import read_large, small_files
from session_pipeline.store.store import Store
from session_pipeline_tests.benchmarks.generate import SHOP, SHOP_SETTINGS
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.listeners import Listener
from session_pipeline_tests.reliability.figures import effort

if TYPE_CHECKING:
    from session_pipeline.engines.duckdb import DuckDBEngine
    from session_pipeline_tests.erasures import Erased
    from session_pipeline_tests.expired_days import Expired
    from session_pipeline_tests.reported_queries import Reported
    from session_pipeline_tests.shop_commands import FirstRun

OF_THE_TERMINAL = {
    *("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "NO_COLOR", "PY_COLORS"),
    *("TTY_COMPATIBLE", "TTY_INTERACTIVE"),
}

# Tests that a script starts with & ignore SIGINT, and so do their children. Dagster then ignores SIGTERM, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without bytecode files, each process that a test starts compiles all libraries again: ten times the import time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a user's shell or a CI service sets must not change results: the data folder, settings, colors, and line widths.
# Variables that choose how much is tested begin with PIPELINE_TESTS_.
for variable in os.environ.copy():
    if variable.startswith(("SESSION_PIPELINE_", "DAGSTER_")) or variable in OF_THE_TERMINAL:
        del os.environ[variable]

# Examples are always the same, except at night, and no limit is a time. So a failure comes from the code.
hypothesis.settings.register_profile(
    "usual",
    derandomize=effort() == 1,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("usual")

# Half the time of a small run is spent in fsync, which costs nothing in memory. A TMPDIR that is set takes precedence.
IN_MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 8 * 1024**3
if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= ENOUGH_BYTES:
    os.environ["TMPDIR"] = str(IN_MEMORY)
    tempfile.tempdir = None

UNTIL_OF_SHOP = date(2024, 7, 1)
OBJECTS_BETWEEN_COLLECTIONS = 50_000

# Fixtures below that take seconds, each once in a process.
SHARED = (
    *("sample_deployment", "forked", "first_run", "published_controls", "four_weeks", "rebuilt_days", "with_canary"),
    *("reported_week", "built_week", "expired"),
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Let the modules that use the same shared fixtures follow each other, so that mostly one process builds them."""
    used: defaultdict[Path, set[str]] = defaultdict(set)
    for item in items:
        used[item.path].update(item.fixturenames)
    items.sort(key=lambda item: [name in used[item.path] for name in SHARED])


def pytest_collection_finish() -> None:
    """Leave the modules and the thousands of tests out of each search for unreachable objects: a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """A function that opens the store; all that it opened are closed at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Store(tmp_path / "store", "1.0")))


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()


@pytest.fixture(scope="session")
def sample_deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with the committed sample and the committed settings, run once. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("sample") / "data")
    shutil.copyfile(ROOT / "data" / "settings.toml", deployment.folder.settings)
    shutil.copytree(ROOT / "data" / "raw" / "sample", deployment.folder.raw / "sample")
    deployment.run()
    return deployment


@pytest.fixture(
    scope="session",
    params=[
        "sample",
        pytest.param(
            "shop", marks=[pytest.mark.nightly, pytest.mark.skipif(not SHOP.exists(), reason="no shared fixtures here")]
        ),
    ],
)
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Reported]":
    """The report of the committed sample, and that of the shared shop, each with its warehouse."""
    from session_pipeline_tests.reported_queries import opened

    if request.param == "sample":
        yield from opened(request.getfixturevalue("sample_deployment"))
        return
    deployment = Deployment(tmp_path_factory.mktemp("shared_shop"))
    deployment.folder.settings.write_text(SHOP_SETTINGS)
    (deployment.folder.raw / "web").mkdir(parents=True)
    shutil.copyfile(SHOP, deployment.folder.raw / "web" / SHOP.name)
    deployment.run(until=UNTIL_OF_SHOP)
    yield from opened(deployment)


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path)
    yield ingest
    ingest.close()


@pytest.fixture(params=["as a small file", "as a large file"])
def each_way(request: pytest.FixtureRequest, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """An ingest that reads every file in one of the two ways, whatever its size."""
    return in_way(request.param, ingest, monkeypatch)


@pytest.fixture(params=["as a small file", pytest.param("as a large file", marks=pytest.mark.long)])
def each_way_of_columns(request: pytest.FixtureRequest, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """As `each_way`, for tests of what happens once the lines are read: in both ways, one query does it."""
    return in_way(request.param, ingest, monkeypatch)


def in_way(way: str, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Let the ingest read every file in a way, and return it."""
    if way == "as a large file":
        monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", -1)
    return ingest


@pytest.fixture(
    params=[
        "as a small file",
        pytest.param("as a large file", marks=pytest.mark.nightly),  # of one part
        "as a large file in parts",
    ]
)
def each_way_and_in_parts(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ingest]:
    """An ingest that reads every file in one of these ways; long values lie in several chunks."""
    if request.param != "as a small file":
        monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", -1)
    if request.param == "as a large file in parts":
        monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", 2)
    monkeypatch.setattr(json_values, "CHUNK_BYTES", 7)
    ingest = Ingest(tmp_path)
    yield ingest
    ingest.close()


@pytest.fixture(scope="module")
def module_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """An ingest for tests that read many files."""
    ingest = Ingest(tmp_path_factory.mktemp("ingest"))
    yield ingest
    ingest.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[DuckDBEngine]":
    """A DuckDB engine with the default limits."""
    from session_pipeline.engines.duckdb import DuckDBEngine, Limits

    with closing(DuckDBEngine(Limits(), tmp_path_factory.mktemp("engine"))) as engine:
        yield engine


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path / "listener")


@pytest.fixture
def no_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, where commands find no data folder."""
    monkeypatch.chdir(tmp_path)


# These import where they are used what loads Dagster: it takes seconds, and most modules run without it.


@pytest.fixture(scope="session")
def forked() -> None:
    """Processes are forked from one that loads Dagster first; modules that start some follow each other."""


@pytest.fixture(scope="session")
def first_run(forked: None, tmp_path_factory: pytest.TempPathFactory) -> "FirstRun":
    """Two days of a shop, with one duplicate and one line of invalid JSON, run by the command line."""
    from session_pipeline_tests.shop_commands import run_first

    return run_first(tmp_path_factory.mktemp("shop") / "data")


@pytest.fixture(scope="session")
def shop(first_run: "FirstRun") -> Path:
    """The data folder of the first run. Read only."""
    return first_run.data


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(shop, tmp_path / "data"))


@pytest.fixture(scope="session")
def published_controls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published data folder whose values have control codes and a formula. No test may change what is published."""
    from session_pipeline_tests.output_commands import published_in

    return published_in(tmp_path_factory.mktemp("controls") / "data")


@pytest.fixture(scope="session")
def four_weeks(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Four Mondays, the last with a duplicate line. Read only."""
    from session_pipeline_tests.checked_stores import build_four_weeks

    return build_four_weeks(tmp_path_factory.mktemp("weeks") / "data")


@pytest.fixture(scope="session")
def rebuilt_days(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Three days, of which the first was built again for a late event. Read only."""
    from session_pipeline_tests.older_versions import build_days

    return build_days(tmp_path_factory.mktemp("days") / "data")


@pytest.fixture(scope="session")
def with_canary(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with a visitor to be erased, published several times. Read only."""
    from session_pipeline_tests.erasures import build_with_canary

    return build_with_canary(tmp_path_factory.mktemp("canary") / "data")


@pytest.fixture(scope="session")
def erased(with_canary: Deployment, tmp_path_factory: pytest.TempPathFactory) -> "Erased":
    """A copy of `with_canary` after the erasure of this visitor. Read only."""
    from session_pipeline_tests.erasures import erase_canary

    return erase_canary(with_canary.copied_to(tmp_path_factory.mktemp("erased") / "data"))


@pytest.fixture(scope="session")
def expired(tmp_path_factory: pytest.TempPathFactory) -> "Expired":
    """A deployment before and after its old days expired. Read only."""
    from session_pipeline_tests.expired_days import build_expired

    return build_expired(tmp_path_factory.mktemp("expired") / "data")


@pytest.fixture(scope="session")
def reported_week(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A week with 12 purchases of 20 visits; 6 of the others saw an error at /pay. Read only."""
    from session_pipeline_tests.changed_reports import build_reported_week

    return build_reported_week(tmp_path_factory.mktemp("reported") / "data")


@pytest.fixture(scope="session")
def built_week(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Seven days, run once. Read only."""
    from session_pipeline_tests.built_week import build_week

    return build_week(tmp_path_factory.mktemp("week") / "data")


@pytest.fixture
def week(built_week: Deployment, tmp_path: Path) -> Deployment:
    """A copy of the built week that the test may change."""
    return built_week.copied_to(tmp_path / "week")
