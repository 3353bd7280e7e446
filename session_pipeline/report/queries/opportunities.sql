-- One row is a difficulty at an action, after which fewer visits convert than after the same moment
-- without it, over the longest window. An association, not an effect. It is over if no visit had
-- it there in the last 14 days.
with longest as (
    select
        *,
        row_number() over (
            partition by site, action, signal order by window_days desc
        ) as _window_number
    from opportunities
    where session_date = $last_day
),

shown as (
    select *
    from longest
    where _window_number = 1
    order by
        is_significant desc, associated_lost_value desc nulls last,
        associated_lost_conversions desc, site asc, rank asc, window_days asc
    limit $shown_changes
),

last_seen as (
    select
        s.site,
        s.action,
        s.signal,
        max(f.session_date) as last_seen_day
    from shown as s
    inner join action_friction as f
        on
            s.site = f.site
            and s.action = f.action
            and f.session_date between s.session_date - cast(s.window_days as integer) + 1
            and s.session_date
            and case s.signal
                when 'rage_click' then f.rage_click_count
                when 'u_turn' then f.u_turn_count
                when 'back_track' then f.back_track_count
                when 'repeated_search' then f.repeated_search_count
                when 'repeated_submit' then f.repeated_submit_count
                when 'error' then f.error_count
                when 'error_loop' then f.error_loop_count
                when 'repeat' then f.repeat_count
            end > 0
    group by s.site, s.action, s.signal
)

select
    s.site,
    s.window_days,
    s.rank,
    s.action,
    s.signal,
    s.with_count,
    s.without_count,
    s.rate_with,
    s.rate_without,
    s.associated_lost_conversions,
    s.low,
    s.high,
    s.associated_lost_value,
    s.is_significant,
    s.sentence,
    s.example_session_ids,
    l.last_seen_day,
    coalesce(l.last_seen_day < $alerts_first_day, false) as is_over
from shown as s
left join last_seen as l
    on s.site = l.site and s.action = l.action and s.signal = l.signal
order by
    s.is_significant desc, s.associated_lost_value desc nulls last,
    s.associated_lost_conversions desc, s.site asc, s.rank asc, s.window_days asc
