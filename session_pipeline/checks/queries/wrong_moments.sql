-- One row is something that does not add up in the counts of moments of a day of a site.
with moments as (
    select
        session_date,
        site,
        concat_ws('|', position_bucket, stage, device, action) as moment,
        position_bucket,
        signal,
        session_count,
        converted_count,
        excluded_count,
        excluded_converted_count
    from moment_counts
),

seen as (
    select
        session_date,
        site,
        concat_ws('|', position_bucket, stage, device, at_action) as moment,
        position_bucket,
        seen_action,
        session_count,
        converted_count
    from seen_counts
),

people as (
    select
        session_date,
        site,
        count(*) as session_count
    from sessions
    where not is_bot
    group by session_date, site
),

landed as (
    select
        session_date,
        site,
        'moment_counts' as counted_in,
        sum(session_count) as session_count
    from moments
    where signal = '' and position_bucket = 1
    group by session_date, site
    union all
    select
        session_date,
        site,
        'seen_counts' as counted_in,
        sum(session_count) as session_count
    from seen
    where seen_action = '' and position_bucket = 1
    group by session_date, site
),

of_signals as (
    select
        session_date,
        site,
        signal,
        sum(session_count) as session_count
    from moments
    where signal <> ''
    group by session_date, site, signal
),

found as (
    select
        session_date,
        site,
        signal,
        count(*) as session_count
    from session_friction
    where not is_bot
    group by session_date, site, signal
),

problems as (
    select
        w.session_date,
        w.site,
        'more sessions with ' || w.signal || ' than there are at the moment' as problem
    from moments as w
    left join moments as e
        on
            w.session_date = e.session_date
            and w.site = e.site
            and w.moment = e.moment
            and e.signal = ''
    where
        w.signal <> ''
        and (
            w.excluded_count > coalesce(e.session_count, 0)
            or w.excluded_converted_count > coalesce(e.converted_count, 0)
            or w.converted_count > w.session_count
        )
    union all
    select
        w.session_date,
        w.site,
        'more sessions had seen ' || w.seen_action || ' than there are at the moment' as problem
    from seen as w
    left join seen as e
        on
            w.session_date = e.session_date
            and w.site = e.site
            and w.moment = e.moment
            and e.seen_action = ''
    where
        w.session_count > coalesce(e.session_count, 0)
        or w.converted_count > coalesce(e.converted_count, 0)
    union all
    select
        l.session_date,
        l.site,
        l.counted_in || ' has more first actions than there are sessions' as problem
    from landed as l
    left join people as p
        on l.session_date = p.session_date and l.site = p.site
    where l.session_count > coalesce(p.session_count, 0)
    union all
    select
        s.session_date,
        s.site,
        s.signal || ' has more sessions than in session_friction' as problem
    from of_signals as s
    left join found as f
        on s.session_date = f.session_date and s.site = f.site and s.signal = f.signal
    where s.session_count > coalesce(f.session_count, 0)
)

select distinct
    session_date,
    site,
    problem
from problems
order by session_date, site, problem
