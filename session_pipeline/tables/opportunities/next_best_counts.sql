-- One row is a first time at an action (its moment), a day and an action seen before it (factor),
-- or '' for all sessions; and a row without a site for each day that is built.
-- Only actions that can have enough sessions in a window of these days are read.
with frequent as (
    select
        site,
        at_action,
        seen_action
    from seen_counts
    where seen_action <> ''
    group by site, at_action, seen_action
    having sum(session_count) >= $least_compared_sessions
),

frequent_actions as (
    select
        site,
        at_action,
        seen_action
    from frequent
    union
    select
        site,
        at_action,
        '' as seen_action
    from frequent
)

select
    s.session_date,
    s.site,
    s.at_action as action,
    concat_ws('|', cast(s.position_bucket as varchar), cast(s.stage as varchar), s.device) as moment,
    s.seen_action as factor,
    false as needs_next_action,
    s.session_count,
    s.converted_count,
    cast(0 as bigint) as earlier_count,
    cast(0 as bigint) as earlier_converted_count,
    cast(0 as bigint) as exit_count,
    cast(0 as bigint) as exit_converted_count,
    cast(null as double) as value,
    s.example_session_id
from seen_counts as s
inner join frequent_actions as f
    on s.site = f.site and s.at_action = f.at_action and s.seen_action = f.seen_action
union all
select
    event_date as session_date,
    cast(null as varchar) as site,
    cast(null as varchar) as action,
    cast(null as varchar) as moment,
    cast(null as varchar) as factor,
    false as needs_next_action,
    cast(0 as bigint) as session_count,
    cast(0 as bigint) as converted_count,
    cast(0 as bigint) as earlier_count,
    cast(0 as bigint) as earlier_converted_count,
    cast(0 as bigint) as exit_count,
    cast(0 as bigint) as exit_converted_count,
    cast(null as double) as value,
    cast(null as varchar) as example_session_id
from days
