-- One row is a day for which the tables that count its sessions differ, with the number by each.
with counted as (
    select
        session_date,
        'sessions' as counted_in,
        count(*) as session_count
    from sessions
    group by session_date
    union all
    select
        session_date,
        'session_outcomes' as counted_in,
        count(*) as session_count
    from session_outcomes
    group by session_date
    union all
    select
        s.session_date,
        'sessions_with_outcome' as counted_in,
        count(*) as session_count
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id
    group by s.session_date
    union all
    select
        session_date,
        'daily_outcomes' as counted_in,
        sum(session_count + bot_session_count) as session_count
    from daily_outcomes
    group by session_date
    union all
    select
        session_date,
        'daily_summary' as counted_in,
        sum(session_count + bot_session_count) as session_count
    from daily_summary
    group by session_date
),

of_day as (
    select
        d.event_date as session_date,
        coalesce(sum(c.session_count) filter (where c.counted_in = 'sessions'), 0) as sessions,
        coalesce(
            sum(c.session_count) filter (where c.counted_in = 'session_outcomes'), 0
        ) as session_outcomes,
        coalesce(
            sum(c.session_count) filter (where c.counted_in = 'sessions_with_outcome'), 0
        ) as sessions_with_outcome,
        coalesce(
            sum(c.session_count) filter (where c.counted_in = 'daily_outcomes'), 0
        ) as daily_outcomes,
        coalesce(
            sum(c.session_count) filter (where c.counted_in = 'daily_summary'), 0
        ) as daily_summary
    from days as d
    left join counted as c
        on d.event_date = c.session_date
    group by d.event_date
)

select
    session_date,
    sessions,
    session_outcomes,
    sessions_with_outcome,
    daily_outcomes,
    daily_summary
from of_day
where
    sessions <> session_outcomes
    or sessions <> sessions_with_outcome
    or sessions <> daily_outcomes
    or sessions <> daily_summary
order by session_date
