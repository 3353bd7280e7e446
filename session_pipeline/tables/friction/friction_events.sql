-- One row is an action or an interaction of a session that starts on one of the days, with what the
-- signals need. Events are read only here.
-- action is where it happened: the action of its page, or its own label if it has no page.
-- A step is what visitors go from and to: a page view; in a session without page views, any action.
with labels as (
    select
        event_name,
        page_path,
        min(action) as label,
        bool_or(is_interaction) as is_interaction
    from action_labels
    group by event_name, page_path
),

placed as (
    select
        e.session_date,
        e.site,
        e.session_id,
        e.event_number,
        e.event_id,
        e.event_time,
        e.event_name,
        l.label,
        coalesce(p.action, l.label, e.event_name) as action,
        l.is_interaction,
        case when e.is_click then e.element end as clicked_element,
        e.element,
        e.search_term,
        e.event_name = 'page_view' as is_page_view,
        e.is_results_page,
        e.is_submit,
        e.is_error and l.label is not null as is_error,
        e.status_code is not null as has_status,
        e.form_marks
    from marked_events as e
    inner join labels as l
        on
            e.event_name = l.event_name
            and l.page_path
            = case when e.event_name = 'page_view' then coalesce(e.page_path, '') else '' end
    left join page_actions as p
        on e.page_path = p.page_path
    where
        e.session_date in (select event_date from days)
        and (l.label is not null or l.is_interaction)
),

-- Most sessions are of people and have page views, so few are joined.
unusual_sessions as (
    select
        session_id,
        is_bot,
        page_view_count = 0 as has_no_page
    from sessions
    where is_bot or page_view_count = 0
),

stepped as (
    select
        p.*,
        coalesce(u.is_bot, false) as is_bot,
        p.is_page_view or p.label is not null and coalesce(u.has_no_page, false) as is_step
    from placed as p
    left join unusual_sessions as u
        on p.session_id = u.session_id
)

select
    e.session_date,
    e.site,
    e.session_id,
    e.event_number,
    e.event_id,
    e.event_time,
    e.event_name,
    e.label,
    e.action,
    e.clicked_element,
    e.element,
    e.search_term,
    e.is_step,
    e.is_submit,
    e.is_error,
    e.has_status,
    e.form_marks,
    e.is_bot,
    row_number() over session_in_order as position,
    count(e.label) over session_in_order as action_number,
    count(case when e.is_interaction and not e.is_step then 1 end)
        over session_in_order as interaction_count,
    count(case when e.is_step and not e.is_results_page then 1 end)
        over session_in_order as opened_count,
    lag(e.label) over session_in_order as previous_label,
    lag(e.event_time) over session_in_order as previous_at,
    lead(e.event_time) over session_in_order as next_at
from stepped as e
window session_in_order as (partition by e.session_id order by e.event_number)
