-- One row is a checked line in which some values are changed.
-- $values is a list of the values of a line. $members are the members of a JSON object with those
-- that are changed, as texts; null for a value that stays.
with extracted as (
    select
        *,
        $values as _values
    from $checked_lines
),

changed as (
    select
        *,
        concat_ws(',', $members) as _members
    from extracted
)

select
    * exclude (_values, _members) -- noqa: AM04
    replace (
        case
            when _members <> '' then cast(json_merge_patch(line, '{' || _members || '}') as varchar)
            else line
        end as line
    )
from changed
