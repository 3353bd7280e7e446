-- Macros for JSON: what a line may not contain, and members that are removed. Every macro returns
-- null if its first argument is null, except nesting_depth.

-- json_valid accepts more than RFC 8259: NaN, Infinity, and commas before a closing bracket.
-- may_be_lax is a quick test that can be true for valid JSON. is_lax is exact: it replaces each
-- string with 0 and searches the rest. Without the 0, the list ["a","b"] would end in a comma.
create or replace temp macro may_be_lax(written) as
regexp_matches(written, ':\s*-?[nNiI][aAnN][nNfF]')
or regexp_matches(written, '\[\s*-?[nNiI][aAnN][nNfF]')
or regexp_matches(written, ',\s*(-?[nNiI][aAnN][nNfF]|[}\]])');

create or replace temp macro is_lax(written) as
regexp_matches(
    regexp_replace(written, '"(?:[^"\\]|\\.)*"', '0', 'g'),
    '(?i)nan|inf|,\s*[}\]]'
);

-- Whether a text is JSON as in RFC 8259. A case evaluates is_lax, which is slow, only where needed.
create or replace temp macro is_strict_json(written) as
json_valid(written)
and case when may_be_lax(written) then not is_lax(written) else true end;

-- bracket_count: the number of objects and lists in a JSON text. nesting_depth: the largest number
-- of them within each other; 0 for null. comma_count: the number of commas, also within strings.
create or replace temp macro bracket_count(written) as
strlen(written) - strlen(replace(replace(written, '{', ''), '[', ''));

create or replace temp macro comma_count(written) as
strlen(written) - strlen(replace(written, ',', ''));

create or replace temp macro nesting_depth(written) as
list_reduce( -- noqa: PRS
        list_prepend(cast(0 as bigint), list_transform(
            string_split(regexp_replace(
                regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g'), '[^\[\]{}]', '', 'g'
            ), ''),
            lambda sign: cast(if(sign in ('[', '{'), 1, -1) as bigint)
        )),
        -- One number holds two: the current depth, plus a million times the greatest depth so far.
        lambda seen, step: (seen % 1000000 + step)
            + 1000000 * greatest(seen // 1000000, seen % 1000000 + step)
    ) // 1000000;

-- Many JSON readers fail at a thousand levels. The first conditions are cheap and exclude most
-- lines.
create or replace temp macro is_too_nested(written) as
    strlen(written) > 400
    and bracket_count(written) > 200
    and (bracket_count(written) > 5000 or nesting_depth(written) > 200);

-- Parsed JSON takes memory for each value, and DuckDB holds it for 2,048 events at once. Each value
-- beyond the first needs a comma. The first condition excludes nearly all lines.
create or replace temp macro has_too_many_values(written) as
    strlen(written) > 20000
    and comma_count(written) >= 10000
    and comma_count(regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g')) >= 10000;

-- A merged JSON object without some keys: dropped_fields at its top level, and at any depth the
-- members that dropped_value matches. They are set to null, and the merge removes keys with the
-- value null. dropped_value also matches dropped_fields, except those with deep values, which
-- nested_field finds and which are rare.
create or replace temp macro without_keys(object, dropped_fields, nested_field, dropped_value) as
json_merge_patch('{}', regexp_replace(
    case
        when regexp_matches(object, nested_field)
            then json_merge_patch('{}', object, dropped_fields)
        else object
    end,
    dropped_value, '"\1":null', 'g'
));
