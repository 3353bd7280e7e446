-- One row is something that does not add up in the tables of friction of a day of a site.
-- signals_by_action and signals_by_day, which checks/tables.py makes, have a row for each row of
-- action_friction or daily_friction and each signal; met is the signal and its number of sessions.
with counted as (
    select
        d.session_date,
        d.site,
        d.met.signal,
        coalesce(d.met.session_count, 0) as session_count,
        (
            select coalesce(sum(a.met.session_count), 0)
            from signals_by_action as a
            where
                a.session_date = d.session_date
                and a.site = d.site
                and a.met.signal = d.met.signal
        ) as action_count
    from signals_by_day as d
),

found as (
    select
        session_date,
        site,
        signal,
        count(distinct session_id) as session_count,
        count(*) as action_count
    from session_friction
    where not is_bot
    group by session_date, site, signal
),

people as (
    select
        s.session_date,
        s.site,
        count(distinct s.session_id) as session_count,
        count(distinct f.session_id) as hard_time_count
    from sessions as s
    left join session_friction as f
        on s.session_id = f.session_id and f.is_hard_time
    where not s.is_bot
    group by s.session_date, s.site
),

problems as (
    select
        a.session_date,
        a.site,
        a.met.signal || ' has more sessions than there are at an action' as problem
    from signals_by_action as a
    where a.met.session_count > a.session_count
    union all
    select
        a.session_date,
        a.site,
        'more sessions had a hard time than there are at an action' as problem
    from action_friction as a
    where a.hard_time_count > a.session_count
    union all
    select
        coalesce(c.session_date, f.session_date) as session_date,
        coalesce(c.site, f.site) as site,
        coalesce(c.signal, f.signal) || ' is not counted as in session_friction' as problem
    from counted as c
    full outer join found as f
        on c.session_date = f.session_date and c.site = f.site and c.signal = f.signal
    where
        coalesce(c.session_count, 0) <> coalesce(f.session_count, 0)
        or coalesce(c.action_count, 0) <> coalesce(f.action_count, 0)
    union all
    select
        d.session_date,
        d.site,
        'daily_friction differs from sessions' as problem
    from daily_friction as d
    left join people as p
        on d.session_date = p.session_date and d.site = p.site
    where
        d.session_count <> coalesce(p.session_count, 0)
        or coalesce(d.hard_time_count, 0) <> coalesce(p.hard_time_count, 0)
    union all
    select
        f.session_date,
        f.site,
        'session_friction has unknown sessions' as problem
    from session_friction as f
    left join sessions as s
        on f.session_id = s.session_id
    where s.session_id is null
)

select distinct
    session_date,
    site,
    problem
from problems
order by session_date, site, problem
