"""Imported by the process that runs are forked from: what takes each of them a sixth of its time to learn."""

from session_pipeline.conditions import probe
from session_pipeline.settings import parse_settings
from session_pipeline_tests.mutation.replaced_models import learn_models

learn_models()
parse_settings("")  # and with it the packaged conditions
# A database cannot be forked.
probe._database().close()
probe._database.cache_clear()
