-- What an analyst writes by hand: events, sessions, actions and outcomes, as tables and as Parquet files.
-- `delivered` is a view of the files with the columns of the events.
create table events as
with
deduplicated as (
    select *
    from delivered
    qualify row_number() over (partition by event_id order by event_time) = 1
),

marked as (
    select
        *,
        coalesce(
            event_time - lag(event_time) over (partition by visitor_id order by event_time, event_id)
            > interval 30 minutes,
            true
        ) as is_landing
    from deduplicated
),

numbered as (
    select
        *,
        sum(is_landing::int) over (partition by visitor_id order by event_time, event_id) as session_number
    from marked
)

select
    * exclude (is_landing, session_number),
    visitor_id || '-' || session_number as session_id,
    regexp_replace(page_url, '^https?://[^/]+|[?#].*$', '', 'g') as page_path
from numbered;

create table sessions as
select
    session_id,
    any_value(visitor_id) as visitor_id,
    min(event_time) as started_at,
    max(event_time) as ended_at,
    count(*) as event_count,
    count(*) filter (where event_name = 'page_view') as page_view_count,
    arg_min(page_path, event_time) as landing_page,
    arg_max(page_path, event_time) as exit_page,
    any_value(user_agent) as user_agent,
    case
        when coalesce(arg_min(referrer, event_time), '') = '' then 'direct'
        when regexp_matches(arg_min(referrer, event_time), '//(www\.)?(google|bing|duckduckgo)\.') then 'search'
        when regexp_matches(arg_min(referrer, event_time), '//(t\.co|(www\.)?facebook\.com)') then 'social'
        else 'referral'
    end as channel
from events
group by session_id
order by visitor_id, started_at;

create table session_actions as
with actions as (
    select
        session_id,
        event_time,
        event_id,
        case
            when event_name <> 'page_view' then event_name
            else coalesce(regexp_replace(page_path, '/[0-9]+(/|$)', '/:number\1', 'g'), event_name)
        end as action
    from events
),

repeated as (
    select *, action = lag(action) over (partition by session_id order by event_time, event_id) as is_repeated
    from actions
)

select
    session_id,
    row_number() over visit as action_number,
    action,
    event_time as occurred_at,
    lead(action) over visit as next_action
from repeated
where is_repeated is not true
window visit as (partition by session_id order by event_time, event_id);

create table session_outcomes as
select
    session_id,
    case
        when bool_or(event_name = 'purchase') then 'purchase'
        when bool_or(event_name = 'add_to_cart') then 'abandoned_cart'
        when count(*) > 1 then 'engaged'
        else 'bounce'
    end as outcome
from events
group by session_id;
