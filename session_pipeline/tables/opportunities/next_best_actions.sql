-- One row is an action and an action seen before it, compared with sessions that had not seen it.
select
    session_date,
    site,
    window_days,
    rank,
    at_action,
    seen_action,
    seen_count,
    seen_converted_count,
    unseen_count,
    unseen_converted_count,
    rate_seen,
    rate_unseen,
    lift,
    difference,
    difference_low,
    difference_high,
    score,
    q_value,
    is_significant,
    sentence,
    example_session_ids
from compared_next_best_actions
