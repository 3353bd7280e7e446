-- One row is a session of the day and a segment that it belongs to: all sessions, or a value of a
-- dimension. The most frequent values of a dimension on a day of a site are kept; the others are
-- '(other)'. A dimension that no session of the day has a value of is left out.
with found as (
    select
        session_id,
        dimension,
        dimension_value
    from column_values
    union all
    select
        s.session_id,
        o.dimension,
        d.dimension_value
    from sessions as s
    cross join own_dimensions as o
    left join session_dimensions as d
        on s.session_id = d.session_id and o.dimension = d.dimension
),

valued as (
    select
        s.session_date,
        s.site,
        f.session_id,
        f.dimension,
        coalesce(f.dimension_value, '(none)') as dimension_value
    from found as f
    inner join sessions as s
        on f.session_id = s.session_id
    where not s.is_bot
),

counted as (
    select
        session_date,
        site,
        dimension,
        dimension_value,
        count(*) as session_count
    from valued
    group by session_date, site, dimension, dimension_value
),

ranked as (
    select
        session_date,
        site,
        dimension,
        dimension_value,
        row_number() over (
            partition by session_date, site, dimension
            order by session_count desc, dimension_value asc
        ) as place,
        max(case when dimension_value <> '(none)' then 1 else 0 end) over (
            partition by session_date, site, dimension
        ) as has_values
    from counted
)

select
    v.session_id,
    v.dimension,
    case
        when r.place <= $most_dimension_values then v.dimension_value
        else '(other)'
    end as dimension_value
from valued as v
inner join ranked as r
    on
        v.session_date = r.session_date
        and v.site = r.site
        and v.dimension = r.dimension
        and v.dimension_value = r.dimension_value
where r.has_values = 1
union all
select
    session_id,
    'all' as dimension,
    'all' as dimension_value
from sessions
where not is_bot
