-- One row is a signal that the events of a site's sessions of a day can show.
-- Without such a row, the counts of the signal are null: it may have occurred, but nobody can know.
with kinds_seen as (
    select
        session_date,
        site,
        bool_or(clicked_element is not null) as has_clicked_elements,
        bool_or(is_page_view) as has_page_views,
        bool_or(search_term is not null) as has_searches,
        bool_or(is_submit) as has_submits,
        bool_or(is_error or has_status) as has_errors_or_status,
        bool_or(form_marks is not null) as has_forms
    from friction_events
    where not is_bot
    group by session_date, site
)

select
    k.session_date,
    k.site,
    s.signal
from kinds_seen as k
cross join friction_signals as s
where
    case s.signal
        when 'rage_click' then k.has_clicked_elements
        when 'u_turn' then k.has_page_views
        when 'back_track' then k.has_page_views
        when 'repeated_search' then k.has_searches
        when 'repeated_submit' then k.has_submits
        when 'error' then k.has_errors_or_status
        when 'error_loop' then k.has_errors_or_status
        when 'dead_end' then k.has_page_views
        when 'abandoned_form' then k.has_forms
        else true
    end
