-- One row is a run in Dagster's history; the newest come first.
select
    run_id,
    pipeline_name,
    status,
    run_body,
    create_timestamp,
    start_time,
    end_time
from runs
order by id desc
limit $most_runs
