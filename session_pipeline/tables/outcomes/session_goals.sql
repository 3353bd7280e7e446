-- One row is a session and a goal that it reached. A session can reach several goals.
with reached as (
    select
        session_id,
        goal,
        min(event_time) as reached_at,
        count(*) as event_count,
        sum(value) as value
    from goal_matches
    group by session_id, goal
)

select
    s.session_date,
    r.session_id,
    s.site,
    r.goal,
    r.reached_at,
    r.event_count,
    r.value,
    s.is_bot
from reached as r
inner join sessions as s
    on r.session_id = s.session_id
