-- Macros for lists of keys and values, such as event_params of the BigQuery export of GA4.
-- Every macro returns null for null.

-- The value of an element: itself, or the one that has a value among string_value, int_value,
-- float_value, double_value, bool_value. Whole numbers are text in JSON of BigQuery. They become
-- numbers, and those with more than 18 digits stay text, because readers of JSON would round them.
create or replace temp macro element_value(element) as
case
    when json_type(element, '/value') <> 'OBJECT' then json_extract(element, '/value')
    when json_extract_string(element, '/value/string_value') is not null
        then json_extract(element, '/value/string_value')
    when
        regexp_full_match(
            json_extract_string(element, '/value/int_value'), '-?(0|[1-9]\d{0,17})'
        )
        then cast(json_extract_string(element, '/value/int_value') as json)
    when json_extract_string(element, '/value/int_value') <> ''
        then to_json(json_extract_string(element, '/value/int_value'))
    when json_extract_string(element, '/value/float_value') is not null
        then json_extract(element, '/value/float_value')
    when json_extract_string(element, '/value/double_value') is not null
        then json_extract(element, '/value/double_value')
    when json_extract_string(element, '/value/bool_value') is not null
        then json_extract(element, '/value/bool_value')
    when
        not regexp_matches(
            cast(json_extract(element, '/value') as varchar), '^\{\}$|"[a-z]+_value":'
        )
        then json_extract(element, '/value')
end;

create or replace temp macro element_key(element) as
coalesce(json_extract_string(element, '/key'), json_extract_string(element, '/name'));

-- A list of keys and values as an object, as text; null for anything that is no list of objects. If
-- a key has several values, a reader finds the first.
create or replace temp macro object_of(elements) as
case
    when json_type(elements) = 'ARRAY' and json_type(elements, '/0') = 'OBJECT'
        then '{' || array_to_string(
            list_transform(
                list_filter(
                    cast(elements as json[]),
                    lambda element: element_key(element) is not null
                    and element_value(element) is not null
                ),
                lambda element: cast(to_json(element_key(element)) as varchar) || ':'
                || cast(element_value(element) as varchar)
            ),
            ','
        ) || '}'
end;
