"""Creates all Dagster definitions of one data folder.

The settings define the time zone and the hour of the schedule: reload the code location after changing them. The
catalog defines the days that are partitions. Each kind of definition has its own module in this package.
"""

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import assets, checks, event_log, jobs, partitions, schedules, sensors
from session_pipeline.defs.resources import make_resource
from session_pipeline.run.run import Run
from session_pipeline.settings import load_settings


def make_definitions(folder: DataFolder, shared: Run | None = None) -> dg.Definitions:
    """Create the definitions of a data folder.

    Args:
        folder: The data folder.
        shared: An open run of this process. Its settings and its store are used, and the jobs do their work in it.

    Raises:
        SettingsError: The settings are invalid.
    """
    event_log.hand_over_in_batches()
    settings = shared.settings if shared else load_settings(folder.path)
    days = partitions.days_of(shared.store, settings) if shared else partitions.built_days(folder, settings)
    ingest, build = jobs.make_jobs()
    return dg.Definitions(
        assets=assets.make_assets(settings, days.definition(settings)),
        asset_checks=checks.make_checks(),
        jobs=[ingest, build],
        schedules=schedules.make_schedules(settings, ingest),
        sensors=sensors.make_sensors(folder, settings.alerts, ingest, build, days),
        resources={"pipeline": make_resource(folder, shared)},
        # Also for runs launched in the UI: a killed multiprocess run leaves an orphan worker next to its successor.
        executor=dg.in_process_executor,
    )


def make_ingest_definitions(folder: DataFolder, shared: Run) -> dg.Definitions:
    """Create only what the job `ingest` needs, because all definitions take longer to create. Its runs are the same.

    Args:
        folder: The data folder.
        shared: An open run of this process, in which the job does its work.
    """
    event_log.hand_over_in_batches()
    ingest, _ = jobs.make_jobs()
    return dg.Definitions(
        assets=[assets.make_ingest()],
        asset_checks=checks.make_checks(assets.INGESTED),
        jobs=[ingest],
        resources={"pipeline": make_resource(folder, shared)},
        executor=dg.in_process_executor,
    )
