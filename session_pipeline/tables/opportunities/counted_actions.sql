-- One row is an action that is counted on a day of a site: one of the most visited.
-- A milestone is an action with an event that meets a funnel step or the conversion of its session.
with visited as (
    select
        label_number,
        count(*) as session_count
    from moments
    where is_first
    group by label_number
),

milestone_events as (
    select
        session_id,
        event_number
    from funnel_matches
    where step_number > 0
    union
    select
        m.session_id,
        m.event_number
    from outcome_matches as m
    inner join session_outcomes as o
        on m.session_id = o.session_id and m.rule = o.outcome
    where o.is_converted
),

milestones as (
    select distinct
        a.session_date,
        a.site,
        a.action
    from session_actions as a
    inner join milestone_events as m
        on a.session_id = m.session_id and a.event_number = m.event_number
)

select
    n.session_date,
    n.site,
    n.action,
    n.label_number,
    m.action is not null as is_milestone,
    row_number() over (
        partition by n.session_date, n.site
        order by v.session_count desc, n.action asc
    ) as place
from visited as v
inner join numbered_actions as n
    on v.label_number = n.label_number
left join milestones as m
    on n.session_date = m.session_date and n.site = m.site and n.action = m.action
