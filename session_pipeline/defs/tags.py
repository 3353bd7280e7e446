"""Tags of runs, by which the parts of one run understand each other."""

UNTIL = "session_pipeline/until"  # last day that counts, so that a run keeps its horizon over midnight
PLANNED = "session_pipeline/planned"  # the plan launched it: only what is stale is built
REASON = "session_pipeline/reason"  # late, schedule, landing, upgrade or by hand
UPGRADE = "session_pipeline/upgrade"  # also what is stale for logic beyond max_rebuild_days
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
