"""Everything that Dagster is told about one data folder.

Its settings give the time zone, the first day and the hour: after a change of these, reload the code location.
"""

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import assets, checks, jobs, schedules, sensors
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.settings import load_settings


def make_definitions(folder: DataFolder) -> dg.Definitions:
    """The definitions of a data folder.

    Raises:
        SettingsError: Its settings cannot be used.
    """
    settings = load_settings(folder.path)
    ingest, build = jobs.make_jobs()
    return dg.Definitions(
        assets=assets.make_assets(settings),
        asset_checks=checks.make_checks(),
        jobs=[ingest, build],
        schedules=schedules.make_schedules(settings, ingest),
        sensors=sensors.make_sensors(folder, settings.alerts, ingest, build),
        resources={"pipeline": PipelineResource(data_folder=str(folder.path))},
        # Also for what is launched by hand: a killed worker of several processes leaves an orphan beside its successor.
        executor=dg.in_process_executor,
    )
