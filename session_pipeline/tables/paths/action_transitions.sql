-- One row is a pair of consecutive actions, with the start and the end of sessions as actions, for
-- the sessions with one outcome. A session with n actions has n + 1 transitions.
-- Transitions of fewer sessions than the setting min_session_count are one row.
with transitions as (
    select
        session_date,
        session_id,
        site,
        outcome,
        is_converted,
        case when landing_action is null then 'no_action' else 'entry' end as transition,
        '(start)' as from_action,
        coalesce(landing_action, '(end)') as to_action,
        cast(null as double) as seconds
    from path_sessions
    union all
    select
        session_date,
        session_id,
        site,
        outcome,
        is_converted,
        case
            when next_action is null then 'exit'
            when next_action = action then 'loop'
            else 'step'
        end as transition,
        action as from_action,
        coalesce(next_action, '(end)') as to_action,
        seconds_to_next as seconds
    from path_actions
),

rare as (
    select
        session_date,
        site,
        outcome,
        transition,
        from_action,
        to_action
    from transitions
    where $min_session_count > 1
    group by session_date, site, outcome, transition, from_action, to_action
    having count(distinct session_id) < $min_session_count
),

named as (
    select
        t.session_date,
        t.session_id,
        t.site,
        t.outcome,
        t.is_converted,
        case when r.site is null then t.transition else 'other' end as transition,
        case when r.site is null then t.from_action else '(other)' end as from_action,
        case when r.site is null then t.to_action else '(other)' end as to_action,
        case when r.site is null then t.seconds end as seconds
    from transitions as t
    left join rare as r
        on
            t.session_date = r.session_date
            and t.site = r.site
            and t.outcome = r.outcome
            and t.transition = r.transition
            and t.from_action = r.from_action
            and t.to_action = r.to_action
),

-- Positions of the times of a transition. Either all times of a transition are known or none is.
placed as (
    select
        *,
        row_number() over transition_in_order as position,
        count(seconds) over (
            partition by session_date, site, outcome, transition, from_action, to_action
        ) as time_count
    from named
    window
        transition_in_order as (
            partition by session_date, site, outcome, transition, from_action, to_action
            order by seconds, session_id
        )
)

select
    session_date,
    site,
    outcome,
    transition,
    from_action,
    to_action,
    count(*) as transition_count,
    count(distinct session_id) as session_count,
    case when bool_or(is_converted) then count(distinct session_id) else 0 end as converted_count,
    median(seconds) as median_seconds,
    min(seconds) filter (where 10 * position >= 9 * time_count) as p90_seconds
from placed
group by session_date, site, outcome, transition, from_action, to_action
