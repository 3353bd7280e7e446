-- One row is an action whose event the signals need more of than session_actions has. Page views
-- are most events, and few of them are needed.
-- action is where it happened: the action of its page, or its own label if it has no page.
select
    s.session_date,
    s.site,
    s.session_number,
    s.is_bot,
    a.action_number,
    a.event_name,
    a.occurred_at,
    coalesce(p.action, a.action) as action,
    cast(floor(a.seconds_to_next * 1000000 + 0.5) as bigint) as microseconds_to_next,
    case when e.is_click then e.element end as clicked_element,
    e.element,
    e.search_term,
    e.is_results_page,
    e.is_submit,
    e.is_error,
    e.form_marks
from marked_events as e
inner join session_actions as a
    on e.session_id = a.session_id and e.event_number = a.event_number
inner join friction_sessions as s
    on e.session_id = s.session_id
left join page_actions as p
    on e.page = p.page
where
    e.session_date in (select event_date from days)
    and (
        e.event_name <> 'page_view'
        or e.is_click
        or e.search_term is not null
        or e.is_results_page
        or e.is_submit
        or e.is_error
        or e.form_marks is not null
    )
