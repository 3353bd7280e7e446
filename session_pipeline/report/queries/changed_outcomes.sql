-- One row is an outcome, or the number of visits, that left its usual range in the last 14 days,
-- with the figures of the last day on which it did. Of a number of visits on a single day, since is
-- the first of the days with visits that are all alerts in the same direction. A change that is
-- over has the day from which on the rate is usual again.
with alerts as (
    select
        *,
        row_number() over (
            partition by site, dimension, dimension_value, outcome
            order by session_date desc, rank asc
        ) as _recency
    from outcome_changes
    where session_date <= $last_day and (is_alert or over_since is not null)
),

latest as (
    select *
    from alerts
    where _recency = 1 and session_date >= $alerts_first_day
),

-- Each earlier day with visits to the site, and the last of them without such an alert.
days_before as (
    select
        l.site,
        l.dimension,
        l.dimension_value,
        d.session_date,
        max(case when a.session_date is null then d.session_date end) over (
            partition by l.site, l.dimension, l.dimension_value
        ) as last_usual_day
    from latest as l
    inner join daily_summary as d
        on l.site = d.site and l.session_date >= d.session_date and d.session_count > 0
    left join alerts as a
        on
            l.site = a.site
            and l.dimension = a.dimension
            and l.dimension_value = a.dimension_value
            and l.outcome = a.outcome
            and l.window_days = a.window_days
            and d.session_date = a.session_date
            and sign(l.score) = sign(a.score)
    where l.outcome = '(sessions)' and l.window_days = 1
),

runs as (
    select
        site,
        dimension,
        dimension_value,
        min(session_date) as first_alert_day
    from days_before
    where last_usual_day is null or session_date > last_usual_day
    group by site, dimension, dimension_value
)

select
    l.session_date as last_alert_day,
    coalesce(r.first_alert_day, l.since) as since,
    l.over_since,
    coalesce(l.over_since - 1, l.session_date) as last_seen_day,
    l.site,
    l.window_days,
    l.dimension,
    l.dimension_value,
    l.outcome,
    l.session_count,
    l.outcome_count,
    l.rate,
    l.expected_count,
    l.usual_rate,
    l.score,
    l.sentence,
    l.example_session_ids
from latest as l
left join runs as r
    on
        l.outcome = '(sessions)'
        and l.site = r.site
        and l.dimension = r.dimension
        and l.dimension_value = r.dimension_value
order by
    l.over_since is not null, abs(l.score) desc, l.site asc, l.dimension asc,
    l.dimension_value asc, l.outcome asc
limit $shown_changes
