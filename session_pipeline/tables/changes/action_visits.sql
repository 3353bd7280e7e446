-- One row is an action on a day of a site, by dimension value.
with stopped as (
    select
        f.session_date,
        f.site,
        s.dimension,
        s.dimension_value,
        f.action,
        f.session_id,
        row_number() over (
            partition by f.session_date, f.site, s.dimension, s.dimension_value, f.action
            order by f.session_id
        ) as place
    from first_actions as f
    inner join session_segments as s
        on f.session_id = s.session_id
    where f.is_last and not f.is_converted
),

examples as (
    select
        session_date,
        site,
        dimension,
        dimension_value,
        action,
        concat_ws(
            ' ',
            max(case when place = 1 then session_id end),
            max(case when place = 2 then session_id end),
            max(case when place = 3 then session_id end)
        ) as stopped_session_ids
    from stopped
    where place <= 3
    group by session_date, site, dimension, dimension_value, action
),

counted as (
    select
        f.session_date,
        f.site,
        s.dimension,
        s.dimension_value,
        f.action,
        f.is_followed,
        count(*) as session_count,
        count(*) filter (where f.is_converted) as converted_count,
        sum(f.value) as converted_value
    from first_actions as f
    inner join session_segments as s
        on f.session_id = s.session_id
    group by f.session_date, f.site, s.dimension, s.dimension_value, f.action, f.is_followed
)

select
    c.session_date,
    c.site,
    c.dimension,
    c.dimension_value,
    c.action,
    c.session_count,
    c.converted_count,
    c.converted_value,
    c.is_followed,
    e.stopped_session_ids
from counted as c
left join examples as e
    on
        c.session_date = e.session_date
        and c.site = e.site
        and c.dimension = e.dimension
        and c.dimension_value = e.dimension_value
        and c.action = e.action
