-- One row is one of the three most common actions that followed where attempts at a funnel ended,
-- in the week; '(none)' if nothing followed. Pages of a folder are one action, named /folder/….
-- Attempts are counted, because the table funnel_drops names only ten actions of a day.
with counted as (
    select
        funnel,
        step_reached as step_number,
        case
            when dropped_to_action is null then '(none)'
            when regexp_matches(dropped_to_action, '^/[^?]+/[^/?]+(\?.*)?$')
                then regexp_extract(dropped_to_action, '^(/[^?]+)/[^/?]+(\?.*)?$', 1) || '/…'
            else dropped_to_action
        end as action,
        count(*) as attempt_count
    from funnel_entries
    where
        entry_date between $first_day and $last_day
        and not is_bot
        and not is_excluded
        and not is_converted
    group by all
),

ranked as (
    select
        *,
        attempt_count / sum(attempt_count) over (partition by funnel, step_number) as share,
        row_number() over (
            partition by funnel, step_number
            order by attempt_count desc, action asc
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
