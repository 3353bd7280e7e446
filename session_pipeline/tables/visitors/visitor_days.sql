-- One row is a visitor of a site on a day on which a session of theirs starts.
-- The days before the stretch are read as few blocks, those of the stretch one by one.
with seen as (
    select
        session_date,
        site,
        visitor_id,
        first_session_id,
        first_channel,
        first_conversion_date,
        session_count,
        converted_session_count,
        value
    from visitor_states
    where block_days = 1 and session_date in (select event_date from days)
),

visitors_seen as (
    select
        site,
        visitor_id,
        count(*) as day_count
    from seen
    group by site, visitor_id
),

first_days as (
    select min(day_number) as first_number
    from days
),

blocks as (
    select distinct
        block_days,
        block_number
    from visitor_states
),

-- The blocks and days that the days before the stretch are divided into: as long as possible.
blocks_before as (
    select
        s.block_days,
        s.block_number
    from blocks as s
    cross join first_days as f
    left join block_lengths as longer
        on
            s.block_days < longer.block_days
            and s.block_number * s.block_days // nullif(longer.block_days, 0)
            < f.first_number // nullif(longer.block_days, 0)
    where (s.block_number + 1) * s.block_days <= f.first_number
    group by s.block_days, s.block_number
    having count(longer.block_days) = 0
),

earlier as (
    select
        s.site,
        s.visitor_id,
        min(s.first_visit_date) as first_visit_date,
        max(s.last_visit_date) as last_visit_date,
        min(s.first_conversion_date) as first_conversion_date,
        sum(s.session_count) as session_count
    from visitor_states as s
    inner join blocks_before as b
        on s.block_days = b.block_days and s.block_number = b.block_number
    inner join visitors_seen as v
        on s.site = v.site and s.visitor_id = v.visitor_id
    group by s.site, s.visitor_id
),

-- Only visitors with several days in the stretch have earlier days in it. What is counted up to a
-- day includes the day itself.
in_stretch as (
    select
        s.session_date,
        s.site,
        s.visitor_id,
        sum(s.session_count) over until_now as session_count,
        lag(s.session_date) over days_in_order as previous_visit_date,
        min(s.session_date) over until_now as first_visit_date,
        min(s.first_conversion_date) over until_now as first_conversion_date
    from seen as s
    inner join visitors_seen as v
        on s.site = v.site and s.visitor_id = v.visitor_id
    where v.day_count > 1
    window
        days_in_order as (partition by s.site, s.visitor_id order by s.session_date),
        until_now as (
            partition by s.site, s.visitor_id order by s.session_date
            rows between unbounded preceding and current row
        )
),

followed as (
    select
        s.session_date,
        s.site,
        s.visitor_id,
        s.first_session_id,
        s.first_channel,
        s.session_count,
        s.converted_session_count,
        s.value,
        coalesce(e.session_count, 0) + coalesce(i.session_count - s.session_count, 0) + 1
            as visit_number,
        coalesce(e.first_visit_date, i.first_visit_date, s.session_date) as first_visit_date,
        coalesce(i.previous_visit_date, e.last_visit_date) as previous_visit_date,
        coalesce(e.first_conversion_date, i.first_conversion_date, s.first_conversion_date)
            as first_conversion_date
    from seen as s
    left join earlier as e
        on s.site = e.site and s.visitor_id = e.visitor_id
    left join in_stretch as i
        on
            s.session_date = i.session_date
            and s.site = i.site
            and s.visitor_id = i.visitor_id
)

select
    f.session_date,
    f.site,
    f.visitor_id,
    case
        when f.previous_visit_date is null then 'new'
        when f.previous_visit_date = d.day_before then 'returning'
        else 'resurrected'
    end as lifecycle,
    f.visit_number,
    f.first_visit_date,
    f.previous_visit_date,
    date_diff('day', f.previous_visit_date, f.session_date) as days_since_last_visit,
    f.first_conversion_date,
    f.first_session_id,
    f.first_channel as channel,
    f.session_count,
    f.converted_session_count as converted_count,
    f.value
from followed as f
inner join days as d
    on f.session_date = d.event_date
