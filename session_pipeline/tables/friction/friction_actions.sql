-- One row is an action in a session, with what the signals need.
-- action is where it happened: the action of its page, or its own label if it has no page.
-- A step is what visitors go from and to: a page view; in a session without page views, any action.
with pageless_sessions as (
    select session_id
    from sessions
    where page_view_count = 0
)

select
    a.session_date,
    a.site,
    a.session_id,
    a.is_bot,
    a.action_number,
    a.event_id,
    a.event_name,
    a.occurred_at,
    a.action as label,
    coalesce(e.page_action, a.action) as action,
    a.event_name = 'page_view' or s.session_id is not null as is_step,
    a.action = a.previous_action as is_repeat,
    a.is_exit,
    cast(floor(a.seconds_to_next * 1000000 + 0.5) as bigint) as microseconds_to_next,
    e.clicked_element,
    e.element,
    e.search_term,
    coalesce(e.is_results_page, false) as is_results_page,
    coalesce(e.is_submit, false) as is_submit,
    coalesce(e.is_error, false) as is_error,
    e.form_marks
from session_actions as a
left join friction_events as e
    on a.session_id = e.session_id and a.event_number = e.event_number
left join pageless_sessions as s
    on a.session_id = s.session_id
