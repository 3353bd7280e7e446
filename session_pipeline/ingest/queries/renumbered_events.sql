-- One row is an event without an own id whose content is also in earlier ranges of its file: the id
-- that it has in the whole file. Equal contents have equal times, so they are in one file.
with numbered as (
    select
        line_number,
        content_hash,
        row_number() over (partition by content_hash order by line_number) as _occurrence
    from read_parquet($rows, hive_partitioning = false)
),

earlier as (
    select
        replace(content_id, '-', '') as content_hash,
        sum(line_count) as line_count
    from read_parquet($earlier)
    where range_number = $range_number
    group by content_id
)

select
    n.line_number,
    md5(n.content_hash || '|' || cast(n._occurrence + e.line_count as bigint)) as event_id
from numbered as n
inner join earlier as e on n.content_hash = e.content_hash
order by n.line_number
