-- One row is a pair of event name and page path that only erased events of a day have. As in
-- action_labels, only page views have a path, here without its parameters.
with labels as (
    select
        f.event_date,
        f.event_name,
        coalesce(case when f.event_name = 'page_view' then f.page_path end, '') as page_path,
        e.session_id is not null as is_erased
    from frozen_events as f
    left join erased_events as e
        on f.session_id = e.session_id and f.event_number = e.event_number
    where f.event_date in (select event_date from erased_events)
)

select row(event_date, event_name, page_path) as label
from labels
group by event_date, event_name, page_path
having bool_and(is_erased)
