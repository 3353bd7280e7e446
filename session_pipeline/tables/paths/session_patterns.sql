-- One row is a session and a pattern from the settings that its actions contain. Matches do not
-- overlap: the first action that can start one does, and the search goes on after its end.
-- One join finds the times of both ends of a match: two joins could pair all actions of a session.
with borders as (
    select
        session_id,
        pattern,
        first_place,
        last_place,
        first_place as place
    from part_matches
    union all
    select
        session_id,
        pattern,
        first_place,
        last_place,
        last_place as place
    from part_matches
),

timed as (
    select
        p.text_number,
        b.session_id,
        b.pattern,
        b.first_place,
        b.last_place
    from borders as b
    inner join timed_patterns as p
        on b.pattern = p.pattern
    inner join matched_actions as a
        on
            p.text_number = a.text_number
            and b.session_id = a.session_id
            and b.place = a.place
    group by
        p.text_number, b.session_id, b.pattern, b.first_place, b.last_place, p.within_microseconds
    having
        p.within_microseconds is null
        or date_diff('microsecond', min(a.occurred_at), max(a.occurred_at))
        <= p.within_microseconds
),

-- The matches of a session in order of their starts, of which no two are equal.
listed as (
    select
        text_number,
        session_id,
        pattern,
        min(first_place) as first_place,
        min_by(last_place, first_place) as last_place,
        list_sort(list({
            'first_place': first_place,
            'last_place': last_place,
            'match_number': cast(0 as bigint)
        })) as matches
    from timed
    group by text_number, session_id, pattern
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
        -- A match that starts before the end of the one that was counted last is left out.
        list_reduce( -- noqa: PRS
            matches,
            lambda counted, m: case
                when m['first_place'] > counted['last_place']
                    then {
                        'first_place': m['first_place'],
                        'last_place': m['last_place'],
                        'match_number': counted['match_number'] + 1
                    }
                else counted
            end,
            {
                'first_place': cast(0 as bigint),
                'last_place': cast(0 as bigint),
                'match_number': cast(0 as bigint)
            }
        )['match_number'] as match_count,
        first_place,
        last_place
    from listed
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
