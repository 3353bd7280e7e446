"""Attaches the metadata of all partitions of a step at once.

`AssetExecutionContext.add_asset_metadata` takes one partition, and copies and checks all earlier ones: for three tables
of a year, that is half a million comparisons. The result here is the same. What the metadata is, is in `defs.metadata`.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
    OutputMetadataHandle,
)


def add(context: dg.AssetExecutionContext, figures: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Attach metadata to partitions that the run materializes.

    Args:
        context: The context of the op.
        figures: The metadata by asset and partition.
    """
    step = context.get_step_execution_context()
    added: dict[OutputMetadataHandle | AssetMetadataHandle, Mapping[str, Any]] = {
        AssetMetadataHandle(asset_key=dg.AssetKey(name), partition_key=partition): metadata
        for (name, partition), metadata in figures.items()
    }
    step._metadata_accumulator = OutputMetadataAccumulator(
        per_output_metadata={**step._metadata_accumulator.per_output_metadata, **added}
    )
