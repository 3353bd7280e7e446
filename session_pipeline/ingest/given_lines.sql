-- One row is a line of checked_lines, with its fields as text under our column names.
-- A line is parsed once into a struct, for the fields at its top level. If there are others, it is
-- parsed a second time: nested fields, and fields whose names differ only in case, which a struct
-- cannot contain.
with parsed as (
    select
        *,
        case when is_object then from_json(line, $structure) end as _at_top,
        case when is_object then json_extract_string(line, $pointers) end as _deeper
    from checked_lines
)

select
    line,
    reason,
    detail,
    is_blank,
    is_json,
    is_object,
    case when is_object then $has_other_fields end as has_other_fields,
    $columns
from parsed
