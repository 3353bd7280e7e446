-- One row is an accepted line of a UTC date.
-- Without an id of its own, an event is its content and how often that came before: lines that are equal to the letter
-- have equal times, so all of them are on one date.
with accepted as (
    select *
    from accepted_lines
    where event_time >= $utc_date and event_time < $utc_date + interval 1 day
),

nameless as (
    select
        line_number,
        row_number() over (partition by content_hash order by line_number) as _occurrence
    from accepted
    where event_id is null
),

-- Sorted before the columns are added that are the same in every row.
ordered as (
    select
        accepted.*,
        nameless._occurrence
    from accepted
    left join nameless on accepted.line_number = nameless.line_number
    order by accepted.line_number
)

select
    coalesce(event_id, md5(content_hash || '|' || _occurrence)) as event_id,
    $site as site,
    $source as source,
    visitor_id,
    user_id,
    client_session_id,
    event_time,
    received_at,
    sequence,
    event_name,
    page_url,
    page_host,
    page_path,
    page_title,
    referrer,
    referrer_host,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    click_id_type,
    search_term,
    element,
    status_code,
    value,
    currency,
    user_agent,
    md5(user_agent) as user_agent_id,
    properties,
    content_hash,
    $file_id as file_id,
    line_number
from ordered
