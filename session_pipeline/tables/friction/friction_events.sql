-- One row is an event of a session that starts on one of the days, if the signals need more of it
-- than session_actions has. Page views are most events, and few of them are needed.
select
    e.session_date,
    e.session_id,
    e.event_number,
    p.action as page_action,
    case when e.is_click then e.element end as clicked_element,
    e.element,
    e.search_term,
    e.is_results_page,
    e.is_submit,
    e.is_error,
    e.form_marks
from marked_events as e
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
