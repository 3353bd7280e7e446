-- One row is a signal that the events of a site's sessions of a day can show.
-- Without such a row, the counts of the signal are null: it may have occurred, but nobody can know.
-- Only the start of a form can show an abandoned form: a submit is also an event of sites that do
-- not track forms, such as sign_up.
with kinds_seen as (
    select
        session_date,
        site,
        bool_or(clicked_element is not null) as has_clicked_elements,
        bool_or(search_term is not null) as has_searches,
        bool_or(is_submit) as has_submits,
        bool_or(is_error) as has_errors,
        bool_or(array_length(list_filter(form_marks, lambda mark: mark > 0)) > 0) as has_form_starts
    from friction_events
    where not is_bot
    group by session_date, site
),

visits_seen as (
    select
        session_date,
        site,
        max(session_count) as most_sessions
    from friction_places
    group by session_date, site
),

status_seen as (
    select distinct
        e.session_date,
        e.site
    from events as e
    inner join friction_sessions as s
        on e.session_id = s.session_id
    where
        e.status_code is not null
        and not s.is_bot
        and e.session_date in (select event_date from days)
)

select
    v.session_date,
    v.site,
    s.signal,
    s.is_hard_time
from visits_seen as v
left join kinds_seen as k
    on v.session_date = k.session_date and v.site = k.site
left join status_seen as t
    on v.session_date = t.session_date and v.site = t.site
cross join friction_signals as s
where
    case s.signal
        when 'rage_click' then k.has_clicked_elements
        when 'repeated_search' then k.has_searches
        when 'repeated_submit' then k.has_submits
        when 'error' then k.has_errors or t.site is not null
        when 'error_loop' then k.has_errors or t.site is not null
        when 'dead_end' then v.most_sessions >= $dead_end_sessions
        when 'abandoned_form' then k.has_form_starts
        else true
    end
