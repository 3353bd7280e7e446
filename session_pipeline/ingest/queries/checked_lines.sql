-- One row is a line of a delivered file, in the file's order, and whether it is a JSON object.
-- at_top has fields of an object at its top level, if lines are compared with the usual form of the
-- file. A line in this form is JSON in which nothing is lax, so it is not searched for that.
with lines as (
    select
        line,
        reason,
        detail,
        case
            when starts_with(line, '{') then '{'
            else coalesce(ltrim(line, e' \t\r'), '')
        end as _start,
        reason is null and json_valid(line) as _is_valid
    from $delivered_lines
),

parsed as (
    select
        *,
        case when _is_valid and starts_with(_start, '{') then $at_top end as at_top
    from lines
),

compared as (
    select
        *,
        coalesce(at_top is not null and $has_usual_form, false) as has_usual_form
    from parsed
),

checked as (
    select
        *,
        case
            when has_usual_form then true
            when may_be_lax(line) then _is_valid and not is_lax(line)
            else _is_valid
        end as is_json
    from compared
)

select
    line,
    reason,
    detail,
    _start = '' as is_blank,
    is_json,
    is_json and starts_with(_start, '{') as is_object,
    at_top,
    has_usual_form
from checked
