-- One row is a difficulty at an action, after which fewer visits convert than after the same moment
-- without it, over the longest window. An association, not an effect.
with longest as (
    select
        *,
        row_number() over (
            partition by site, action, signal order by window_days desc
        ) as _window_number
    from opportunities
    where session_date = $last_day
)

select
    site,
    window_days,
    rank,
    action,
    signal,
    with_count,
    without_count,
    rate_with,
    rate_without,
    associated_lost_conversions,
    low,
    high,
    associated_lost_value,
    is_significant,
    sentence,
    example_session_ids
from longest
where _window_number = 1
order by
    is_significant desc, associated_lost_value desc nulls last, associated_lost_conversions desc,
    site asc, rank asc, window_days asc
limit $shown_changes
