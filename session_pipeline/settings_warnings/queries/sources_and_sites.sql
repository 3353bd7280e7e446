-- One row is a source and a site on the days, and whether it has page views.
select
    source,
    site,
    bool_or(event_name = 'page_view') as has_page_views
from events
where
    event_date between $first_day and $last_day
    and event_date in $days
group by source, site
order by source, site
