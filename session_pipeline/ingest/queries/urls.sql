-- One row is a distinct URL of a page or referrer: what is kept of it, and its parts.
with located as (
    select
        position,
        url,
        without_query(url) as _page,
        query_of(url) as _query
    from distinct_urls
),

hosted as (
    select
        *,
        authority_of(_page) as _authority
    from located
)

select
    kept_url(_page, _query, $keep_query_parameters) as kept_url,
    host_of(_authority) as host,
    path_of(_page, _authority) as path,
    query_value(_query, 'utm_source') as utm_source,
    query_value(_query, 'utm_medium') as utm_medium,
    query_value(_query, 'utm_campaign') as utm_campaign,
    query_value(_query, 'utm_term') as utm_term,
    query_value(_query, 'utm_content') as utm_content,
    nullif(regexp_extract(
        _query,
        '(?:^|&)(gclid|gbraid|wbraid|msclkid|fbclid|ttclid|twclid|li_fat_id|dclid)=[^&]',
        1
    ), '') as click_id_type,
    first_query_value(_query, 'q|query|s|search|keyword') as search_term
from hosted
order by position
