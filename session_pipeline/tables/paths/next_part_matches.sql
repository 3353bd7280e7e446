-- One row is a place of a session's text where a part of a pattern and the parts after it match in
-- time, with the place where the shortest such match ends. Only the first 1,000 actions are read.
with places as (
    select
        l.session_id,
        l.place,
        substring(t.letters, cast(l.place as integer), 1001 - cast(l.place as integer)) as letters,
        length(t.letters) as action_count,
        date_diff('microsecond', t.started_at, l.occurred_at)
        * 10000000
        + l.place as time_and_place
    from pattern_texts as t
    inner join action_letters as l
        on t.text_number = l.text_number and t.session_id = l.session_id
    where
        t.text_number = $text_number
        and l.place <= 1000
        and regexp_matches(t.letters, $session_expression)
),

parts as (
    select
        p.session_id,
        p.place,
        p.place + n.part_length - 1 as part_end
    from places as p
    inner join part_lengths as n
        on
            n.part_length between $part_least and $part_most
            and n.part_length <= length(p.letters)
    where
        regexp_matches(substring(p.letters, 1, cast(n.part_length as integer)), $part_expression)
        and (p.place = 1 or not $is_at_start)
        and (p.place + n.part_length - 1 = p.action_count or not $is_at_end)
),

-- One row is a place where a part can end, with the end of the parts after it.
continued as (
    select
        p.session_id,
        p.place,
        min(m.last_place) over (
            partition by p.session_id order by p.time_and_place
            range between $after_least following and $after_most following
        ) as last_place
    from places as p
    left join part_matches as m
        on
            p.session_id = m.session_id
            and p.place = m.first_place
            and m.pattern = $pattern_name
            and m.part_number = $part + 1
    where not $is_last_part
)

select
    pattern,
    part_number,
    session_id,
    first_place,
    last_place
from part_matches
where pattern <> $pattern_name
union all
select
    $pattern_name as pattern,
    $part as part_number,
    p.session_id,
    p.place as first_place,
    min(case when $is_last_part then p.part_end else c.last_place end) as last_place
from parts as p
left join continued as c
    on p.session_id = c.session_id and p.part_end = c.place
where $is_last_part or c.last_place is not null
group by p.session_id, p.place
