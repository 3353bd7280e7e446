-- One row is a session of the day and a segment that it belongs to: all sessions, or a value of a
-- dimension. The most frequent values of a dimension on a day of a site are kept; the others are
-- '(other)'. A dimension that no session of the day has a value of is left out.
-- The number of a segment stands for its dimension and value.
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
        s.session_number,
        f.dimension,
        coalesce(f.dimension_value, '(none)') as dimension_value
    from found as f
    inner join numbered_sessions as s
        on f.session_id = s.session_id
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
),

kept as (
    select
        session_date,
        site,
        dimension,
        dimension_value,
        case
            when place <= $most_dimension_values then dimension_value
            else '(other)'
        end as kept_value
    from ranked
    where has_values = 1
),

segments as (
    select
        dimension,
        dimension_value,
        cast(row_number() over (order by dimension, dimension_value) as integer)
            as segment_number
    from (
        select
            dimension,
            kept_value as dimension_value
        from kept
        union
        select
            'all' as dimension,
            'all' as dimension_value
    ) as named
)

select
    v.session_number,
    s.segment_number,
    s.dimension,
    s.dimension_value
from valued as v
inner join kept as k
    on
        v.session_date = k.session_date
        and v.site = k.site
        and v.dimension = k.dimension
        and v.dimension_value = k.dimension_value
inner join segments as s
    on k.dimension = s.dimension and k.kept_value = s.dimension_value
union all
select
    n.session_number,
    s.segment_number,
    s.dimension,
    s.dimension_value
from numbered_sessions as n
cross join segments as s
where s.dimension = 'all' and s.dimension_value = 'all'
