-- One row is the two files of a source that have most events in common, if these are nearly all
-- events of one of them in the time of both. Lines that are equal are one event, so these lines
-- differ in other fields or in their order. Only visitors whose hash is before $hashes_before
-- count, so the number can be too low.
with files as (
    select
        file_id,
        path,
        first_event_time,
        last_event_time
    from source_files
    where
        source = $source
        and status = 'accepted'
        and json_extract_string(mapping, '$.event_id') is null
),

counted as (
    select
        file_id,
        site,
        visitor_id,
        event_time,
        event_name,
        coalesce(page_url, '') as page_url,
        coalesce(cast(value as varchar), '') as value,
        count(*) as event_count
    from events
    where
        event_date between $first_day and $last_day
        and source = $source
        and not is_bot
        and md5(visitor_id) < $hashes_before
        and file_id in (select file_id from files)
    group by all
),

pairs as (
    select
        a.file_id,
        b.file_id as other_id,
        sum(least(a.event_count, b.event_count)) as same_count
    from counted as a
    inner join counted as b
        on
            a.site = b.site
            and a.visitor_id = b.visitor_id
            and a.event_time = b.event_time
            and a.event_name = b.event_name
            and a.page_url = b.page_url
            and a.value = b.value
            and a.file_id < b.file_id
    group by a.file_id, b.file_id
    having count(distinct a.visitor_id) >= $fewest_visitors
    order by same_count desc, a.file_id asc, other_id asc
    limit $most_pairs
),

-- Joined by equality, because a join with either file of a pair compares all pairs with all events.
files_of_pairs as (
    select
        *,
        unnest([file_id, other_id]) as counted_id
    from pairs
),

compared as (
    select
        f.path,
        o.path as other_path,
        f.last_event_time >= o.last_event_time as is_later,
        p.same_count,
        least(
            sum(c.event_count) filter (where c.file_id = p.file_id),
            sum(c.event_count) filter (where c.file_id = p.other_id)
        ) as event_count
    from files_of_pairs as p
    inner join files as f
        on p.file_id = f.file_id
    inner join files as o
        on p.other_id = o.file_id
    inner join counted as c
        on
            p.counted_id = c.file_id
            and c.event_time >= greatest(f.first_event_time, o.first_event_time)
            and c.event_time <= least(f.last_event_time, o.last_event_time)
    group by f.path, o.path, is_later, p.same_count
)

select
    case when is_later then path else other_path end as path,
    case when is_later then other_path else path end as other_path,
    cast(same_count as bigint) as same_count
from compared
where same_count >= $smallest_share * event_count
order by same_count desc, path asc, other_path asc
limit 1
