-- One row describes the warehouse: when it was written, up to which day, from which generation of
-- the store, and how many days wait for a rebuild.
select
    built_at,
    data_until,
    generation,
    package_version,
    outdated_day_count
from warehouse_info
order by generation desc
limit 1
