"""Dagster's entry point: loads the definitions from defs/ for one data folder.

The data folder is taken from SESSION_PIPELINE_DATA, otherwise it is `data`.
"""

import os

from session_pipeline import data_folder
from session_pipeline.defs import home
from session_pipeline.defs.deployment import make_definitions

folder = data_folder.find()
home.write_missing_settings(folder, os.environ.get("DAGSTER_HOME"))
defs = make_definitions(folder)
