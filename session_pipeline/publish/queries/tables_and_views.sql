-- One row is a table or view of the warehouse.
select table_name
from duckdb_tables()
where database_name = 'warehouse' and schema_name = 'main'
union
select view_name as table_name
from duckdb_views()
where database_name = 'warehouse' and not internal
