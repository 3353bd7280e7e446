-- One row is a line of checked_lines, with its fields as text under our column names.
-- A line is parsed once into a struct, for the fields at its top level. If there are others, it is
-- parsed a second time: nested fields, and fields whose names differ only in case, which a struct
-- cannot contain.
-- The keys of a line are compared with the shapes of the file's first lines, because to look at
-- every key of every line is slow. A line of another shape is looked at key by key. A line in the
-- usual form of the file needs no keys.
with parsed as (
    select
        *,
        case when is_object then $at_top end as _at_top,
        case when is_object then $deeper end as _deeper,
        case when is_object then $types end as _types,
        case when is_object and not has_usual_form then json_keys(line) end as _keys
    from $checked_lines
),

compared as (
    select
        *,
        $has_columns_only as _has_columns_only,
        $has_known_others as _has_known_others,
        $is_full as _is_full
    from parsed
)

-- An empty text is no value of properties, but it is kept where a line has other fields or nulls.
select
    line,
    reason,
    detail,
    is_blank,
    is_json,
    is_object,
    case
        when _is_full then false
        when _has_columns_only then coalesce($delivered_properties = '', false)
        when is_object then true
    end as has_other_fields,
    not coalesce(_is_full, false) as may_have_nulls,
    case
        when not is_object or _is_full or _has_columns_only then false
        when _has_known_others then false
        else list_unique(_keys) < len(_keys)
    end as has_repeated_key,
    case
        when _has_known_others and coalesce($delivered_properties <> '', true) then $others
    end as others,
    $columns
from compared
