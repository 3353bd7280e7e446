-- One row is a frequent shape of the first lines of a file: the keys of an object, in order.
with first_lines as (
    select
        line,
        is_object
    from $checked_lines
    limit $sampled_lines -- noqa: AM09
)

select json_keys(line) as keys
from first_lines
where is_object
group by keys
order by
    count(*) desc,
    keys
limit $most_shapes
