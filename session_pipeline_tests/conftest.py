"""What several test modules share."""

import shutil
import signal

import pytest

from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT

# Tests that a script starts with & would hand on that SIGINT is ignored, and by Dagster SIGTERM, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sample_deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The committed sample under the committed settings, run once; not to be written to."""
    deployment = Deployment(tmp_path_factory.mktemp("sample") / "data")
    shutil.copyfile(ROOT / "data" / "settings.toml", deployment.folder.settings)
    shutil.copytree(ROOT / "data" / "raw" / "sample", deployment.folder.raw / "sample")
    deployment.run()
    return deployment
