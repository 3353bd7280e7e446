-- One row is one of the three most common actions that followed where attempts at a funnel ended,
-- in the week; '(none)' if nothing followed. Pages of a folder are one action, named /folder/….
with counted as (
    select
        funnel,
        step_number,
        case
            when regexp_matches(action, '^/.+/[^/]+$')
                then regexp_extract(action, '^(/.+)/[^/]+$', 1) || '/…'
            else action
        end as action,
        cast(sum(attempt_count) as bigint) as attempt_count
    from funnel_drops
    where
        entry_date between $first_day and $last_day
        and exclusion_number = 0
        and next_number = 1
    group by all
),

ranked as (
    select
        *,
        attempt_count / sum(attempt_count) over (partition by funnel, step_number) as share,
        row_number() over (
            partition by funnel, step_number
            order by action = '(other)', attempt_count desc, action asc
        ) as place
    from counted
)

select
    funnel,
    step_number,
    place,
    action,
    attempt_count,
    share
from ranked
where place <= 3
order by funnel, step_number, place
