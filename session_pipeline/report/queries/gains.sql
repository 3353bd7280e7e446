-- One row is a step that more visits take than usual, in the last 7 days: of its windows and
-- segments, and of the steps of a segment, the one with the highest score. A step that more visits
-- take because other visits come is no gain, and hides no other one. So the conversions after the
-- action must be more than usual for so many visits, by a share of those that the sentence claims,
-- and not fewer than usual in as many days with visits to the site.
with higher_rates as (
    select
        *,
        cast(session_date - to_days(cast(window_days as integer)) as date) as _last_usual_day
    from progress_changes
    where session_date between $first_day and $last_day and score >= $gain_score
),

windows as (
    select distinct
        site,
        session_date,
        window_days,
        _last_usual_day
    from higher_rates
),

site_days as (
    select
        w.site,
        w.session_date,
        w.window_days,
        count(*) filter (where d.session_date > w._last_usual_day) as window_count,
        count(*) filter (where d.session_date <= w._last_usual_day) as usual_count
    from windows as w
    inner join daily_summary as d
        on
            w.site = d.site
            and w.session_date >= d.session_date
            and w._last_usual_day - $usual_days < d.session_date
    where d.session_count > 0
    group by w.site, w.session_date, w.window_days
),

actions as (
    select distinct
        site,
        session_date,
        window_days,
        _last_usual_day,
        dimension,
        dimension_value,
        action
    from higher_rates
),

conversions as (
    select
        a.site,
        a.session_date,
        a.window_days,
        a.dimension,
        a.dimension_value,
        a.action,
        sum(v.session_count) filter (where v.session_date > a._last_usual_day) as session_count,
        sum(v.converted_count) filter (where v.session_date > a._last_usual_day) as converted_count,
        sum(v.session_count) filter (
            where v.session_date <= a._last_usual_day
        ) as usual_session_count,
        sum(v.converted_count) filter (
            where v.session_date <= a._last_usual_day
        ) as usual_converted_count
    from actions as a
    inner join action_visits as v
        on
            a.site = v.site
            and a.dimension = v.dimension
            and a.dimension_value = v.dimension_value
            and a.action = v.action
            and a.session_date >= v.session_date
            and a._last_usual_day - $usual_days < v.session_date
    where v.session_date between $first_day - $gain_days and $last_day
    group by a.site, a.session_date, a.window_days, a.dimension, a.dimension_value, a.action
),

gains as (
    select
        h.*,
        row_number() over (
            partition by h.site, h.action, h.next_action
            order by
                h.score desc, h.session_date desc, h.window_days asc,
                h.dimension asc, h.dimension_value asc
        ) as _place_of_step,
        row_number() over (
            partition by h.site, h.dimension, h.dimension_value
            order by
                h.score desc, h.session_date desc, h.window_days asc,
                h.action asc, h.next_action asc
        ) as _place_in_segment
    from higher_rates as h
    inner join site_days as d
        on h.site = d.site and h.session_date = d.session_date and h.window_days = d.window_days
    inner join conversions as c
        on
            h.site = c.site
            and h.session_date = c.session_date
            and h.window_days = c.window_days
            and h.dimension = c.dimension
            and h.dimension_value = c.dimension_value
            and h.action = c.action
    where
        c.converted_count
        >= c.session_count * c.usual_converted_count / c.usual_session_count
        - $gain_share * coalesce(h.associated_lost, 0)
        and c.converted_count >= c.usual_converted_count / d.usual_count * d.window_count
)

select
    session_date,
    since,
    site,
    window_days,
    dimension,
    dimension_value,
    action,
    next_action,
    session_count,
    progress_rate,
    usual_rate,
    score,
    sentence
from gains
where _place_of_step = 1 and _place_in_segment = 1
order by score desc, site asc, action asc, next_action asc
limit $shown_gains
