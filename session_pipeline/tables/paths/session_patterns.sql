-- One row is a session and a pattern from the settings that its actions contain. Matches do not
-- overlap: the first action that can start one does, and the search goes on after its end.
with recursive timed as (
    select
        p.text_number,
        m.session_id,
        m.pattern,
        m.first_place,
        m.last_place
    from part_matches as m
    inner join timed_patterns as p
        on m.pattern = p.pattern
    inner join matched_actions as f
        on
            p.text_number = f.text_number
            and m.session_id = f.session_id
            and m.first_place = f.place
    inner join matched_actions as l
        on
            p.text_number = l.text_number
            and m.session_id = l.session_id
            and m.last_place = l.place
    where
        p.within_microseconds is null
        or date_diff('microsecond', f.occurred_at, l.occurred_at) <= p.within_microseconds
),

-- The starts and ends of matches. In the order from the last to the first, the earliest start after
-- an end is the least of those before it.
borders as (
    select
        text_number,
        session_id,
        pattern,
        first_place,
        last_place,
        first_place as border_place,
        1 as border_order
    from timed
    union all
    select
        text_number,
        session_id,
        pattern,
        first_place,
        last_place,
        last_place as border_place,
        0 as border_order
    from timed
),

followed as (
    select
        text_number,
        session_id,
        pattern,
        first_place,
        last_place,
        border_order,
        min(case when border_order = 1 then first_place end) over (
            partition by session_id, pattern
            order by border_place desc, border_order asc, first_place desc
            rows between unbounded preceding and current row
        ) as next_place
    from borders
),

counted as (
    select
        text_number,
        session_id,
        pattern,
        first_place,
        last_place,
        next_place,
        cast(1 as bigint) as match_number
    from followed
    where border_order = 0
    qualify row_number() over (partition by session_id, pattern order by first_place) = 1
    union all
    select
        f.text_number,
        f.session_id,
        f.pattern,
        f.first_place,
        f.last_place,
        f.next_place,
        c.match_number + 1 as match_number
    from counted as c
    inner join followed as f
        on
            c.session_id = f.session_id
            and c.pattern = f.pattern
            and c.next_place = f.first_place
            and f.border_order = 0
),

found as (
    select
        text_number,
        session_id,
        pattern,
        match_count,
        first_place,
        last_place
    from untimed_matches
    union all
    select
        text_number,
        session_id,
        pattern,
        max(match_number) as match_count,
        min(first_place) as first_place,
        min(last_place) as last_place
    from counted
    group by text_number, session_id, pattern
)

select
    f.session_date,
    m.session_id,
    f.site,
    m.pattern,
    m.match_count,
    f.action_number as first_action_number,
    l.action_number as last_action_number,
    f.event_id as first_event_id,
    f.occurred_at as matched_at,
    cast(date_diff('microsecond', f.occurred_at, l.occurred_at) as double)
    / 1000000 as match_seconds,
    f.is_bot
from found as m
inner join matched_actions as f
    on m.text_number = f.text_number and m.session_id = f.session_id and m.first_place = f.place
inner join matched_actions as l
    on m.text_number = l.text_number and m.session_id = l.session_id and m.last_place = l.place
