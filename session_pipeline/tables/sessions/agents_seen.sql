-- One row is a distinct user agent of a day, as classified by the packaged lists.
select
    event_date,
    user_agent_id,
    user_agent,
    browser,
    os,
    device,
    is_bot,
    bot_reason
from classified_agents
