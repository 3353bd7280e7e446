-- One row is a column of a native table of the warehouse, in its order.
select
    c.table_name,
    c.column_name,
    c.data_type
from duckdb_columns() as c
inner join duckdb_tables() as t
    on c.table_name = t.table_name and c.database_name = t.database_name
where c.database_name = 'warehouse' and c.schema_name = 'main'
order by c.table_name, c.column_index
