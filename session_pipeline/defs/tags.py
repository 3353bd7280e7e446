"""Tags of runs, by which the parts of one run understand each other.

The UI hides tags that begin with `.dagster/`; what only the code reads is hidden.
"""

HIDDEN = ".dagster/session_pipeline_"
UNTIL = f"{HIDDEN}until"  # last day that counts, so that a run keeps its horizon over midnight
PLANNED = f"{HIDDEN}planned"  # which plan launched it: only what is stale is built
PROCESS = f"{HIDDEN}process"  # the process that a run lives in, and the run
DIED = f"{HIDDEN}died"  # the run that was reported as failed since its process was gone
REASON = "session_pipeline/reason"  # one of the reasons below; a run without it was launched by hand
UPGRADE = "session_pipeline/upgrade"  # all days built by older rules are rebuilt: by a build, or after an ingest
DAY = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

SCHEDULE = "schedule"  # the daily schedule, or a build of the newest day
LANDING = "landing"  # files to read under raw/
LATE = "late"  # days before the newest one have new data
DAMAGED = "damaged"  # files of the store are not what was written
UPGRADED = "upgrade"  # models or settings changed
COMMAND_LINE = "command line"
MANUAL = "manual"  # somebody pressed Materialize
