-- One row is a moment, a day and a signal of friction (factor), or '' for all sessions; and a row
-- without a site for each day that is built.
-- Only signals that can have enough sessions in a window of these days are read.
with frequent as (
    select
        site,
        action,
        signal
    from moment_counts
    where signal <> ''
    group by site, action, signal
    having sum(session_count) >= $least_compared_sessions
),

frequent_actions as (
    select distinct
        site,
        action
    from frequent
)

select
    m.session_date,
    m.site,
    m.action,
    concat_ws('|', cast(m.position_bucket as varchar), cast(m.stage as varchar), m.device) as moment,
    m.signal as factor,
    s.needs_next_action,
    m.session_count,
    m.converted_count,
    m.earlier_count,
    m.earlier_converted_count,
    cast(0 as bigint) as exit_count,
    cast(0 as bigint) as exit_converted_count,
    cast(null as double) as value,
    m.example_session_id
from moment_counts as m
inner join frequent as f
    on m.site = f.site and m.action = f.action and m.signal = f.signal
inner join compared_signals as s
    on m.signal = s.signal
union all
select
    m.session_date,
    m.site,
    m.action,
    concat_ws('|', cast(m.position_bucket as varchar), cast(m.stage as varchar), m.device) as moment,
    m.signal as factor,
    false as needs_next_action,
    m.session_count,
    m.converted_count,
    m.earlier_count,
    m.earlier_converted_count,
    m.exit_count,
    m.exit_converted_count,
    cast(m.value as double) as value,
    m.example_session_id
from moment_counts as m
inner join frequent_actions as f
    on m.site = f.site and m.action = f.action
where m.signal = ''
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
