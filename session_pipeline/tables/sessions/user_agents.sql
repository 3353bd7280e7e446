-- One row is a distinct user agent of all days.
select
    user_agent_id,
    user_agent,
    browser,
    os,
    device,
    is_bot,
    bot_reason
from agents_seen
qualify row_number() over (
    partition by user_agent_id
    order by is_bot desc, device asc, browser asc, os asc, bot_reason asc, user_agent asc
) = 1
