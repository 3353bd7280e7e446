-- One row is a day of the last four weeks, over all sites. A day without visits also has a row.
with calendar as (
    select
        cast(
            unnest(generate_series($trend_first_day, $last_day, interval 1 day)) as date
        ) as session_date
),

days as (
    select
        session_date,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(converted_count) as bigint) as converted_count,
        cast(sum(value) as double) as value,
        cast(sum(bot_session_count) as bigint) as bot_session_count,
        cast(sum(duplicate_count) as bigint) as duplicate_count,
        cast(sum(late_event_count) as bigint) as late_event_count,
        bool_and(is_final) as is_final
    from daily_summary
    where session_date between $trend_first_day and $last_day
    group by session_date
),

friction as (
    select
        session_date,
        sum(hard_time_count)
        / nullif(sum(session_count) filter (where hard_time_count is not null), 0) as friction_rate
    from daily_friction
    where session_date between $trend_first_day and $last_day
    group by session_date
)

select
    c.session_date,
    coalesce(d.session_count, 0) as session_count,
    coalesce(d.converted_count, 0) as converted_count,
    d.converted_count / nullif(d.session_count, 0) as conversion_rate,
    d.value,
    f.friction_rate,
    coalesce(d.bot_session_count, 0) as bot_session_count,
    coalesce(d.duplicate_count, 0) as duplicate_count,
    coalesce(d.late_event_count, 0) as late_event_count,
    coalesce(d.is_final, true) as is_final
from calendar as c
left join days as d
    on c.session_date = d.session_date
left join friction as f
    on c.session_date = f.session_date
order by c.session_date
