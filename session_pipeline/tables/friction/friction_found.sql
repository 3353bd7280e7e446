-- One row is a session, an action and a signal that occurred there. Each CTE finds the actions that
-- complete a signal, and the time lost, in microseconds.
with mixed_sessions as (
    select session_number
    from friction_actions
    where not is_step
    group by session_number
),

-- Only sessions with other actions between the steps need a window. Their steps are page views.
steps_of_mixed_sessions as (
    select
        a.session_number,
        a.action,
        a.action_number,
        a.occurred_at,
        lag(a.action) over session_in_order as left_action,
        lag(a.action, 2) over session_in_order as action_before,
        lag(a.action_number) over session_in_order as left_action_number,
        lag(a.occurred_at) over session_in_order as arrived_at
    from friction_actions as a
    inner join mixed_sessions as m
        on a.session_number = m.session_number
    where a.is_step
    window session_in_order as (partition by a.session_number order by a.action_number)
),

-- One row is a return to the step before the last one. action is the step that was left.
returns as (
    select
        a.session_number,
        a.action,
        a.action_number + 1 as action_number,
        true as is_idle,
        a.microseconds_to_next as microseconds
    from friction_actions as a
    left join mixed_sessions as m
        on a.session_number = m.session_number
    where a.is_between_equal and m.session_number is null
    union all
    select
        session_number,
        left_action as action,
        action_number,
        action_number = left_action_number + 1 as is_idle,
        date_diff('microsecond', arrived_at, occurred_at) as microseconds
    from steps_of_mixed_sessions
    where action = action_before and action <> left_action
),

clicks as (
    select
        *,
        lag(occurred_at, $rage_click_clicks - 1) over element_in_order as first_at,
        lag(occurred_at) over element_in_order as click_before_at,
        lag(occurred_at, $rage_click_clicks) over element_in_order as first_before_at
    from friction_events
    where clicked_element is not null
    window
        element_in_order as (
            partition by session_number, action, clicked_element
            order by action_number
        )
),

-- Only sessions with several search terms can repeat a search.
searching_sessions as (
    select session_number
    from friction_events
    where search_term is not null
    group by session_number
    having min(search_term) <> max(search_term)
),

-- opened_count counts up to the action itself, which opens its own page. term is the search term as
-- it is compared: in small letters, with one space between words.
opened_so_far as (
    select
        a.session_number,
        a.action,
        a.action_number,
        a.occurred_at,
        e.search_term,
        trim(
            regexp_replace(
                translate(e.search_term, $capital_letters, $small_letters), '[ \t\r\n]+', ' ', 'g'
            ),
            ' '
        ) as term,
        a.is_step and not coalesce(e.is_results_page, false) as is_opened,
        count(case when a.is_step and not coalesce(e.is_results_page, false) then 1 end)
            over session_in_order as opened_count
    from friction_actions as a
    inner join searching_sessions as s
        on a.session_number = s.session_number
    left join friction_events as e
        on a.session_number = e.session_number and a.action_number = e.action_number
    window session_in_order as (partition by a.session_number order by a.action_number)
),

searches as (
    select
        *,
        lag(term) over session_in_order as term_before,
        lag(occurred_at) over session_in_order as searched_at,
        lag(opened_count) over session_in_order as opened_count_before
    from opened_so_far
    where search_term is not null
    window session_in_order as (partition by session_number order by action_number)
),

submits as (
    select
        *,
        lag(occurred_at) over form_in_order as submitted_at
    from friction_events
    where is_submit
    window
        form_in_order as (
            partition by session_number, action, event_name, coalesce(element, '')
            order by action_number
        )
),

errors as (
    select
        *,
        lag(occurred_at) over session_in_order as failed_at,
        lag(action_number) over session_in_order as failed_action_number
    from friction_events
    where is_error
    window session_in_order as (partition by session_number order by action_number)
),

marks as (
    select
        session_number,
        action,
        action_number,
        occurred_at,
        unnest(form_marks) as mark
    from friction_events
    where form_marks is not null
),

forms as (
    select
        session_number,
        abs(mark) as form_number,
        max_by(action, action_number) filter (where mark > 0) as action,
        max(occurred_at) filter (where mark > 0) as started_at,
        max(action_number) filter (where mark > 0) as start_number,
        max(action_number) filter (where mark < 0) as submit_number
    from marks
    group by session_number, abs(mark)
),

-- One row is an action that completes a signal, by its number in the session. action is where the
-- signal occurred: its own action, or one before it.
occurrences as (
    select
        session_number,
        action,
        'rage_click' as signal,
        action_number,
        date_diff('microsecond', first_at, occurred_at) as microseconds
    from clicks
    where
        date_diff('microsecond', first_at, occurred_at) <= $rage_click_microseconds
        and coalesce(
            date_diff('microsecond', first_before_at, click_before_at) > $rage_click_microseconds,
            true
        )
    union all
    select
        session_number,
        action,
        'back_track' as signal,
        action_number,
        microseconds
    from returns
    union all
    select
        session_number,
        action,
        'u_turn' as signal,
        action_number,
        microseconds
    from returns
    where is_idle and microseconds <= $u_turn_microseconds
    union all
    select
        session_number,
        action,
        'repeated_search' as signal,
        action_number,
        date_diff('microsecond', searched_at, occurred_at) as microseconds
    from searches
    where
        term <> term_before
        and opened_count - case when is_opened then 1 else 0 end = opened_count_before
    union all
    select
        session_number,
        action,
        'repeated_submit' as signal,
        action_number,
        date_diff('microsecond', submitted_at, occurred_at) as microseconds
    from submits
    where date_diff('microsecond', submitted_at, occurred_at) <= $repeated_submit_microseconds
    union all
    select
        session_number,
        action,
        'error' as signal,
        action_number,
        coalesce(microseconds_to_next, 0) as microseconds
    from errors
    union all
    select
        session_number,
        action,
        'error_loop' as signal,
        action_number,
        date_diff('microsecond', failed_at, occurred_at) as microseconds
    from errors
    where action_number - failed_action_number < $error_loop_actions
    union all
    select
        a.session_number,
        a.action,
        'dead_end' as signal,
        a.action_number,
        0 as microseconds
    from friction_actions as a
    inner join friction_places as p
        on a.session_date = p.session_date and a.site = p.site and a.action = p.action
    where
        a.is_exit
        and a.is_step
        and a.action_number > 1
        and p.session_count >= $dead_end_sessions
        and p.exit_count * 100 <= p.session_count * $dead_end_exit_percent
    union all
    select
        a.session_number,
        f.action,
        'abandoned_form' as signal,
        a.action_number,
        date_diff('microsecond', f.started_at, a.occurred_at) as microseconds
    from forms as f
    inner join friction_actions as a
        on f.session_number = a.session_number
    where a.is_exit and f.start_number > coalesce(f.submit_number, 0)
    union all
    select
        session_number,
        action,
        'long_dwell' as signal,
        action_number,
        microseconds_to_next as microseconds
    from friction_actions
    where microseconds_to_next >= $long_dwell_microseconds
    union all
    select
        session_number,
        action,
        'repeat' as signal,
        action_number,
        0 as microseconds
    from friction_actions
    where is_repeat
),

found as (
    select
        o.session_number,
        o.action,
        o.signal,
        s.is_hard_time,
        count(*) as occurrence_count,
        min(o.action_number) as first_action_number,
        sum(o.microseconds) as microseconds
    from occurrences as o
    inner join friction_signals as s
        on o.signal = s.signal
    group by o.session_number, o.action, o.signal, s.is_hard_time
)

select
    a.session_date,
    a.site,
    s.session_id,
    a.is_bot,
    f.action,
    f.signal,
    f.is_hard_time,
    f.occurrence_count,
    a.event_id as first_event_id,
    f.first_action_number,
    a.occurred_at as first_at,
    f.microseconds
from found as f
inner join friction_actions as a
    on f.session_number = a.session_number and f.first_action_number = a.action_number
inner join friction_sessions as s
    on f.session_number = s.session_number
