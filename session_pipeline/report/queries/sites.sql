-- One row is a site with visits in the week or the week before: its visits in both. A visitor
-- counts once: on the first of their days in the week.
with days as (
    select
        *,
        session_date >= $first_day as _is_in_week
    from daily_summary
    where session_date between $before_first_day and $last_day
),

visits as (
    select
        site,
        cast(coalesce(sum(session_count) filter (where _is_in_week), 0) as bigint)
            as session_count,
        cast(coalesce(sum(converted_count) filter (where _is_in_week), 0) as bigint)
            as converted_count,
        cast(coalesce(sum(session_count) filter (where not _is_in_week), 0) as bigint)
            as before_count,
        cast(coalesce(sum(converted_count) filter (where not _is_in_week), 0) as bigint)
            as converted_before_count,
        cast(coalesce(sum(bounce_count) filter (where _is_in_week), 0) as bigint) as bounce_count,
        cast(coalesce(sum(bot_session_count) filter (where _is_in_week), 0) as bigint)
            as bot_session_count
    from days
    group by site
),

visitors as (
    select
        site,
        count(*) as visitor_count
    from visitor_days
    where
        session_date between $first_day and $last_day
        and (previous_visit_date is null or previous_visit_date < $first_day)
    group by site
)

select
    v.site,
    v.session_count,
    coalesce(w.visitor_count, 0) as visitor_count,
    v.converted_count,
    v.converted_count / nullif(v.session_count, 0) as conversion_rate,
    v.before_count,
    v.converted_before_count,
    v.converted_before_count / nullif(v.before_count, 0) as conversion_rate_before,
    v.bounce_count / nullif(v.session_count, 0) as bounce_rate,
    v.bot_session_count
from visits as v
left join visitors as w
    on v.site = w.site
order by v.session_count desc, v.site asc
