-- One row is one of the most common steps from an action to another one, in the week. Pages of a
-- folder with more than five pages are one action, named /folder/…; it can follow itself, because
-- from one of its pages to another is a step, too. share is null if rare steps are combined: what
-- is left would have too large shares.
with moves as (
    select
        from_action,
        to_action,
        transition,
        regexp_extract(from_action, $page_of_folder, 1) as from_folder,
        regexp_extract(to_action, $page_of_folder, 1) as to_folder,
        cast(sum(transition_count) as bigint) as transition_count
    from action_transitions
    where session_date between $first_day and $last_day and transition in ('step', 'exit')
    group by from_action, to_action, transition
),

folders as (
    select from_folder as folder
    from moves
    where from_folder != ''
    group by from_folder
    having count(distinct from_action) > $most_pages_of_folder
),

folded as (
    select
        coalesce(f.folder || '/…', m.from_action) as from_action,
        coalesce(t.folder || '/…', m.to_action) as to_action,
        m.transition,
        cast(sum(m.transition_count) as bigint) as transition_count
    from moves as m
    left join folders as f
        on m.from_folder = f.folder
    left join folders as t
        on m.to_folder = t.folder
    group by all
),

combined as (
    select count(*) > 0 as has_rare_steps
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'other'
),

rated as (
    select
        f.*,
        case
            when not c.has_rare_steps
                then f.transition_count / sum(f.transition_count) over (partition by f.from_action)
        end as share
    from folded as f
    cross join combined as c
)

select
    from_action,
    to_action,
    transition_count,
    share
from rated
where transition = 'step'
order by transition_count desc, from_action asc, to_action asc
limit $shown_transitions
