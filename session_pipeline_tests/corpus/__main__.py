"""Ingests each file of the corpus by itself, and prints the results."""

import sys
import tempfile
from pathlib import Path

from session_pipeline_tests.corpus import CORPUS
from session_pipeline_tests.corpus.results import ingest_all, put
from session_pipeline_tests.deployment import Deployment


def main() -> int:
    """Ingest each file by itself and print its result."""
    for number, given in enumerate(CORPUS, start=1):
        with tempfile.TemporaryDirectory() as folder:
            deployment = Deployment(Path(folder), given.settings)
            put(deployment, given)
            [result] = ingest_all(deployment)
        print(f"{number:>3}  {given.what:<45}  {result}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
