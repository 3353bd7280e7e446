-- One row is a position in a visit and an action that visits have there, in the week, as a share of
-- all visits. The eight most frequent actions have rows, others are '(other)'; '(end)' counts all
-- visits that are over before the position. Pages of a folder with more than five pages are one
-- action, named /folder/….
with counted as (
    select
        step_number,
        action,
        regexp_extract(action, $page_of_folder, 1) as folder,
        cast(sum(session_count) as bigint) as session_count
    from action_steps
    where session_date between $first_day and $last_day and step_number <= $shown_positions
    group by step_number, action
),

folders as (
    select folder
    from counted
    where folder != ''
    group by folder
    having count(distinct action) > $most_pages_of_folder
),

folded as (
    select
        c.step_number,
        coalesce(f.folder || '/…', c.action) as action,
        sum(c.session_count) as session_count
    from counted as c
    left join folders as f
        on c.folder = f.folder
    group by all
),

frequent as (
    select action
    from folded
    where action not in ('(start)', '(end)', '(more)', '(other)')
    group by action
    order by sum(session_count) desc, action asc
    limit $shown_actions
),

named as (
    select
        f.step_number,
        case
            when f.action = '(end)' or q.action is not null then f.action else '(other)'
        end as action,
        cast(sum(f.session_count) as bigint) as session_count
    from folded as f
    left join frequent as q
        on f.action = q.action
    where f.step_number > 0 and f.action != '(start)'
    group by all
),

-- Also at a position before which no further visit ended, the earlier ends count.
ends as (
    select
        step_number,
        '(end)' as action,
        sum(coalesce(sum(session_count) filter (where action = '(end)'), 0)) over (
            order by step_number rows between unbounded preceding and current row
        ) as session_count
    from named
    group by step_number
),

cumulative as (
    select
        step_number,
        action,
        session_count
    from named
    where action != '(end)'
    union all
    select
        step_number,
        action,
        session_count
    from ends
    where session_count > 0
)

select
    step_number,
    action,
    cast(session_count as bigint) as session_count,
    session_count / sum(session_count) over (partition by step_number) as share
from cumulative
order by step_number, action
