-- One row is a pair of consecutive actions, with the start and the end of sessions as actions, for
-- the sessions with one outcome. A session with n actions has n + 1 transitions.
-- Transitions of fewer sessions than the setting min_session_count are one row.
-- Until the last step, pairs are numbers: 0 is the start or the end.
with transitions as (
    select
        s.group_number,
        s.session_number,
        0 as from_number,
        coalesce(l.label_number, 0) as to_number
    from path_sessions as s
    left join path_labels as l
        on s.landing_action = l.label
    union all
    select
        group_number,
        session_number,
        label_number as from_number,
        next_label_number as to_number
    from path_actions
),

pair_sessions as (
    select
        group_number,
        from_number,
        to_number,
        session_number,
        count(*) as transition_count
    from transitions
    group by group_number, from_number, to_number, session_number
),

pairs as (
    select
        group_number,
        from_number,
        to_number,
        sum(transition_count) as transition_count,
        count(*) as session_count
    from pair_sessions
    group by group_number, from_number, to_number
),

-- Either all transitions of a pair have a time or none has. Many have the same, so times are
-- counted before they are sorted.
pair_seconds as (
    select
        group_number,
        label_number as from_number,
        next_label_number as to_number,
        seconds_to_next as seconds,
        count(*) as time_count
    from path_actions
    where seconds_to_next is not null
    group by group_number, label_number, next_label_number, seconds_to_next
),

cumulated as (
    select
        group_number,
        from_number,
        to_number,
        seconds,
        sum(time_count) over (
            partition by group_number, from_number, to_number
            order by seconds
            rows between unbounded preceding and current row
        ) as up_to_here,
        sum(time_count) over (partition by group_number, from_number, to_number) as total
    from pair_seconds
),

times as (
    select
        group_number,
        from_number,
        to_number,
        -- Not median(), because the engines round the mean of the two middle values differently.
        (
            min(seconds) filter (where 2 * up_to_here >= total)
            + min(seconds) filter (where 2 * up_to_here > total)
        ) / 2 as median_seconds,
        min(seconds) filter (where 10 * up_to_here >= 9 * total) as p90_seconds
    from cumulated
    group by group_number, from_number, to_number
)

select
    g.session_date,
    g.site,
    g.outcome,
    case
        when p.from_number = 0 and p.to_number = 0 then 'no_action'
        when p.from_number = 0 then 'entry'
        when p.to_number = 0 then 'exit'
        when p.from_number = p.to_number then 'loop'
        else 'step'
    end as transition,
    coalesce(a.label, '(start)') as from_action,
    coalesce(n.label, '(end)') as to_action,
    p.transition_count,
    p.session_count,
    case when g.is_converted then p.session_count else 0 end as converted_count,
    t.median_seconds,
    t.p90_seconds
from pairs as p
inner join path_groups as g
    on p.group_number = g.group_number
left join path_labels as a
    on p.from_number = a.label_number
left join path_labels as n
    on p.to_number = n.label_number
left join times as t
    on
        p.group_number = t.group_number
        and p.from_number = t.from_number
        and p.to_number = t.to_number
where p.session_count >= $min_session_count
union all
select
    g.session_date,
    g.site,
    g.outcome,
    'other' as transition,
    '(other)' as from_action,
    '(other)' as to_action,
    sum(s.transition_count) as transition_count,
    count(distinct s.session_number) as session_count,
    count(distinct s.session_number) filter (where g.is_converted) as converted_count,
    cast(null as double) as median_seconds,
    cast(null as double) as p90_seconds
from pairs as p
inner join path_groups as g
    on p.group_number = g.group_number
inner join pair_sessions as s
    on
        p.group_number = s.group_number
        and p.from_number = s.from_number
        and p.to_number = s.to_number
where $min_session_count > 1 and p.session_count < $min_session_count
group by g.session_date, g.site, g.outcome
