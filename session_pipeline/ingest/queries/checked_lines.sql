-- One row is a line of a delivered file, in the file's order, and whether it is a JSON object.
with lines as (
    select
        line,
        reason,
        detail,
        case
            when starts_with(line, '{') then '{'
            else coalesce(ltrim(line, e' \t\r'), '')
        end as _start,
        reason is null and json_valid(line) as _is_valid,
        may_be_lax(line) as _may_be_lax
    from $delivered_lines
),

checked as (
    select
        *,
        case when _may_be_lax then _is_valid and not is_lax(line) else _is_valid end as is_json
    from lines
)

select
    line,
    reason,
    detail,
    _start = '' as is_blank,
    is_json,
    is_json and starts_with(_start, '{') as is_object
from checked
