-- One row is a session, an action and a signal that occurred there.
-- Each CTE finds the events with which a signal is complete. Its microseconds are the time lost.
with steps as (
    select
        *,
        lag(action) over session_in_order as left_action,
        lag(label) over session_in_order as left_label,
        lag(label, 2) over session_in_order as label_before,
        lag(event_time) over session_in_order as arrived_at,
        lag(interaction_count) over session_in_order as interaction_count_before
    from friction_events
    where is_step
    window session_in_order as (partition by session_id order by event_number)
),

returns as (
    select
        session_date,
        site,
        session_id,
        is_bot,
        left_action as action,
        event_number,
        event_id,
        event_time,
        action_number,
        interaction_count = interaction_count_before as is_idle,
        date_diff('microsecond', arrived_at, event_time) as microseconds
    from steps
    where label = label_before and label <> left_label
),

clicks as (
    select
        *,
        lag(event_time, $rage_click_clicks - 1) over element_in_order as first_at,
        lag(event_time) over element_in_order as click_before_at,
        lag(event_time, $rage_click_clicks) over element_in_order as first_before_at
    from friction_events
    where clicked_element is not null
    window
        element_in_order as (
            partition by session_id, action, clicked_element
            order by event_number
        )
),

searches as (
    select
        *,
        lag(search_term) over session_in_order as term_before,
        lag(event_time) over session_in_order as searched_at,
        lag(opened_count) over session_in_order as opened_count_before
    from friction_events
    where search_term is not null
    window session_in_order as (partition by session_id order by event_number)
),

submits as (
    select
        *,
        lag(event_time) over form_in_order as submitted_at
    from friction_events
    where is_submit
    window
        form_in_order as (
            partition by session_id, action, event_name, coalesce(element, '')
            order by event_number
        )
),

errors as (
    select
        *,
        lag(event_time) over session_in_order as failed_at,
        lag(action_number) over session_in_order as failed_action_number
    from friction_events
    where is_error
    window session_in_order as (partition by session_id order by event_number)
),

exits as (
    select *
    from friction_events
    where next_at is null
),

marks as (
    select
        session_id,
        action,
        event_number,
        event_time,
        unnest(form_marks) as mark
    from friction_events
    where form_marks is not null
),

forms as (
    select
        session_id,
        abs(mark) as form_number,
        max_by(action, event_number) filter (where mark > 0) as action,
        max(event_time) filter (where mark > 0) as started_at,
        max(event_number) filter (where mark > 0) as start_number,
        max(event_number) filter (where mark < 0) as submit_number
    from marks
    group by session_id, abs(mark)
),

occurrences as (
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'rage_click' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', first_at, event_time) as microseconds
    from clicks
    where
        date_diff('microsecond', first_at, event_time) <= $rage_click_seconds * 1000000
        and coalesce(
            date_diff('microsecond', first_before_at, click_before_at)
            > $rage_click_seconds * 1000000,
            true
        )
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'back_track' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        microseconds
    from returns
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'u_turn' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        microseconds
    from returns
    where is_idle and microseconds <= $u_turn_seconds * 1000000
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'repeated_search' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', searched_at, event_time) as microseconds
    from searches
    where search_term <> term_before and opened_count = opened_count_before
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'repeated_submit' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', submitted_at, event_time) as microseconds
    from submits
    where date_diff('microsecond', submitted_at, event_time) <= $repeated_submit_seconds * 1000000
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'error' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        coalesce(date_diff('microsecond', event_time, next_at), 0) as microseconds
    from errors
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'error_loop' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', failed_at, event_time) as microseconds
    from errors
    where action_number - failed_action_number < $error_loop_actions
    union all
    select
        e.session_date,
        e.site,
        e.session_id,
        e.is_bot,
        e.action,
        'dead_end' as signal,
        e.event_number,
        e.event_id,
        e.event_time,
        e.action_number,
        0 as microseconds
    from exits as e
    inner join friction_places as p
        on e.session_date = p.session_date and e.site = p.site and e.action = p.action
    where
        e.is_step
        and e.position > 1
        and p.session_count >= $dead_end_sessions
        and p.exit_count * 100 <= p.session_count * $dead_end_exit_percent
    union all
    select
        e.session_date,
        e.site,
        e.session_id,
        e.is_bot,
        f.action,
        'abandoned_form' as signal,
        e.event_number,
        e.event_id,
        e.event_time,
        e.action_number,
        date_diff('microsecond', f.started_at, e.event_time) as microseconds
    from forms as f
    inner join exits as e
        on f.session_id = e.session_id
    where f.start_number > coalesce(f.submit_number, 0)
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'long_dwell' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', event_time, next_at) as microseconds
    from friction_events
    where date_diff('microsecond', event_time, next_at) >= $long_dwell_seconds * 1000000
    union all
    select
        session_date,
        site,
        session_id,
        is_bot,
        action,
        'repeat' as signal,
        event_number,
        event_id,
        event_time,
        action_number,
        date_diff('microsecond', previous_at, event_time) as microseconds
    from friction_events
    where label = previous_label
)

select
    o.session_date,
    o.site,
    o.session_id,
    o.is_bot,
    o.action,
    o.signal,
    o.signal in (
        'rage_click', 'u_turn', 'repeated_search', 'error', 'error_loop', 'abandoned_form'
    ) as is_hard_time,
    count(*) as occurrence_count,
    min_by(o.event_id, o.event_number) as first_event_id,
    min(o.action_number) as first_action_number,
    min(o.event_time) as first_at,
    sum(o.microseconds) as microseconds
from occurrences as o
where o.signal in (select s.signal from friction_signals as s)
group by o.session_date, o.site, o.session_id, o.is_bot, o.action, o.signal
