-- One row is a pair of event name and page path on a day, with its action label.
-- Each path is folded once, not once per event. The label is null if the event is not an action.
with kinds as (
    select distinct
        event_date,
        event_name,
        action_page as page_path
    from paged_events
)

select
    k.event_date,
    k.event_name,
    k.page_path,
    case
        when k.event_name = 'asset' or i.event_name is not null then null
        when k.event_name = 'page_view' then coalesce(f.action, 'page_view')
        else k.event_name
    end as action,
    k.event_name <> 'page_view'
    and k.event_name <> 'asset'
    and p.event_name is null as is_interaction
from kinds as k
left join folded_paths as f
    on k.page_path = f.page_path
left join ignored_events as i
    on k.event_name = i.event_name
left join passive_events as p
    on k.event_name = p.event_name
