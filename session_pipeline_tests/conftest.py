"""Fixtures and process settings that several test modules share."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT

# Tests that a script starts with & ignore SIGINT, and so do their children. Dagster then ignores SIGTERM, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without bytecode files, each process that a test starts compiles all libraries again: ten times the import time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Half the time of a small run is spent in fsync, which costs nothing in memory. A TMPDIR that is set takes precedence.
IN_MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 8 * 1024**3
if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= ENOUGH_BYTES:
    os.environ["TMPDIR"] = str(IN_MEMORY)
    tempfile.tempdir = None


@pytest.fixture(scope="session")
def sample_deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with the committed sample and the committed settings, run once. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("sample") / "data")
    shutil.copyfile(ROOT / "data" / "settings.toml", deployment.folder.settings)
    shutil.copytree(ROOT / "data" / "raw" / "sample", deployment.folder.raw / "sample")
    deployment.run()
    return deployment
