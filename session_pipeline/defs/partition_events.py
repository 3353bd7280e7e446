"""Records the partitions that a step built as materializations, with their metadata.

Dagster itself makes an event for each partition of the run's range, which can take as long as building small days.
`EventLog` stores the same events from one, and only for partitions that were built. What the metadata is, is in
`defs.metadata`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from session_pipeline.build.builder import Built
from session_pipeline.defs import tags
from session_pipeline.defs.event_log import EventLog
from session_pipeline.tables.graph import Step


def to_record(context: dg.AssetExecutionContext, step: Step, results: Sequence[Built]) -> Sequence[Built]:
    """Return the results to record as materializations: all but those of days that are fresh and recorded already.

    A run does not record what it built if it was killed before, or if it built a table only as an input. Of days that
    are all recorded, the last one is returned, because an op materializes something.
    """
    log = context.instance.event_log_storage
    if not isinstance(log, EventLog):
        return results  # Dagster makes an event for each partition

    def is_recorded(built: Built) -> bool:
        runs = {partition.run_id for partition in built.partitions.values()}
        is_fresh = not built.was_built and not built.reason
        return is_fresh and all(_is_recorded_by(log, context.instance, run_id, step, str(built.day)) for run_id in runs)

    return [built for built in results if not is_recorded(built)] or results[-1:]


def _is_recorded_by(log: EventLog, instance: dg.DagsterInstance, run_id: str, step: Step, day: str) -> bool:
    """Whether a run finished that had the tables of a step and the day."""
    if run_id not in log.succeeded:
        run = instance.get_run_by_id(run_id)
        if run is None or not run.is_success:
            return False
        log.succeeded[run_id] = run
    run = log.succeeded[run_id]
    first, last = tags.first_and_last_day(run.tags)
    # A run of the whole job has no selection.
    has_tables = not run.asset_selection or run.asset_selection >= {dg.AssetKey(name) for name in step.tables}
    return has_tables and first <= day <= last


def record(context: dg.AssetExecutionContext, figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Let the materializations that the op returns next stand for partitions, with their metadata.

    Args:
        context: The context of the op.
        figures: The metadata by asset and partition.
    """
    log = context.instance.event_log_storage
    if not isinstance(log, EventLog):
        for name, of_partitions in figures.items():
            for partition, metadata in of_partitions.items():
                context.add_asset_metadata(metadata, asset_key=name, partition_key=partition)
        return
    last = context.partition_keys[-1]
    step = context.get_step_execution_context()
    # So that Dagster makes one event for each asset. A test compares the history with that of Dagster's own class.
    step.asset_partition_key_range_for_output = lambda output_name: dg.PartitionKeyRange(last, last)
    for name, of_partitions in figures.items():
        if of_partitions:
            log.materializes(context.run.run_id, dg.AssetKey(name), dict(sorted(of_partitions.items())))
