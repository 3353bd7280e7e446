-- One row is one of the five most common paths of a group of visits in the week. The groups are
-- visits with a conversion that has a value (with any conversion, if none has a value) and visits
-- without a conversion. Bounces and bots are excluded.
-- A path is the first six actions of a visit. An action that is repeated immediately counts once,
-- and all pages of a folder with more than five pages count as one.
with outcomes_with_value as (
    select o.outcome
    from session_outcomes as o
    inner join sessions as s
        on o.session_id = s.session_id and o.session_date = s.session_date
    where
        o.session_date between $first_day and $last_day
        and not s.is_bot
        and o.is_converted
    group by o.outcome
    having count(o.value) > 0
),

visits as (
    select
        s.session_id,
        case
            when o.outcome = 'bounce' then null
            when not o.is_converted then 'not_converted'
            when v.outcome is not null or (select count(*) from outcomes_with_value) = 0
                then 'converted'
        end as visit_group
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id and s.session_date = o.session_date
    left join outcomes_with_value as v
        on o.outcome = v.outcome
    where s.session_date between $first_day and $last_day and not s.is_bot
),

groups as (
    select
        visit_group,
        count(*) as session_count
    from visits
    where visit_group is not null
    group by visit_group
),

actions as (
    select
        v.session_id,
        v.visit_group,
        a.action_number,
        a.action,
        a.event_name = 'page_view' as is_page
    from session_actions as a
    inner join visits as v
        on a.session_id = v.session_id
    where a.session_date between $first_day and $last_day
),

labels as (
    select
        action,
        is_page,
        case when is_page then nullif(regexp_extract(action, '^(/.+)/[^/]+$', 1), '') end as folder
    from actions
    group by action, is_page
),

large_folders as (
    select folder
    from labels
    where folder is not null
    group by folder
    having count(*) > 5
),

named_steps as (
    select
        l.action,
        l.is_page,
        case when f.folder is not null then f.folder || '/…' else l.action end as step
    from labels as l
    left join large_folders as f
        on l.folder = f.folder
),

-- Lists of numbers are sorted, compared and grouped faster than lists of texts. Numbers are in the
-- order of the texts.
steps as (
    select
        action,
        is_page,
        step,
        dense_rank() over (order by step) as step_number
    from named_steps
),

step_names as (
    select list(step order by step_number) as names
    from (
        select distinct
            step_number,
            step
        from steps
    ) as numbered_steps
),

sequences as (
    select
        a.session_id,
        a.visit_group,
        list_sort(list({
            'action_number': a.action_number, 'step': s.step_number, 'is_page': a.is_page
        })) as actions
    from actions as a
    inner join steps as s
        on a.action = s.action and a.is_page = s.is_page
    where a.visit_group is not null
    group by a.session_id, a.visit_group
),

kept as (
    select
        visit_group,
        actions,
        list_filter(
            range(1, len(actions) + 1),
            lambda n: n = 1 or actions[n]['step'] != actions[n - 1]['step']
        ) as numbers
    from sequences
),

paths as (
    select
        visit_group,
        list_transform(numbers[1:6], lambda n: actions[n]['step']) as step_numbers,
        list_transform(numbers[1:6], lambda n: actions[n]['is_page']) as are_pages,
        len(numbers) as action_count
    from kept
),

counted as (
    select
        visit_group,
        step_numbers,
        are_pages,
        count(*) as session_count,
        median(action_count) as median_action_count,
        row_number() over (
            partition by visit_group order by count(*) desc, step_numbers asc, are_pages asc
        ) as path_number
    from paths
    group by visit_group, step_numbers, are_pages
)

select
    c.visit_group,
    c.path_number,
    list_transform(c.step_numbers, lambda n: s.names[n]) as steps,
    c.are_pages,
    c.session_count,
    g.session_count as group_session_count,
    c.session_count / g.session_count as share,
    c.median_action_count
from counted as c
inner join groups as g
    on c.visit_group = g.visit_group
cross join step_names as s
where c.path_number <= 5
order by c.visit_group, c.path_number
