-- One row is an asset that Dagster has an event of.
select
    id,
    asset_key,
    last_materialization,
    last_run_id,
    cached_status_data,
    last_materialization is not null
    and asset_details is null
    and wipe_timestamp is null as is_plain
from asset_keys
where asset_key in (select value from json_each($asset_keys))
order by asset_key
