-- One row is an action or an interaction of a session that starts on one of the days, with what the
-- signals need. Events are read only here.
-- action is where it happened: the action of its page, or its own label if it has no page.
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
        e.event_name = 'page_view' and not e.is_results_page as is_opened_page,
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

bots as (
    select session_id
    from sessions
    where is_bot
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
    e.is_page_view,
    e.is_submit,
    e.is_error,
    e.has_status,
    e.form_marks,
    b.session_id is not null as is_bot,
    row_number() over session_in_order as position,
    count(e.label) over session_in_order as action_number,
    count(case when e.is_interaction then 1 end) over session_in_order as interaction_count,
    count(case when e.is_opened_page then 1 end) over session_in_order as opened_page_count,
    lag(e.label) over session_in_order as previous_label,
    lag(e.event_time) over session_in_order as previous_at,
    lead(e.event_time) over session_in_order as next_at
from placed as e
left join bots as b
    on e.session_id = b.session_id
window session_in_order as (partition by e.session_id order by e.event_number)
