-- One row is a range of a file and a content of its lines that earlier ranges also have, with the
-- number of lines there.
with counted as (
    select
        range_number,
        content_id,
        sum(line_count) over (
            partition by content_id
            order by range_number
            rows between unbounded preceding and 1 preceding
        ) as line_count
    from ($of_ranges)
)

select
    range_number,
    content_id,
    cast(line_count as bigint) as line_count
from counted
where line_count is not null
order by
    range_number,
    content_id
