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

_finished: dict[str, tuple[str, str]] = {}  # the first and the last day of runs that finished, which never changes


def to_record(context: dg.AssetExecutionContext, results: Sequence[Built]) -> Sequence[Built]:
    """Return the results to record as materializations: all but those of days that are fresh and recorded already.

    A run does not record what it built if it was killed before, or if it built the day only as an input of its own
    days. There is always one result, because an op materializes something.
    """
    if not isinstance(context.instance.event_log_storage, EventLog):
        return results  # Dagster makes an event for each partition

    def is_recorded(built: Built) -> bool:
        ranges = (_days_recorded_by(context.instance, partition.run_id) for partition in built.partitions.values())
        is_fresh = not built.was_built and not built.reason
        return is_fresh and all(first <= str(built.day) <= last for first, last in ranges)

    return [built for built in results if not is_recorded(built)] or results[-1:]


def _days_recorded_by(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """Return the first and the last day of a run that finished; two empty texts if it did not."""
    if run_id not in _finished:
        run = instance.get_run_by_id(run_id)
        if run is None or not run.is_success:
            return "", ""
        _finished[run_id] = tags.first_and_last_day(run.tags)
    return _finished[run_id]


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
            log.materializes(context.run.run_id, dg.AssetKey(name), of_partitions)
