-- One row is one of the most frequent last actions of a visit to a site without a conversion, in
-- the week; the last row, without an action, is all others. Pages of a folder with more than five
-- pages are one action, named /folder/…, unless more than half of their visits end at one of them;
-- its visits are null, as a visit can be at several of its pages. exit_rate is their share of all
-- visits that were at the action. Visits at a page are counted on each day, those at other actions
-- only for the most visited ones; so they are null if they are not known for a day on which a visit
-- ended there. exit_rate is also null if rare steps are combined: visits that ended there are
-- missing then.
with exits as (
    select
        session_date,
        site,
        from_action as action,
        cast(sum(session_count - converted_count) as bigint) as exit_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'exit'
    group by session_date, site, from_action
    having sum(session_count - converted_count) > 0
),

visits as (
    select
        session_date,
        site,
        action,
        session_count
    from action_friction
    where session_date between $first_day and $last_day and starts_with(action, '/')
    union all
    select
        session_date,
        site,
        path_label(action) as action,
        session_count
    from action_visits
    where
        session_date between $first_day and $last_day
        and dimension = 'all'
        and not starts_with(action, '/')
),

totals as (
    select
        site,
        action,
        cast(sum(session_count) as bigint) as session_count
    from visits
    group by site, action
),

counted as (
    select
        e.site,
        e.action,
        regexp_extract(e.action, $page_of_folder, 1) as folder,
        cast(sum(e.exit_count) as bigint) as exit_count,
        bool_and(v.session_count is not null) as is_known
    from exits as e
    left join visits as v
        on e.session_date = v.session_date and e.site = v.site and e.action = v.action
    group by e.site, e.action
),

folders as (
    select
        site,
        folder
    from counted
    where folder != ''
    group by site, folder
    having
        count(*) > $most_pages_of_folder
        and 2 * max(exit_count) <= sum(exit_count)
),

folded as (
    select
        c.site,
        coalesce(f.folder || '/…', c.action) as action,
        sum(c.exit_count) as exit_count,
        max(t.session_count) filter (where f.folder is null) as session_count
    from counted as c
    left join totals as t
        on c.site = t.site and c.action = t.action and c.is_known
    left join folders as f
        on c.site = f.site and c.folder = f.folder
    group by all
),

placed as (
    select
        *,
        row_number() over (order by exit_count desc, action asc, site asc)
        <= $shown_pages as _is_shown
    from folded
),

shown as (
    select
        case when _is_shown then site end as site,
        case when _is_shown then action end as action,
        cast(sum(exit_count) as bigint) as exit_count,
        max(session_count) filter (where _is_shown) as session_count
    from placed
    group by all
),

combined as (
    select count(*) > 0 as has_rare_steps
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'other'
)

select
    s.site,
    s.action,
    s.exit_count,
    s.session_count,
    case when not c.has_rare_steps then s.exit_count / nullif(s.session_count, 0) end as exit_rate
from shown as s
cross join combined as c
order by s.action is null, s.exit_count desc, s.action asc, s.site asc
