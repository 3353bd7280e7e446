-- One row is a signal that the events of a site's sessions of a day can show.
-- Without such a row, the counts of the signal are null: it may have occurred, but nobody can know.
with kinds_seen as (
    select
        session_date,
        site,
        bool_or(clicked_element is not null) as has_clicked_elements,
        bool_or(search_term is not null) as has_searches,
        bool_or(is_submit) as has_submits,
        bool_or(is_error or has_status) as has_errors_or_status,
        bool_or(form_marks is not null) as has_forms
    from friction_events
    where not is_bot
    group by session_date, site
),

actions_seen as (
    select
        session_date,
        site,
        bool_or(session_count >= $dead_end_sessions) as has_visited_actions
    from friction_places
    group by session_date, site
)

select
    k.session_date,
    k.site,
    s.signal
from kinds_seen as k
inner join actions_seen as v
    on k.session_date = v.session_date and k.site = v.site
cross join friction_signals as s
where
    case s.signal
        when 'rage_click' then k.has_clicked_elements
        when 'repeated_search' then k.has_searches
        when 'repeated_submit' then k.has_submits
        when 'error' then k.has_errors_or_status
        when 'error_loop' then k.has_errors_or_status
        when 'dead_end' then v.has_visited_actions
        when 'abandoned_form' then k.has_forms
        else true
    end
