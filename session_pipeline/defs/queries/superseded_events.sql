-- One row is an event of deleted runs in Dagster's index that nothing needs without its run.
-- Kept: the latest materialization and observation of each asset partition, the latest result of
-- each check, and the newest row of all, because SQLite would give its id to the next event.
with latest_of_assets as (
    select max(id) as id
    from event_logs
    where dagster_event_type in ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION')
    group by asset_key, dagster_event_type, partition
),

results_of_checks as (
    select evaluation_event_storage_id as id
    from asset_check_executions
    where evaluation_event_storage_id is not null
),

newest as (
    select max(id) as id
    from event_logs
)

select id
from event_logs
where
    run_id in (select value from json_each($run_ids))
    and id not in (select id from latest_of_assets)
    and id not in (select id from results_of_checks)
    and id not in (select id from newest)
