-- One row is a distinct URL of a page or referrer: what is kept of it, and its parts. Parameters of
-- the query are read for pages only. search_term comes only from parameters that are kept: it would
-- otherwise store what was removed.
-- Matomo's own campaign parameters are read where there is no utm parameter. Their names are those
-- of Matomo's campaign_var_name and campaign_keyword_var_name, and of its plugin
-- MarketingCampaignsReporting.
with located as (
    select
        position,
        is_page,
        without_query(url) as _page,
        query_of(url) as _query
    from distinct_urls
),

hosted as (
    select
        *,
        authority_of(_page) as _authority,
        case when is_page then _query end as _page_query,
        case
            when is_page and regexp_matches(_query, '(?:^|&)(?:mtm|matomo|pk|piwik)_') then _query
        end as _matomo_query
    from located
)

select
    kept_url(_page, _query, $keep_query_parameters) as kept_url,
    host_of(_authority) as host,
    normalized_path(path_of(_page, _authority)) as path,
    coalesce(
        query_value(_page_query, 'utm_source'), matomo_value(_matomo_query, 'source')
    ) as utm_source,
    coalesce(
        query_value(_page_query, 'utm_medium'), matomo_value(_matomo_query, 'medium')
    ) as utm_medium,
    coalesce(
        query_value(_page_query, 'utm_campaign'), matomo_value(_matomo_query, 'campaign|cpn')
    ) as utm_campaign,
    coalesce(
        query_value(_page_query, 'utm_term'), matomo_value(_matomo_query, 'kwd|keyword')
    ) as utm_term,
    coalesce(
        query_value(_page_query, 'utm_content'), matomo_value(_matomo_query, 'content')
    ) as utm_content,
    nullif(lower(regexp_extract(_page_query, $click_ids, 1)), '') as click_id_type,
    nullif(
        regexp_replace(
            case
                when click_id_type is null then first_query_value(_page_query, $search_parameters)
                else first_query_value(_page_query, $search_parameters_of_ads)
            end,
            '^\s+$', ''
        ), ''
    ) as search_term
from hosted
order by position
