-- One row is an action that is counted on a day of a site: one of the most visited.
-- A milestone is an action with an event that meets a funnel step or the conversion of its session.
with visited as (
    select
        session_date,
        site,
        action,
        count(*) as session_count
    from moments
    where is_first
    group by session_date, site, action
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
    v.session_date,
    v.site,
    v.action,
    m.action is not null as is_milestone,
    row_number() over (
        partition by v.session_date, v.site
        order by v.session_count desc, v.action asc
    ) as place
from visited as v
left join milestones as m
    on v.session_date = m.session_date and v.site = m.site and v.action = m.action
