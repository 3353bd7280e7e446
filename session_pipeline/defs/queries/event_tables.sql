-- One row is a statement that creates a table or an index of the event log.
select sql
from sqlite_master
where sql is not null and name not like 'sqlite_%'
order by (type = 'index'), name
