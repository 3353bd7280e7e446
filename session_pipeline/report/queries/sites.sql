-- One row is a site in the week. A visitor counts once: on the first of their days in the week.
with visits as (
    select
        site,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(converted_count) as bigint) as converted_count,
        cast(sum(bounce_count) as bigint) as bounce_count,
        cast(sum(bot_session_count) as bigint) as bot_session_count
    from daily_summary
    where session_date between $first_day and $last_day
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
    v.bounce_count / nullif(v.session_count, 0) as bounce_rate,
    v.bot_session_count
from visits as v
left join visitors as w
    on v.site = w.site
order by v.session_count desc, v.site asc
