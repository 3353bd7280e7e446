-- One row is a column of a table, with its type and meaning.
select
    column_name as "column",
    data_type as type,
    comment as meaning
from duckdb_columns()
where table_name = $table_name and not internal
order by column_index
