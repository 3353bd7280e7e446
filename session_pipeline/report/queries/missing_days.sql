-- One row is a gap: days without visits of a site (null: all sites) between days with visits, with
-- the number of visits that there usually are. The last day of a gap is one of the last 14 days.
-- What is usual is the median of the weekday in the four weeks before the gap, or before the first
-- of the gaps that end up to 12 days before it; a weekday counts if it has visits in each of them.
-- So a gap has the same figures on each of its 14 days. A row needs 10 usual visits, and more days
-- than there were other days without visits on weekdays that have some. A gap of all sites is not
-- one of each.
with days as (
    select
        site as silent_site,
        session_date,
        sum(session_count) as session_count
    from daily_summary
    where session_count > 0 and session_date <= $last_day
    group by grouping sets ((site, session_date), (session_date))
),

followed as (
    select
        silent_site,
        lag(session_date) over (partition by silent_site order by session_date asc) + 1
            as first_day,
        session_date - 1 as last_day,
        min(session_date) over (partition by silent_site) as first_visit_day
    from days
),

recent as (
    select
        *,
        min(first_day) over (
            partition by silent_site
            order by last_day asc
            range between interval 12 days preceding and current row
        ) as usual_until
    from followed
    where last_day between greatest(first_day, $alerts_first_day - 12) and first_day + 27
),

gaps as (
    select *
    from recent
    where last_day >= $alerts_first_day and usual_until - 28 >= first_visit_day
),

baselines as (
    select distinct
        silent_site,
        usual_until
    from gaps
),

weekdays as (
    select
        g.silent_site,
        g.usual_until,
        isodow(d.session_date) as weekday,
        count(*) as week_count,
        median(d.session_count) as usual_count
    from baselines as g
    inner join days as d
        on
            g.silent_site is not distinct from d.silent_site
            and d.session_date between g.usual_until - 28 and g.usual_until - 1
    group by g.silent_site, g.usual_until, isodow(d.session_date)
),

pauses as (
    select
        silent_site,
        usual_until,
        sum(4 - week_count) as day_count
    from weekdays
    group by silent_site, usual_until
),

gap_days as (
    select
        silent_site,
        usual_until,
        first_day as gap,
        cast(
            unnest(generate_series(first_day, last_day, interval 1 day)) as date
        ) as gap_day
    from gaps
)

select
    d.silent_site,
    min(d.gap_day) as first_day,
    max(d.gap_day) as last_day,
    cast(max(d.gap_day) - min(d.gap_day) + 1 as bigint) as day_count,
    cast(sum(w.usual_count) as double) as usual_count
from gap_days as d
inner join weekdays as w
    on
        d.silent_site is not distinct from w.silent_site
        and d.usual_until = w.usual_until
        and isodow(d.gap_day) = w.weekday
        and w.week_count = 4
inner join pauses as p
    on
        d.silent_site is not distinct from p.silent_site
        and d.usual_until = p.usual_until
left join gap_days as a
    on d.silent_site is not null and a.silent_site is null and d.gap_day = a.gap_day
group by d.silent_site, d.gap, p.day_count
having
    sum(w.usual_count) >= $fewest_usual_visits
    and count(*) > p.day_count
    and bool_or(a.gap_day is null)
order by d.silent_site is not null, d.silent_site asc, min(d.gap_day) asc
