-- One row is a user agent on a day with an event of it. Patterns of bots are compared with it.
select distinct
    e.event_date,
    a.user_agent
from events as e
inner join user_agents as a on e.user_agent_id = a.user_agent_id
