-- One row is a column that no file of the latest days with events has, after many days in a row
-- with files that have it. A column without a value in any line of a file is not in its mapping.
-- path is the first file of the latest days.
with asked as (
    select unnest($columns) as column_name
),

files as (
    select
        column_name,
        path,
        file_id,
        cast(last_event_time as date) as _date,
        json_extract_string(mapping, '$."' || column_name || '"') is not null as _has_column
    from source_files
    cross join asked
    where status = 'accepted' and source = $source and last_event_time is not null
),

days as (
    select
        column_name,
        bool_or(_has_column) as _has_column,
        count(*) as _file_count,
        min_by(path, (path, file_id)) as _path,
        row_number() over (partition by column_name order by _date) as _number
    from files
    group by column_name, _date
),

compared as (
    select
        *,
        max(case when _has_column then _number end) over (partition by column_name) as _last_number
    from days
)

select
    column_name,
    cast(sum(case when _number > _last_number then _file_count end) as bigint) as file_count,
    min_by(_path, _number) filter (where _number > _last_number) as path
from compared
group by column_name
having
    count(*) filter (where _number > _last_number) >= $fewest_days
    and count(*) filter (
        where _has_column and _number > _last_number - $days_before and _number <= _last_number
    ) = $days_before
order by column_name
