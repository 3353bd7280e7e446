"""All Dagster definitions, one module per concept.

deployment.py puts the definitions together: assets.py, checks.py and check_results.py, jobs.py, schedules.py,
sensors.py, whose reasons to wait are in waiting.py, with partitions.py, resources.py, tags.py and subsets.py.
metadata.py and partition_events.py say what the UI shows of a partition.

local_runs.py runs the jobs in a process of the command line; code_location.py makes the UI show them. home.py prepares
Dagster's home. dead_runs.py and failures.py find out how runs ended, alerts.py which of them are alerts. history.py and
instance_history.py read the history of runs, retention.py and erased_history.py remove from it.

event_log.py, event_text.py, event_databases.py and latest_events.py make Dagster's storage of events faster.
storages.py opens its databases, and broken_history.py finds those that cannot be used.

Other packages do not import Dagster, except for type annotations. What is built, and why, is decided in `build`; the
work of a run is in `run`.
"""
