"""Tags of runs, by which the parts of one run understand each other."""

UNTIL = "session_pipeline/until"  # last day that counts, so that a run keeps its horizon over midnight
PLANNED = "session_pipeline/planned"  # which plan launched it: only what is stale is built
REASON = "session_pipeline/reason"  # schedule, landing, late, upgrade or command line; absent: by hand
UPGRADE = "session_pipeline/upgrade"  # all days built by older rules are rebuilt: by a build, or after an ingest
DAY = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
