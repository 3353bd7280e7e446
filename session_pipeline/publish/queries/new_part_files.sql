-- One row is a part file of a new content. $1 are the contents, $2 the numbers of the part files
-- and $3 their hashes, in the same order.
select *
from (
    select
        unnest($1::varchar[]) as content,
        unnest($2::integer[]) as number,
        unnest($3::varchar[]) as sha256
) as parts
where content not in (select content from _internal.part_files)
