-- One row is a visit of the week that had a hard time at the action, or at a page of
-- the folder /folder/…, with its signals there, latest first.
select
    session_id,
    string_agg(distinct signal, ', ' order by signal asc) as signals,
    cast(sum(occurrence_count) as bigint) as occurrence_count,
    min(first_at) as first_at
from session_friction
where
    session_date between $first_day and $last_day
    and site = $site
    and (action = $action or regexp_extract(action, $page_of_folder, 1) || '/…' = $action)
    and is_hard_time
    and not is_bot
group by session_id
order by first_at desc, session_id asc
limit $shown_hard_times
