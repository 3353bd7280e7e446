-- One row is an action of a site at which visitors searched again, with another term, without
-- opening anything between, in the week. session_count counts the visits of days on which the
-- events can show this.
select
    site,
    action,
    cast(sum(session_count) as bigint) as session_count,
    cast(sum(repeated_search_count) as bigint) as repeated_search_count,
    sum(repeated_search_count) / nullif(sum(session_count), 0) as repeated_rate
from action_friction
where
    session_date between $first_day and $last_day
    and repeated_search_count is not null
group by site, action
having sum(repeated_search_count) > 0
order by repeated_search_count desc, action asc, site asc
limit $shown_searches
