"""Dagster's entry point: loads the definitions from defs/ for one data folder.

The data folder is taken from SESSION_PIPELINE_DATA, otherwise it is `data`.
"""

from session_pipeline import data_folder
from session_pipeline.defs.deployment import make_definitions

defs = make_definitions(data_folder.find())
