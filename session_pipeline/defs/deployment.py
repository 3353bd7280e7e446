"""Everything that Dagster is told about one data folder.

Its settings give the time zone and the hour: after a change of these, reload the code location. Its catalog gives the
days that are partitions.
"""

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import assets, checks, jobs, partitions, schedules, sensors
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.settings import load_settings


def make_definitions(folder: DataFolder) -> dg.Definitions:
    """The definitions of a data folder.

    Raises:
        SettingsError: Its settings cannot be used.
    """
    settings = load_settings(folder.path)
    days = partitions.built_days(folder, settings)
    ingest, build = jobs.make_jobs()
    return dg.Definitions(
        assets=assets.make_assets(settings, days.definition(settings)),
        asset_checks=checks.make_checks(),
        jobs=[ingest, build],
        schedules=schedules.make_schedules(settings, ingest),
        sensors=sensors.make_sensors(folder, settings.alerts, ingest, build, days),
        resources={"pipeline": PipelineResource(data_folder=str(folder.path))},
        # Also for what is launched by hand: a killed worker of several processes leaves an orphan beside its successor.
        executor=dg.in_process_executor,
    )
