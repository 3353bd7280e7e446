-- One row is a signal of friction at an action (factor) at a moment on a day; or all sessions at a
-- moment on a day, without a factor; or an action that is counted on a day, without a moment; or a
-- day that is built, without a site. Of actions that are counted, those of the factors are read.
-- Only signals that can have enough sessions in a window of these days are read, and only at
-- moments at which they occur on one of these days. At all others, no session has the signal.
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

compared_moments as (
    select distinct
        m.site,
        m.action,
        m.position_bucket,
        m.stage,
        m.device,
        m.signal_action,
        m.signal
    from moment_counts as m
    inner join frequent as f
        on m.site = f.site and m.signal_action = f.signal_action and m.signal = f.signal
    where m.session_count > 0
),

compared_actions as (
    select distinct
        site,
        action
    from compared_moments
),

chosen as (
    select
        m.*,
        m.signal_action as factor_action,
        m.signal as factor
    from moment_counts as m
    inner join compared_moments as c
        on
            m.site = c.site
            and m.action = c.action
            and m.position_bucket = c.position_bucket
            and m.stage = c.stage
            and m.device = c.device
            and m.signal_action = c.signal_action
            and m.signal = c.signal
    union all
    select
        m.*,
        cast(null as varchar) as factor_action,
        cast(null as varchar) as factor
    from moment_counts as m
    inner join compared_actions as c
        on m.site = c.site and m.action = c.action
    where m.signal = ''
),

actions_of_factors as (
    select distinct
        site,
        signal_action
    from frequent
),

-- An action that is counted on a day has rows for all sessions at it, at any of its moments.
counted_on_days as (
    select distinct
        c.session_date,
        c.site,
        c.action,
        false as is_milestone
    from moment_counts as c
    inner join actions_of_factors as f
        on c.site = f.site and c.action = f.signal_action
    where c.signal = ''
)

select
    session_date,
    site,
    concat_ws('|', cast(position_bucket as varchar), cast(stage as varchar), device, action)
        as moment,
    factor_action,
    factor,
    cast(null as varchar) as counted_action,
    false as is_milestone,
    session_count,
    converted_count,
    excluded_count,
    excluded_converted_count,
    cast(value as double) as value,
    example_session_id
from chosen
union all
select
    session_date,
    site,
    cast(null as varchar) as moment,
    cast(null as varchar) as factor_action,
    cast(null as varchar) as factor,
    action as counted_action,
    is_milestone,
    cast(0 as bigint) as session_count,
    cast(0 as bigint) as converted_count,
    cast(0 as bigint) as excluded_count,
    cast(0 as bigint) as excluded_converted_count,
    cast(null as double) as value,
    cast(null as varchar) as example_session_id
from counted_on_days
union all
select
    event_date as session_date,
    cast(null as varchar) as site,
    cast(null as varchar) as moment,
    cast(null as varchar) as factor_action,
    cast(null as varchar) as factor,
    cast(null as varchar) as counted_action,
    false as is_milestone,
    cast(0 as bigint) as session_count,
    cast(0 as bigint) as converted_count,
    cast(0 as bigint) as excluded_count,
    cast(0 as bigint) as excluded_converted_count,
    cast(null as double) as value,
    cast(null as varchar) as example_session_id
from days
