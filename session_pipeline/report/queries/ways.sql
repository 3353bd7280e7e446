-- One row is one of the five most common ways of a party in the week. The parties are visits with a purchase (with any
-- conversion, if no outcome has a value) and visits without a conversion. Bounces and bots are left out.
-- A way is the first six actions of a visit. An action repeated immediately counts once, and all pages of a folder with
-- more than five pages count as one.
with buying as (
    select o.outcome
    from session_outcomes as o
    inner join sessions as s
        on o.session_id = s.session_id and o.session_date = s.session_date
    where o.session_date between $first_day and $last_day and not s.is_bot and o.is_converted
    group by o.outcome
    having count(o.value) > 0
),

visits as (
    select
        s.session_id,
        case
            when o.outcome = 'bounce' then null
            when not o.is_converted then 'left'
            when b.outcome is not null or (select count(*) from buying) = 0 then 'bought'
        end as party
    from sessions as s
    inner join session_outcomes as o
        on s.session_id = o.session_id and s.session_date = o.session_date
    left join buying as b
        on o.outcome = b.outcome
    where s.session_date between $first_day and $last_day and not s.is_bot
),

parties as (
    select
        party,
        count(*) as session_count
    from visits
    where party is not null
    group by party
),

actions as (
    select
        v.session_id,
        v.party,
        a.action_number,
        a.action,
        a.event_name = 'page_view' as is_page,
        case when a.event_name = 'page_view' then nullif(regexp_extract(a.action, '^(/.+)/[^/]+$', 1), '') end as folder
    from session_actions as a
    inner join visits as v
        on a.session_id = v.session_id
    where a.session_date between $first_day and $last_day
),

large_folders as (
    select folder
    from actions
    where folder is not null
    group by folder
    having count(distinct action) > 5
),

steps as (
    select
        a.session_id,
        a.party,
        a.action_number,
        a.is_page,
        case when f.folder is not null then f.folder || '/…' else a.action end as step
    from actions as a
    left join large_folders as f
        on a.folder = f.folder
    where a.party is not null
),

followed as (
    select
        *,
        lag(step) over (partition by session_id order by action_number) as _previous_step
    from steps
),

numbered as (
    select
        *,
        row_number() over (partition by session_id order by action_number) as _number
    from followed
    where step is distinct from _previous_step
),

ways as (
    select
        session_id,
        party,
        list(step order by action_number) filter (where _number <= 6) as steps,
        list(is_page order by action_number) filter (where _number <= 6) as are_pages,
        count(*) as action_count
    from numbered
    group by session_id, party
),

counted as (
    select
        party,
        steps,
        are_pages,
        count(*) as session_count,
        median(action_count) as median_action_count,
        row_number() over (partition by party order by count(*) desc, steps asc, are_pages asc) as way_number
    from ways
    group by party, steps, are_pages
)

select
    c.party,
    c.way_number,
    c.steps,
    c.are_pages,
    c.session_count,
    p.session_count as party_session_count,
    c.session_count / p.session_count as share,
    c.median_action_count
from counted as c
inner join parties as p
    on c.party = p.party
where c.way_number <= 5
order by c.party, c.way_number
