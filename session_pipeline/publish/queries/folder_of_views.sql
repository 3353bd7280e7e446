-- The folder whose files the views of the warehouse read: the path before the name of a table.
-- No row if no view reads files.
select
    replace(
        regexp_extract(sql, '''((?:[^'']|'''')*)/' || view_name || '/', 1),
        '''''',
        ''''
    ) as folder
from duckdb_views()
where database_name = 'warehouse' and not internal and contains(sql, 'read_parquet(')
order by view_name
limit 1
