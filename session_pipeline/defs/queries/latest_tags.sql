-- One row is a tag of the latest event of a partition of an asset.
with latest as (
    select
        partition,
        max(id) as id
    from event_logs
    where
        asset_key = $asset_key
        and dagster_event_type = $event_type
        and partition in (select value from json_each($partitions))
    group by partition
)

select
    l.partition,
    t.key,
    t.value
from latest as l
inner join asset_event_tags as t on l.id = t.event_id
where t.key in (select value from json_each($tag_keys))
