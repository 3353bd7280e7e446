-- Macros for lists of keys and values, such as event_params of the BigQuery export of GA4, and for
-- lists of self-describing JSON, such as contexts of Snowplow.
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

-- The name of a schema as in the columns of Snowplow's tables: com_acme_link_click_1 for
-- iglu:com.acme/linkClick/jsonschema/1-0-2. Null for anything else.
create or replace temp macro schema_name(schema) as
case
    when regexp_full_match(schema, 'iglu:[^/]+/[^/]+/[^/]+/\d+-\d+-\d+')
        then lower(regexp_replace(
            regexp_replace(
                regexp_replace(schema, '^iglu:([^/]+)/([^/]+)/[^/]+/(\d+)-.*$', '\1_\2_\3'),
                '([a-z0-9])([A-Z])', '\1_\2', 'g'
            ),
            '[^A-Za-z0-9_]', '_', 'g'
        ))
end;

-- The data of elements in a list for each of their names, in an object, as text.
create or replace temp macro object_by_names(names, data) as
'{' || array_to_string(
    list_transform(
        list_sort(list_distinct(names)),
        lambda named: cast(to_json(named) as varchar) || ':[' || array_to_string(
            list_where(data, list_transform(names, lambda other: other = named)), ','
        ) || ']'
    ),
    ','
) || '}';

-- A list of self-describing JSON, which has a schema and the data that it describes, as an object;
-- null if an element is something else. A lambda names a value once, because a macro repeats it.
create or replace temp macro object_of_entities(elements) as
list_transform(
    [{
        'names': list_transform(
            json_extract_string(elements, '$[*].schema'), lambda schema: schema_name(schema)
        ),
        'data': json_extract(elements, '$[*].data'),
        'values': json_extract(elements, '$[*].*')
    }],
    lambda found: case
        when
            len(found.names) = json_array_length(elements)
            and len(found.data) = len(found.names)
            and len(found.values) = 2 * len(found.names)
            and len(list_filter(found.names, lambda named: named is null)) = 0
            then object_by_names(found.names, found.data)
    end
)[1];

-- A list of keys and values, or of self-describing JSON, as an object, as text; null for anything
-- that is no list of objects, or has neither. If a key has several values, a reader finds the
-- first.
create or replace temp macro object_of(elements) as
case
    when json_type(elements, '/0') is distinct from 'OBJECT' or json_type(elements) <> 'ARRAY'
        then null
    when json_extract_string(elements, '/0/schema') is not null then object_of_entities(elements)
    when
        len(list_filter(
            cast(elements as json[]), lambda element: element_key(element) is not null
        )) > 0
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

-- A list as Parquet has it that BigQuery has loaded and written again, as an object, as text: an
-- object whose list has each element in an object of its own. Merged into the value, it replaces
-- that list. Every other value is as for object_of. A lambda names a value once.
create or replace temp macro object_of_wrapped(elements) as
list_transform(
    [case
        when json_type(elements, '/list/0/element') = 'OBJECT'
            then to_json(json_extract(elements, '$.list[*].element'))
        else elements
    end],
    lambda unwrapped: list_transform(
        [object_of(unwrapped)],
        lambda object: case
            when json_type(elements, '/list/0/element') is distinct from 'OBJECT' then object
            when object = '{}' then '{"list":null}'
            else '{"list":null,' || substr(object, 2)
        end
    )[1]
)[1];
