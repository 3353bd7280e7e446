-- One row accounts for every line: accepted = events + duplicates + others. The others belong to
-- days that are not built, have expired with their day, or are in deleted files and before a
-- start_date that was changed.
with files as (
    select
        cast(coalesce(sum(line_count), 0) as bigint) as line_count,
        cast(coalesce(sum(accepted_count), 0) as bigint) as accepted_count,
        cast(coalesce(sum(set_aside_count), 0) as bigint) as set_aside_count,
        cast(coalesce(sum(erased_count), 0) as bigint) as erased_count
    from source_files
),

kept as (
    select
        (select count(*) from events) as event_count,
        (select count(*) from duplicate_events) as duplicate_count
)

select
    f.line_count,
    f.accepted_count,
    f.set_aside_count,
    f.erased_count,
    k.event_count,
    k.duplicate_count,
    f.accepted_count - k.event_count - k.duplicate_count as other_count
from files as f
cross join kept as k
