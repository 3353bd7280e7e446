-- One row is a line of a day that repeats a kept event, with the line that was kept.
-- Which copy is kept on a day does not depend on the order of arrival. If the id was kept in the
-- last hour of the day before, all copies of the day are dropped. An id that arrives in the last
-- hour of several days in a row is therefore kept on the first day, dropped on the second, kept on
-- the third.
with found_twice as (
    -- Most ids are found once. If all are, no other column is read.
    select event_id
    from (
        select event_id
        from raw_events
        union all
        select event_id
        from recent_event_ids
    ) as found
    group by event_id
    having count(*) > 1
),

arrived as (
    select
        d.event_date,
        d.day_before,
        a.event_time >= d.day_end - cast($carried_minutes as integer) * interval 1 minute
            as is_carried,
        a.site,
        a.visitor_id,
        a.event_id,
        a.event_time,
        a.content_hash,
        a.file_id,
        a.line_number
    from raw_events as a
    inner join day_parts as d
        on
            a.utc_date = d.utc_date
            and a.event_time >= d.day_start
            and a.event_time < d.day_end
    where a.event_id in (select event_id from found_twice)
    union all
    select
        event_date,
        cast(null as date) as day_before,
        true as is_carried,
        site,
        visitor_id,
        event_id,
        cast(null as timestamp) as event_time,
        content_hash,
        file_id,
        line_number
    from recent_event_ids
    where event_id in (select event_id from found_twice)
),

-- Only ids that arrive twice on a day, or that arrived in the last hour of the day before.
repeated as (
    select
        site,
        visitor_id,
        event_id
    from arrived
    group by event_date, site, visitor_id, event_id
    having count(*) > 1
    union
    select
        a.site,
        a.visitor_id,
        a.event_id
    from arrived as a
    inner join arrived as b
        on
            a.day_before = b.event_date
            and a.site = b.site
            and a.visitor_id = b.visitor_id
            and a.event_id = b.event_id
    where b.is_carried
),

copies as (
    select
        a.*,
        row_number() over copies_in_order as copy_number,
        first_value(a.content_hash) over copies_in_order as first_content_hash,
        first_value(a.file_id) over copies_in_order as first_file_id,
        first_value(a.line_number) over copies_in_order as first_line_number
    from arrived as a
    inner join repeated as r
        on a.site = r.site and a.visitor_id = r.visitor_id and a.event_id = r.event_id
    window copies_in_order as (
        partition by a.event_date, a.site, a.visitor_id, a.event_id
        order by a.event_time, a.content_hash, a.file_id, a.line_number
    )
),

-- One row is a day on which an id arrives, by its first copy.
days_of_id as (
    select
        *,
        row_number() over id_in_order as day_number,
        coalesce(
            lag(event_date) over id_in_order = day_before and lag(is_carried) over id_in_order,
            false
        ) as is_next,
        lag(content_hash) over id_in_order as carried_content_hash,
        lag(file_id) over id_in_order as carried_file_id,
        lag(line_number) over id_in_order as carried_line_number
    from copies
    where copy_number = 1
    window id_in_order as (partition by site, visitor_id, event_id order by event_date)
),

-- In a chain of days on which the id arrives in the last hour, kept and dropped days alternate.
decided as (
    select
        *,
        (
            day_number - max(case when not is_next then day_number end) over (
                partition by site, visitor_id, event_id
                order by event_date
                rows between unbounded preceding and current row
            )
        ) % 2 = 1 as is_dropped
    from days_of_id
)

select
    c.event_date,
    c.event_id,
    c.site,
    c.visitor_id,
    c.event_time,
    c.file_id,
    c.line_number,
    case when d.is_dropped then d.carried_file_id else c.first_file_id end as kept_file_id,
    case
        when d.is_dropped then d.carried_line_number
        else c.first_line_number
    end as kept_line_number,
    c.content_hash
    = case when d.is_dropped then d.carried_content_hash else c.first_content_hash end
        as is_same_content
from copies as c
inner join decided as d
    on
        c.event_date = d.event_date
        and c.site = d.site
        and c.visitor_id = d.visitor_id
        and c.event_id = d.event_id
where c.event_time is not null and (d.is_dropped or c.copy_number > 1)
