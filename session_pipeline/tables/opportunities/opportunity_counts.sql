-- One row is a signal of friction at an action (factor) at a moment on a day; or all sessions at a
-- moment on a day, without a factor; or a day that is built, without a moment.
-- Only signals that can have enough sessions in a window of these days are read.
with frequent as (
    select
        site,
        signal_action,
        signal
    from moment_counts
    where signal <> ''
    group by site, signal_action, signal
    having sum(session_count) >= $least_compared_sessions
),

frequent_moments as (
    select distinct
        m.site,
        m.action
    from moment_counts as m
    inner join frequent as f
        on m.site = f.site and m.signal_action = f.signal_action and m.signal = f.signal
),

chosen as (
    select
        m.*,
        f.signal_action as factor_action,
        f.signal as factor
    from moment_counts as m
    inner join frequent as f
        on m.site = f.site and m.signal_action = f.signal_action and m.signal = f.signal
    union all
    select
        m.*,
        cast(null as varchar) as factor_action,
        cast(null as varchar) as factor
    from moment_counts as m
    inner join frequent_moments as f
        on m.site = f.site and m.action = f.action
    where m.signal = ''
)

select
    session_date,
    site,
    concat_ws('|', cast(position_bucket as varchar), cast(stage as varchar), device, action)
        as moment,
    factor_action,
    factor,
    session_count,
    converted_count,
    excluded_count,
    excluded_converted_count,
    cast(value as double) as value,
    example_session_id
from chosen
union all
select
    event_date as session_date,
    cast(null as varchar) as site,
    cast(null as varchar) as moment,
    cast(null as varchar) as factor_action,
    cast(null as varchar) as factor,
    cast(0 as bigint) as session_count,
    cast(0 as bigint) as converted_count,
    cast(0 as bigint) as excluded_count,
    cast(0 as bigint) as excluded_converted_count,
    cast(null as double) as value,
    cast(null as varchar) as example_session_id
from days
