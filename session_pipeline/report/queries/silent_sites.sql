-- One row is a site that has no visits any more (null: all sites), with the number of visits that
-- there usually are on the days since. What is usual is the median of the weekday in the four weeks
-- before the last visit; a weekday counts if it has visits in each of them. A row needs 10 usual
-- visits, and more days than there were other days without visits on weekdays that have some.
with days as (
    select
        site as silent_site,
        session_date,
        sum(session_count) as session_count
    from daily_summary
    where session_count > 0 and session_date <= $known_until
    group by grouping sets ((site, session_date), (session_date))
),

silences as (
    select
        silent_site,
        max(session_date) as last_visit_day
    from days
    group by silent_site
    having
        max(session_date) between $known_until - 28 and $known_until - 1
        and min(session_date) <= max(session_date) - 27
),

weekdays as (
    select
        s.silent_site,
        isodow(d.session_date) as weekday,
        count(*) as week_count,
        median(d.session_count) as usual_count
    from silences as s
    inner join days as d
        on
            s.silent_site is not distinct from d.silent_site
            and d.session_date > s.last_visit_day - 28
    group by s.silent_site, isodow(d.session_date)
),

pauses as (
    select
        silent_site,
        sum(4 - week_count) as day_count
    from weekdays
    group by silent_site
),

silent_days as (
    select
        silent_site,
        cast(
            unnest(generate_series(last_visit_day + 1, $known_until, interval 1 day)) as date
        ) as silent_day
    from silences
)

select
    d.silent_site,
    min(d.silent_day) as since,
    cast($known_until - min(d.silent_day) + 1 as bigint) as day_count,
    cast(sum(w.usual_count) as double) as usual_count
from silent_days as d
inner join weekdays as w
    on
        d.silent_site is not distinct from w.silent_site
        and isodow(d.silent_day) = w.weekday
        and w.week_count = 4
inner join pauses as p
    on d.silent_site is not distinct from p.silent_site
group by d.silent_site, p.day_count
having sum(w.usual_count) >= $fewest_usual_visits and count(*) > p.day_count
order by d.silent_site is not null, usual_count desc, d.silent_site asc
