-- One row is an action of a site in the week: the share of the visits with a conversion that did it
-- up to then, and of the visits without a conversion that are no bounces, each with its usual
-- position in the visit. Visits that do it only after their conversion are in neither. Of each day,
-- the 200 most visited actions count.
with totals as (
    select
        site,
        sum(converted_count) as converted_count,
        sum(session_count - converted_count - bounce_count) as other_count
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
        ) as other_place
    from action_steps
    where session_date between $first_day and $last_day and step_number > 0
    group by site, action
),

visits as (
    select
        site,
        action,
        sum(converted_count) as converted_count,
        sum(not_converted_count) as other_count
    from action_visits
    where session_date between $first_day and $last_day and dimension = 'all'
    group by site, action
)

select
    v.site,
    v.action,
    v.converted_count / nullif(t.converted_count, 0) as converted_share,
    p.converted_place,
    v.other_count / nullif(t.other_count, 0) as other_share,
    p.other_place
from visits as v
inner join places as p
    on v.site = p.site and v.action = p.action
inner join totals as t
    on v.site = t.site
where
    v.converted_count >= $many_do * nullif(t.converted_count, 0)
    or v.other_count >= $many_do * nullif(t.other_count, 0)
order by v.site, v.action
