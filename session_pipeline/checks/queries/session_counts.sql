-- One row is a day of a site for which the tables that count its sessions differ, with the number
-- by each, and the outcomes that daily_outcomes counts otherwise than session_outcomes.
with by_outcome as (
    select
        session_date,
        site,
        outcome,
        count(*) as session_outcomes,
        0 as daily_outcomes
    from session_outcomes
    group by session_date, site, outcome
    union all by name
    select
        session_date,
        site,
        outcome,
        0 as session_outcomes,
        session_count + bot_session_count as daily_outcomes
    from daily_outcomes
),

outcomes as (
    select
        session_date,
        site,
        outcome,
        sum(session_outcomes) as session_outcomes,
        sum(daily_outcomes) as daily_outcomes
    from by_outcome
    group by session_date, site, outcome
),

counted as (
    select
        session_date,
        site,
        count(*) as sessions
    from sessions
    group by session_date, site
    union all by name
    select
        session_date,
        site,
        sum(session_outcomes) as session_outcomes,
        sum(daily_outcomes) as daily_outcomes,
        string_agg(outcome, ', ' order by outcome asc) filter (
            where session_outcomes <> daily_outcomes
        ) as wrong_outcomes
    from outcomes
    group by session_date, site
    union all by name
    select
        s.session_date,
        s.site,
        count(*) as sessions_with_outcome
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id
    group by s.session_date, s.site
    union all by name
    select
        session_date,
        site,
        session_count + bot_session_count as daily_summary
    from daily_summary
)

select
    c.session_date,
    c.site,
    coalesce(sum(c.sessions), 0) as sessions,
    coalesce(sum(c.session_outcomes), 0) as session_outcomes,
    coalesce(sum(c.sessions_with_outcome), 0) as sessions_with_outcome,
    coalesce(sum(c.daily_outcomes), 0) as daily_outcomes,
    coalesce(sum(c.daily_summary), 0) as daily_summary,
    max(c.wrong_outcomes) as wrong_outcomes
from counted as c
group by c.session_date, c.site
having
    sessions <> session_outcomes
    or sessions <> sessions_with_outcome
    or sessions <> daily_outcomes
    or sessions <> daily_summary
    or wrong_outcomes is not null
order by session_date, site
