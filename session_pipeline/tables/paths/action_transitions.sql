-- One row is a pair of consecutive actions, with the start and the end of sessions as actions, for
-- the sessions with one outcome. A session with n actions has n + 1 transitions.
-- Transitions of fewer sessions than the setting min_session_count are one row.
with transitions as (
    select
        session_date,
        session_number,
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
        session_number,
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

pairs as (
    select
        session_date,
        site,
        outcome,
        transition,
        from_action,
        to_action,
        bool_or(is_converted) as is_converted,
        row_number() over (
            order by session_date, site, outcome, transition, from_action, to_action
        ) as pair_number
    from transitions
    group by session_date, site, outcome, transition, from_action, to_action
),

numbered as (
    select
        p.pair_number,
        t.session_number,
        t.seconds
    from transitions as t
    inner join pairs as p
        on
            t.session_date = p.session_date
            and t.site = p.site
            and t.outcome = p.outcome
            and t.transition = p.transition
            and t.from_action = p.from_action
            and t.to_action = p.to_action
),

pair_sessions as (
    select
        pair_number,
        session_number,
        count(*) as transition_count
    from numbered
    group by pair_number, session_number
),

counted as (
    select
        pair_number,
        sum(transition_count) as transition_count,
        count(*) as session_count
    from pair_sessions
    group by pair_number
),

-- Either all transitions of a pair have a time or none has.
placed as (
    select
        pair_number,
        seconds,
        row_number() over (
            partition by pair_number order by seconds, session_number
        ) as position,
        count(*) over (partition by pair_number) as time_count
    from numbered
    where seconds is not null
),

times as (
    select
        pair_number,
        -- Not median(), because the engines round the mean of the two middle values differently.
        (
            min(seconds) filter (where 2 * position >= time_count)
            + min(seconds) filter (where 2 * position > time_count)
        ) / 2 as median_seconds,
        min(seconds) filter (where 10 * position >= 9 * time_count) as p90_seconds
    from placed
    group by pair_number
)

select
    p.session_date,
    p.site,
    p.outcome,
    p.transition,
    p.from_action,
    p.to_action,
    c.transition_count,
    c.session_count,
    case when p.is_converted then c.session_count else 0 end as converted_count,
    t.median_seconds,
    t.p90_seconds
from pairs as p
inner join counted as c
    on p.pair_number = c.pair_number
left join times as t
    on p.pair_number = t.pair_number
where c.session_count >= $min_session_count
union all
select
    p.session_date,
    p.site,
    p.outcome,
    'other' as transition,
    '(other)' as from_action,
    '(other)' as to_action,
    sum(s.transition_count) as transition_count,
    count(distinct s.session_number) as session_count,
    count(distinct s.session_number) filter (where p.is_converted) as converted_count,
    cast(null as double) as median_seconds,
    cast(null as double) as p90_seconds
from pairs as p
inner join counted as c
    on p.pair_number = c.pair_number
inner join pair_sessions as s
    on p.pair_number = s.pair_number
where $min_session_count > 1 and c.session_count < $min_session_count
group by p.session_date, p.site, p.outcome
