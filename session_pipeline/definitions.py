"""Front door for Dagster: loads defs/, computes nothing.

The data folder is the one that SESSION_PIPELINE_DATA names, else `data`.
"""

from session_pipeline import data_folder
from session_pipeline.defs.deployment import make_definitions

defs = make_definitions(data_folder.find())
