-- One row is one of the three most common actions that followed where attempts at a funnel ended,
-- in the seven days that funnels.sql counts; '(none)' if nothing followed. Pages of a folder with
-- more than five pages there are one action, named /folder/…. Attempts are counted, because the
-- table funnel_drops names only ten actions of a day.
with open_funnels as (
    select distinct funnel
    from funnel_entries
    where
        entry_date between $first_day - $most_open_days and $last_day
        and not is_bot
        and not is_excluded
        and not is_converted
        and not is_window_closed
),

ended as (
    select
        funnel,
        step_reached as step_number,
        coalesce(path_label(dropped_to_action), '(none)') as action,
        regexp_extract(dropped_to_action, $page_of_folder, 1) as folder,
        count(*) as attempt_count
    from funnel_entries
    where
        entry_date between $first_day - $most_open_days and $last_day
        and entry_date
        + case
            when funnel in (select o.funnel from open_funnels as o)
                then coalesce(cast(cast($open_days as json) as map (varchar, integer))[funnel], 0)
            else 0
        end
        between $first_day and $last_day
        and not is_bot
        and not is_excluded
        and not is_converted
    group by all
),

folders as (
    select
        funnel,
        step_number,
        folder
    from ended
    where folder != ''
    group by funnel, step_number, folder
    having count(*) > $most_pages_of_folder
),

folded as (
    select
        e.funnel,
        e.step_number,
        coalesce(f.folder || '/…', e.action) as action,
        sum(e.attempt_count) as attempt_count
    from ended as e
    left join folders as f
        on e.funnel = f.funnel and e.step_number = f.step_number and e.folder = f.folder
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
    from folded
)

select
    funnel,
    step_number,
    place,
    action,
    cast(attempt_count as bigint) as attempt_count,
    share
from ranked
where place <= $shown_drops_of_step
order by funnel, step_number, place
