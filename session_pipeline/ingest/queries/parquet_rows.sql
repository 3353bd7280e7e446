-- One row is a row of a Parquet file as a JSON object, in the file's order.
with objects as (
    select cast(json_object($members) as varchar) as line
    from read_parquet($path, hive_partitioning = false) as given ($columns) -- noqa: AL05
)

select
    left(line, $longest) as line,
    case
        when strlen(line) > $longest then 'line_too_long'
        when regexp_matches(line, '(?:^|[^\\])(?:\\\\)*\\u0000') then 'nul_byte'
    end as reason,
    cast(null as varchar) as detail
from objects
