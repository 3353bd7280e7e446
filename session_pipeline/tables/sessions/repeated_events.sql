-- One row is a line of the day that repeats a kept event, with the line that was kept.
-- Which copy is kept does not depend on the order of arrival. If the id was kept in the last hour
-- before the day, all copies on the day are dropped.
with arrived as (
    select
        site,
        visitor_id,
        event_id,
        event_time,
        content_hash,
        file_id,
        line_number
    from raw_events
    where event_time >= $day_start and event_time < $day_end
),

repeated as (
    select
        site,
        visitor_id,
        event_id
    from arrived
    group by site, visitor_id, event_id
    having count(*) > 1
),

copies as (
    select
        a.site,
        a.visitor_id,
        a.event_id,
        a.event_time,
        a.content_hash,
        a.file_id,
        a.line_number,
        row_number() over copies_in_order as copy_number,
        first_value(a.content_hash) over copies_in_order as kept_content_hash,
        first_value(a.file_id) over copies_in_order as kept_file_id,
        first_value(a.line_number) over copies_in_order as kept_line_number
    from arrived as a
    inner join repeated as r
        on a.site = r.site and a.visitor_id = r.visitor_id and a.event_id = r.event_id
    window copies_in_order as (
        partition by a.site, a.visitor_id, a.event_id
        order by a.event_time, a.content_hash, a.file_id, a.line_number
    )
),

kept_the_day_before as (
    select
        a.event_id,
        a.site,
        a.visitor_id,
        a.event_time,
        a.file_id,
        a.line_number,
        r.file_id as kept_file_id,
        r.line_number as kept_line_number,
        a.content_hash = r.content_hash as is_same_content
    from arrived as a
    inner join recent_event_ids as r
        on a.site = r.site and a.visitor_id = r.visitor_id and a.event_id = r.event_id
)

select
    event_id,
    site,
    visitor_id,
    event_time,
    file_id,
    line_number,
    kept_file_id,
    kept_line_number,
    is_same_content
from kept_the_day_before
union all
select
    c.event_id,
    c.site,
    c.visitor_id,
    c.event_time,
    c.file_id,
    c.line_number,
    c.kept_file_id,
    c.kept_line_number,
    c.content_hash = c.kept_content_hash as is_same_content
from copies as c
left join kept_the_day_before as k
    on c.file_id = k.file_id and c.line_number = k.line_number
where c.copy_number > 1 and k.file_id is null
