-- One row is an accepted line without an event id: the id that is made for it.
-- It is the hash of the line's content and its occurrence number in the file. earlier_lines has the
-- lines of the file that were read before, if it is read in parts.
with numbered as (
    select
        row_number,
        content_hash,
        row_number() over (
            partition by file_number, content_hash order by row_number
        ) as _occurrence
    from accepted_lines
    where event_id is null
),

earlier as (
    select
        content_id,
        sum(line_count) as line_count
    from earlier_lines
    group by content_id
)

select
    md5(
        n.content_hash || '|' || cast(n._occurrence + coalesce(e.line_count, 0) as bigint)
    ) as event_id
from numbered as n
left join earlier as e on cast(n.content_hash as uuid) = e.content_id
order by n.row_number
