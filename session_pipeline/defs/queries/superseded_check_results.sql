-- One row is an execution of a check by deleted runs, except the latest result of each check.
-- An execution that was planned and has no result is not a result.
with latest as (
    select max(id) as id
    from asset_check_executions
    where execution_status <> 'PLANNED'
    group by asset_key, check_name, partition
)

select id
from asset_check_executions
where
    run_id in (select value from json_each($run_ids))
    and id not in (select id from latest)
