-- One row is a distinct user agent of a day, as classified by the packaged lists and by the
-- patterns of the settings. Exceptions come before patterns, and patterns before the lists.
select
    event_date,
    user_agent_id,
    user_agent,
    browser,
    os,
    device,
    not is_exception and (own_reason is not null or is_bot) as is_bot,
    case when not is_exception then coalesce(own_reason, bot_reason) end as bot_reason
from ruled_agents
