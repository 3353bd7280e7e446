-- One row says what the warehouse shows: when it was written, until which day, from which state of the store.
select
    built_at,
    data_until,
    generation,
    package_version
from warehouse_info
order by generation desc
limit 1
