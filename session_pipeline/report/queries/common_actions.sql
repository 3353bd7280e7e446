-- One row is an action of a site in the week: the share of the visits with a conversion that did it
-- before, and of the visits without a conversion that are no bounces, each with its usual position
-- in the visit. Visits that do it only after their conversion are in neither. The bounces at an
-- action come from its positions, so one that does it several times counts as several.
with totals as (
    select
        site,
        cast(sum(converted_count) as double) as converted_count,
        cast(sum(session_count - converted_count - bounce_count) as double) as other_count
    from daily_summary
    where session_date between $first_day and $last_day
    group by site
),

places as (
    select
        site,
        action,
        sum(step_number * converted_count) / nullif(sum(converted_count), 0) as converted_place,
        sum(step_number * (session_count - converted_count)) filter (where outcome != 'bounce')
        / nullif(
            sum(session_count - converted_count) filter (where outcome != 'bounce'), 0
        ) as other_place,
        coalesce(sum(session_count - converted_count) filter (where outcome != 'bounce'), 0)
            as other_count,
        coalesce(sum(session_count) filter (where outcome = 'bounce'), 0) as bounce_count
    from action_steps
    where session_date between $first_day and $last_day and step_number > 0
    group by site, action
),

visits as (
    select
        site,
        action,
        sum(converted_count) as converted_count,
        sum(session_count - converted_count) as other_count
    from action_visits
    where session_date between $first_day and $last_day and dimension = 'all'
    group by site, action
),

counted as (
    select
        v.site,
        v.action,
        v.converted_count,
        least(v.other_count - p.bounce_count, p.other_count) as other_count,
        p.converted_place,
        p.other_place
    from visits as v
    inner join places as p
        on v.site = p.site and v.action = p.action
)

select
    c.site,
    c.action,
    c.converted_count / nullif(t.converted_count, 0) as converted_share,
    c.converted_place,
    c.other_count / nullif(t.other_count, 0) as other_share,
    c.other_place
from counted as c
inner join totals as t
    on c.site = t.site
where
    c.converted_count >= 0.4 * nullif(t.converted_count, 0)
    or c.other_count >= 0.4 * nullif(t.other_count, 0)
order by c.site, c.action
