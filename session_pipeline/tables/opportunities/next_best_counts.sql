-- One row is an action seen before an action (factor) at a moment on a day; or all sessions at a
-- moment on a day, without a factor; or an action that is counted on a day, without a moment; or a
-- day that is built, without a site. Of actions that are counted, those of the factors are read.
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
    select distinct
        site,
        at_action
    from frequent
),

chosen as (
    select
        s.*,
        f.seen_action as factor
    from seen_counts as s
    inner join frequent as f
        on s.site = f.site and s.at_action = f.at_action and s.seen_action = f.seen_action
    union all
    select
        s.*,
        cast(null as varchar) as factor
    from seen_counts as s
    inner join frequent_actions as f
        on s.site = f.site and s.at_action = f.at_action
    where s.seen_action = ''
),

actions_of_factors as (
    select distinct
        site,
        seen_action
    from frequent
),

-- An action that is counted on a day has rows for all sessions at it, at any of its moments.
counted_on_days as (
    select distinct
        c.session_date,
        c.site,
        c.at_action as action,
        c.is_milestone
    from seen_counts as c
    inner join actions_of_factors as f
        on c.site = f.site and c.at_action = f.seen_action
    where c.seen_action = ''
)

select
    session_date,
    site,
    concat_ws('|', cast(position_bucket as varchar), cast(stage as varchar), device, at_action)
        as moment,
    case when factor is not null then at_action end as factor_action,
    factor,
    cast(null as varchar) as counted_action,
    false as is_milestone,
    session_count,
    converted_count,
    case when factor is not null then session_count else 0 end as excluded_count,
    case when factor is not null then converted_count else 0 end as excluded_converted_count,
    cast(null as double) as value,
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
