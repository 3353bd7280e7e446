-- One row is a search term of the week, without regard to capital letters, to spaces around it and
-- to the number of spaces between its words, which a page shows as one. The first row, without a
-- term, is all visits that searched. A term has a row only if at least five visitors searched for
-- it, so that no single visitor's text is shown.
with searched as (
    select distinct
        session_id,
        trim(regexp_replace(lower(search_term), '[ \t\r\n]+', ' ', 'g'), ' ') as search_term
    from events
    where
        event_date between $first_day and $last_day + 1
        and session_date between $first_day and $last_day
        and search_term is not null
),

repeated as (
    select distinct session_id
    from session_friction
    where
        session_date between $first_day and $last_day
        and signal = 'repeated_search'
),

visits as (
    select
        s.search_term,
        f.session_id,
        f.is_converted,
        f.visitor_id,
        case
            when r.session_id is not null then 1
            when d.repeated_search_count is not null then 0
        end as repeated_count
    from searched as s
    inner join session_facts as f
        on s.session_id = f.session_id
    left join repeated as r
        on s.session_id = r.session_id
    left join daily_friction as d
        on f.session_date = d.session_date and f.site = d.site
    where
        f.session_date between $first_day and $last_day
        and not f.is_bot
        and s.search_term != ''
),

all_visits as (
    select distinct
        session_id,
        is_converted,
        repeated_count
    from visits
)

select
    null as search_term,
    count(*) as session_count,
    count(*) filter (where is_converted) as converted_count,
    count(*) filter (where is_converted) / count(*) as conversion_rate,
    avg(repeated_count) as repeated_rate
from all_visits
having count(*) > 0
union all
(
    select
        search_term,
        count(*) as session_count,
        count(*) filter (where is_converted) as converted_count,
        count(*) filter (where is_converted) / count(*) as conversion_rate,
        avg(repeated_count) as repeated_rate
    from visits
    group by search_term
    having count(distinct visitor_id) >= $fewest_searchers
    order by session_count desc, search_term asc
    limit $shown_search_terms
)
order by search_term is not null, session_count desc, search_term asc
