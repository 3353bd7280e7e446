-- One row is a file of a published table: the part files of a partition, or its only file.
-- The subquery has its dates and contents.
select
    found.date,
    coalesce(part.sha256, found.sha256) as sha256
from ($published) as found
left join _internal.part_files as part
    on found.sha256 = part.content
order by found.date, part.number
