-- One row is a session that a pattern matches, without limits on time other than those between
-- neighbours, which letters show. Each match is replaced by a mark, so that marks can be counted.
with marked as (
    select
        session_id,
        regexp_replace(letters, $expression, '!', 'g') as marks,
        length(regexp_extract(letters, $expression, 0)) as first_length
    from pattern_texts
    where text_number = $of_text and regexp_matches(letters, $expression)
)

select
    text_number,
    session_id,
    pattern,
    match_count,
    first_place,
    last_place
from untimed_matches
union all
select
    $of_text as text_number,
    session_id,
    $pattern_name as pattern,
    length(marks) - length(translate(marks, '!', '')) as match_count,
    strpos(marks, '!') as first_place,
    strpos(marks, '!') + first_length - 1 as last_place
from marked
