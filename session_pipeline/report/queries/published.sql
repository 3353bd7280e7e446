-- One row describes the warehouse: when it was written, up to which day, and from which generation
-- of the store.
select
    built_at,
    data_until,
    generation,
    package_version
from warehouse_info
order by generation desc
limit 1
