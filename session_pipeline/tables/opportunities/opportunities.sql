-- One row is a signal of friction at an action, compared with sessions without it at the same
-- moments.
select
    session_date,
    site,
    window_days,
    rank,
    action,
    signal,
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
    associated_lost_value,
    score,
    q_value,
    is_significant,
    sentence,
    example_session_ids
from compared_opportunities
