-- One row is an accepted line of one or more UTC dates.
-- If an event has no id, its id is the hash of its content and its occurrence number in the file.
-- Equal lines have equal times, so all of them are on one date and can be numbered here.
with accepted as (
    select *
    from accepted_lines
    where event_time >= $first_date and event_time < $last_date + interval 1 day
),

nameless as (
    select
        row_number,
        row_number() over (
            partition by file_number, content_hash order by row_number
        ) as _occurrence
    from accepted
    where event_id is null
),

-- Sort before more columns are added, because the sort then needs less memory.
ordered as (
    select
        accepted.*,
        nameless._occurrence
    from accepted
    left join nameless on accepted.row_number = nameless.row_number
    order by accepted.row_number
),

located as (
    select
        *,
        without_query(page_url) as _page,
        query_of(page_url) as _page_query,
        without_query(referrer) as _referring,
        query_of(referrer) as _referring_query
    from ordered
),

hosted as (
    select
        *,
        authority_of(_page) as _page_authority,
        authority_of(_referring) as _referring_authority
    from located
)

select
    coalesce(event_id, md5(content_hash || '|' || _occurrence)) as event_id,
    $its_site as site,
    $its_source as source,
    visitor_id,
    user_id,
    client_session_id,
    event_time,
    received_at,
    sequence,
    event_name,
    kept_url(_page, _page_query, $keep_query_parameters) as page_url,
    host_of(_page_authority) as page_host,
    path_of(_page, _page_authority) as page_path,
    page_title,
    kept_url(_referring, _referring_query, $keep_query_parameters) as referrer,
    host_of(_referring_authority) as referrer_host,
    coalesce(utm_source, query_value(_page_query, 'utm_source')) as utm_source,
    coalesce(utm_medium, query_value(_page_query, 'utm_medium')) as utm_medium,
    coalesce(utm_campaign, query_value(_page_query, 'utm_campaign')) as utm_campaign,
    coalesce(utm_term, query_value(_page_query, 'utm_term')) as utm_term,
    coalesce(utm_content, query_value(_page_query, 'utm_content')) as utm_content,
    nullif(regexp_extract(
        _page_query,
        '(?:^|&)(gclid|gbraid|wbraid|msclkid|fbclid|ttclid|twclid|li_fat_id|dclid)=[^&]',
        1
    ), '') as click_id_type,
    coalesce(
        search_term, first_query_value(_page_query, 'q|query|s|search|keyword')
    ) as search_term,
    element,
    status_code,
    value,
    currency,
    user_agent,
    md5(user_agent) as user_agent_id,
    properties,
    content_hash,
    file_id,
    line_number
from hosted
