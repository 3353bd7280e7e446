-- One row is a source and a status of its delivered files, over all deliveries.
-- line_count = accepted_count + set_aside_count (quarantined lines) + erased lines.
select
    source,
    site,
    status,
    count(*) as file_count,
    cast(sum(delivery_count) as bigint) - count(*) as repeated_delivery_count,
    cast(sum(line_count) as bigint) as line_count,
    cast(sum(accepted_count) as bigint) as accepted_count,
    cast(sum(set_aside_count) as bigint) as set_aside_count,
    min(reason) as example_reason
from source_files
group by source, site, status
order by source, site, status
