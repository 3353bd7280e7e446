-- One row is a visitor of a site in a block of days: the day itself, or a block of 10, 100 or 1,000
-- days that the day closes. A row of a block combines the rows of its parts: shorter blocks and
-- days. Later days read the longest blocks before them instead of all days. No length is 0, but the
-- engines differ in what they do then, so each division is by nullif(..., 0).
with visits as (
    select
        s.session_date,
        d.day_number,
        s.site,
        s.visitor_id,
        s.user_id,
        s.session_id,
        s.day_session_number,
        s.channel,
        s.utm_campaign,
        s.started_at,
        s.ended_at,
        o.is_converted,
        o.value,
        coalesce(o.decided_at, s.started_at) as converted_at
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id
    inner join days as d
        on s.session_date = d.event_date
    where not s.is_bot
),

-- min_by skips rows whose value is null. The channel and campaign of the first session also count
-- if they are null, so they are in a struct, which is not.
of_days as (
    select
        session_date,
        1 as block_days,
        day_number as block_number,
        site,
        visitor_id,
        min_by(user_id, day_session_number) filter (where user_id is not null) as user_id,
        min_by(session_id, day_session_number) as first_session_id,
        min_by({ 'value': channel }, day_session_number).value as first_channel,
        min_by({ 'value': utm_campaign }, day_session_number).value as first_utm_campaign,
        min(started_at) as first_seen_at,
        max(ended_at) as last_seen_at,
        session_date as first_visit_date,
        session_date as last_visit_date,
        min(converted_at) filter (where is_converted) as first_converted_at,
        case when bool_or(is_converted) then session_date end as first_conversion_date,
        count(*) as session_count,
        count(*) filter (where is_converted) as converted_session_count,
        sum(value) filter (where is_converted) as value
    from visits
    group by session_date, day_number, site, visitor_id
),

parts as (
    select
        block_days,
        block_number,
        site,
        visitor_id,
        user_id,
        first_session_id,
        first_channel,
        first_utm_campaign,
        first_seen_at,
        last_seen_at,
        first_visit_date,
        last_visit_date,
        first_converted_at,
        first_conversion_date,
        session_count,
        converted_session_count,
        value
    from of_days
    union all
    select
        block_days,
        block_number,
        site,
        visitor_id,
        user_id,
        first_session_id,
        first_channel,
        first_utm_campaign,
        first_seen_at,
        last_seen_at,
        first_visit_date,
        last_visit_date,
        first_converted_at,
        first_conversion_date,
        session_count,
        converted_session_count,
        value
    from visitor_states
),

-- A day closes the block of the days before it if it is not in this block itself.
closed_blocks as (
    select
        d.event_date,
        l.block_days,
        d.number_built_before // nullif(l.block_days, 0) as block_number
    from days as d
    cross join block_lengths as l
    where
        d.number_built_before // nullif(l.block_days, 0)
        < d.day_number // nullif(l.block_days, 0)
),

part_blocks as (
    select distinct
        block_days,
        block_number
    from parts
),

-- A part is in the block in which its first day is, because longer lengths are multiples of shorter
-- ones.
parts_of_blocks as (
    select
        c.event_date,
        c.block_days,
        c.block_number,
        p.block_days as part_days,
        p.block_number as part_number
    from closed_blocks as c
    inner join part_blocks as p
        on
            c.block_days > p.block_days
            and p.block_number * p.block_days // nullif(c.block_days, 0) = c.block_number
),

-- Without the parts of a part.
longest_parts as (
    select
        p.event_date,
        p.block_days,
        p.block_number,
        p.part_days,
        p.part_number
    from parts_of_blocks as p
    left join parts_of_blocks as longer
        on
            p.event_date = longer.event_date
            and p.block_days = longer.block_days
            and p.part_days < longer.part_days
            and p.part_number * p.part_days // nullif(longer.part_days, 0) = longer.part_number
    where longer.part_days is null
)

select
    session_date,
    block_days,
    block_number,
    site,
    visitor_id,
    user_id,
    first_session_id,
    first_channel,
    first_utm_campaign,
    first_seen_at,
    last_seen_at,
    first_visit_date,
    last_visit_date,
    first_converted_at,
    first_conversion_date,
    session_count,
    converted_session_count,
    value
from of_days
union all
select
    b.event_date as session_date,
    b.block_days,
    b.block_number,
    p.site,
    p.visitor_id,
    min_by(p.user_id, p.first_visit_date) filter (where p.user_id is not null) as user_id,
    min_by(p.first_session_id, p.first_visit_date) as first_session_id,
    min_by({ 'value': p.first_channel }, p.first_visit_date).value as first_channel,
    min_by({ 'value': p.first_utm_campaign }, p.first_visit_date).value as first_utm_campaign,
    min(p.first_seen_at) as first_seen_at,
    max(p.last_seen_at) as last_seen_at,
    min(p.first_visit_date) as first_visit_date,
    max(p.last_visit_date) as last_visit_date,
    min(p.first_converted_at) as first_converted_at,
    min(p.first_conversion_date) as first_conversion_date,
    sum(p.session_count) as session_count,
    sum(p.converted_session_count) as converted_session_count,
    sum(p.value) as value
from longest_parts as b
inner join parts as p
    on b.part_days = p.block_days and b.part_number = p.block_number
group by b.event_date, b.block_days, b.block_number, p.site, p.visitor_id
