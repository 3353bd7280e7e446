-- One row is a day of a site on which at least $fewest_sessions sessions of people have a page
-- view, and at most $largest_share of them have a single one.
select
    session_date,
    site,
    count(*) as session_count
from sessions
where not is_bot and page_view_count > 0
group by session_date, site
having
    count(*) >= $fewest_sessions
    and count(*) filter (where page_view_count = 1) <= $largest_share * count(*)
order by session_date, site
