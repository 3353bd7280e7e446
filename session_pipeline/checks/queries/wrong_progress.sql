-- One row is a day on which counts of actions do not add up: the values of a dimension have more or
-- fewer sessions than all sessions have, or more sessions take a step than are at its action.
with of_dimensions as (
    select
        session_date,
        site,
        action,
        sum(session_count) as session_count,
        sum(converted_count) as converted_count
    from action_visits
    group by session_date, site, action, dimension
)

select d.session_date
from of_dimensions as d
inner join action_visits as a
    on
        d.session_date = a.session_date
        and d.site = a.site
        and d.action = a.action
        and a.dimension = 'all'
where d.session_count <> a.session_count or d.converted_count <> a.converted_count
union
select p.session_date
from action_progress as p
left join action_visits as v
    on
        p.session_date = v.session_date
        and p.site = v.site
        and p.dimension = v.dimension
        and p.dimension_value = v.dimension_value
        and p.action = v.action
where
    v.session_count is null
    or p.session_count > v.session_count
    or p.converted_count > v.converted_count
    or p.converted_after_count > p.converted_count
order by session_date
