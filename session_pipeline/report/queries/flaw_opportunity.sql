-- One row is a window: visits with the difficulty at the action, compared with visits at the same
-- moment without it.
select
    window_days,
    with_count,
    with_converted_count,
    without_count,
    without_converted_count,
    rate_with,
    rate_without,
    difference,
    difference_low,
    difference_high,
    associated_lost_conversions,
    low,
    high,
    q_value
from opportunities
where
    session_date = $last_day
    and site = $site
    and action = $action
    and signal = $signal
order by window_days
