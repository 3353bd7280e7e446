-- One row is an action on a day of a site, by dimension value.
with segments as (
    select distinct
        segment_number,
        dimension,
        dimension_value
    from session_segments
),

stopped as (
    select
        s.segment_number,
        f.label_number,
        f.session_number,
        row_number() over (
            partition by s.segment_number, f.label_number order by f.session_number
        ) as place
    from first_actions as f
    inner join session_segments as s
        on f.session_number = s.session_number
    where f.is_last and not f.is_converted
),

examples as (
    select
        p.segment_number,
        p.label_number,
        concat_ws(
            ' ',
            max(case when p.place = 1 then s.session_id end),
            max(case when p.place = 2 then s.session_id end),
            max(case when p.place = 3 then s.session_id end)
        ) as stopped_session_ids
    from stopped as p
    inner join numbered_sessions as s
        on p.session_number = s.session_number
    where p.place <= 3
    group by p.segment_number, p.label_number
),

not_converted as (
    select n.session_number
    from numbered_sessions as n
    inner join session_outcomes as o
        on n.session_id = o.session_id
    where not o.is_converted and o.outcome <> 'bounce'
),

counted as (
    select
        s.segment_number,
        f.label_number,
        f.is_followed,
        count(*) as session_count,
        count(*) filter (where f.is_converted) as converted_count,
        count(n.session_number) as not_converted_count,
        sum(f.value) as converted_value
    from first_actions as f
    inner join session_segments as s
        on f.session_number = s.session_number
    left join not_converted as n
        on f.session_number = n.session_number
    group by s.segment_number, f.label_number, f.is_followed
)

select
    a.session_date,
    a.site,
    s.dimension,
    s.dimension_value,
    a.action,
    c.session_count,
    c.converted_count,
    c.not_converted_count,
    c.converted_value,
    c.is_followed,
    e.stopped_session_ids
from counted as c
inner join segments as s
    on c.segment_number = s.segment_number
inner join numbered_actions as a
    on c.label_number = a.label_number
left join examples as e
    on c.segment_number = e.segment_number and c.label_number = e.label_number
