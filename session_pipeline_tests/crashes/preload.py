"""Loads what every run needs in the process that runs are forked from; this saves a sixth of the time of a run.

What is loaded is left out of every search for unreachable objects; see conftest.py.
"""

import gc

import pyarrow.dataset
import pyarrow.pandas_compat  # noqa: F401

from session_pipeline.ingest import deliveries, source_files  # noqa: F401
from session_pipeline.ingest.reading import nameless, read, readers, stream, tasks  # noqa: F401
from session_pipeline.report.page import templates
from session_pipeline.settings import parse_settings
from session_pipeline.settings.conditions import probe
from session_pipeline_tests.mutation.replaced_models import learn_models

learn_models()
parse_settings("")  # also parses the packaged conditions
for name in templates().list_templates(extensions=["html"]):
    templates().get_template(name)
# A database must not be open when the process forks.
probe._database().close()
probe._database.cache_clear()
gc.collect()
gc.freeze()
