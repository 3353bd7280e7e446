"""Front door for Dagster: loads defs/, computes nothing.

The data folder is the one that SESSION_PIPELINE_DATA names, else `data`; its settings give the time zone and first day.
"""

import dagster as dg

from session_pipeline import data_folder
from session_pipeline.defs import assets, checks, jobs, schedules, sensors
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.settings import load_settings

_folder = data_folder.find()
_settings = load_settings(_folder.path)
_jobs = jobs.make_jobs()

defs = dg.Definitions(
    assets=assets.make_assets(_settings),
    asset_checks=checks.make_checks(),
    jobs=list(_jobs.values()),
    schedules=schedules.make_schedules(_settings, _jobs["ingest"]),
    sensors=sensors.make_sensors(_jobs["ingest"], _jobs["build"]),
    resources={"pipeline": PipelineResource(data_folder=str(_folder.path))},
)
