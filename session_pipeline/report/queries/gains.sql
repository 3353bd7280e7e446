-- One row is a step that more visits take than usual, in the last 7 days: of its windows and
-- segments, and of the steps of a segment, the one with the highest score. A step that more visits
-- take because other visits come is no gain. So the conversions after the action must be more than
-- usual for so many visits, by a share of those that the sentence claims, and not fewer than usual
-- in as many days with visits to the site.
with best as (
    select
        *,
        row_number() over (
            partition by site, action, next_action
            order by
                score desc, session_date desc, window_days asc, dimension asc, dimension_value asc
        ) as _place_of_step,
        row_number() over (
            partition by site, dimension, dimension_value
            order by score desc, session_date desc, window_days asc, action asc, next_action asc
        ) as _place_in_segment
    from progress_changes
    where session_date between $first_day and $last_day and score >= $gain_score
),

steps as (
    select
        *,
        cast(session_date - to_days(cast(window_days as integer)) as date) as _last_usual_day
    from best
    where _place_of_step = 1 and _place_in_segment = 1
),

site_days as (
    select
        s.site,
        s.action,
        s.next_action,
        count(*) filter (where d.session_date > s._last_usual_day) as window_count,
        count(*) filter (where d.session_date <= s._last_usual_day) as usual_count
    from steps as s
    inner join daily_summary as d
        on
            s.site = d.site
            and s.session_date >= d.session_date
            and s._last_usual_day - $usual_days < d.session_date
    where d.session_count > 0
    group by s.site, s.action, s.next_action
),

conversions as (
    select
        s.site,
        s.action,
        s.next_action,
        sum(v.session_count) filter (where v.session_date > s._last_usual_day) as session_count,
        sum(v.converted_count) filter (where v.session_date > s._last_usual_day) as converted_count,
        sum(v.session_count) filter (
            where v.session_date <= s._last_usual_day
        ) as usual_session_count,
        sum(v.converted_count) filter (
            where v.session_date <= s._last_usual_day
        ) as usual_converted_count
    from steps as s
    inner join action_visits as v
        on
            s.site = v.site
            and s.dimension = v.dimension
            and s.dimension_value = v.dimension_value
            and s.action = v.action
            and s.session_date >= v.session_date
            and s._last_usual_day - $usual_days < v.session_date
    where v.session_date between $first_day - $gain_days and $last_day
    group by s.site, s.action, s.next_action
)

select
    s.session_date,
    s.since,
    s.site,
    s.window_days,
    s.dimension,
    s.dimension_value,
    s.action,
    s.next_action,
    s.session_count,
    s.progress_rate,
    s.usual_rate,
    s.score,
    s.sentence
from steps as s
inner join site_days as d
    on s.site = d.site and s.action = d.action and s.next_action = d.next_action
inner join conversions as c
    on s.site = c.site and s.action = c.action and s.next_action = c.next_action
where
    c.converted_count
    >= c.session_count * c.usual_converted_count / c.usual_session_count
    - $gain_share * coalesce(s.associated_lost, 0)
    and c.converted_count >= c.usual_converted_count / d.usual_count * d.window_count
order by s.score desc, s.site asc, s.action asc, s.next_action asc
limit $shown_gains
