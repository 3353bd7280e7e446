-- One row is a session and the channel it came through, by the rules of channels.toml.
-- utm tags go before the referrer. A click id speaks where they say nothing known, but never against
-- a tag. A referrer under the page's own domain is no referrer: the visitor was here already.
with visits as (
    -- Google Analytics writes (direct), (none) and (not set) where there is nothing.
    select
        session_id,
        click_id_type,
        referrer_host,
        page_host,
        nullif(
            translate(
                case when utm_source not like '(%' then trim(utm_source, ' ') end,
                'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                'abcdefghijklmnopqrstuvwxyz'
            ),
            ''
        ) as utm_source,
        nullif(
            translate(
                case when utm_medium not like '(%' then trim(utm_medium, ' ') end,
                'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                'abcdefghijklmnopqrstuvwxyz'
            ),
            ''
        ) as utm_medium,
        nullif(
            translate(
                case when utm_campaign not like '(%' then trim(utm_campaign, ' ') end,
                'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                'abcdefghijklmnopqrstuvwxyz'
            ),
            ''
        ) as utm_campaign
    from landings
),

hosts as (
    select referrer_host as host_name
    from visits
    where referrer_host is not null
    union
    select page_host as host_name
    from visits
    where page_host is not null
),

domains as (
    -- The last two parts, or three under co.uk and the like; an IP address has no domain.
    select
        host_name,
        nullif(
            regexp_extract(
                host_name,
                '[^.]+[.]((com?|org?|net?|gov?|gob|gouv|ac|edu|mil)[.][a-z][a-z]|[a-z][a-z0-9-]+)$',
                0
            ),
            ''
        ) as registered_domain
    from hosts
),

sourced as (
    select
        v.session_id,
        v.utm_source,
        v.utm_medium,
        v.utm_campaign,
        v.click_id_type,
        case
            when v.utm_source is not null then v.utm_source
            when v.referrer_host = v.page_host or referring.registered_domain = visited.registered_domain then null
            else v.referrer_host
        end as source_name
    from visits as v
    left join domains as referring
        on v.referrer_host = referring.host_name
    left join domains as visited
        on v.page_host = visited.host_name
),

sources as (
    select distinct
        source_name,
        regexp_replace(source_name, '[.](com|(com?[.])?[a-z][a-z])$', '.*', 'g') as any_country_name
    from sourced
    where source_name is not null
),

possible_names as (
    -- All names that the list may have a source under.
    select distinct
        source_name,
        unnest([
            source_name,
            regexp_extract(source_name, '[^.]+[.][^.]+[.][^.]+[.][^.]+$', 0),
            regexp_extract(source_name, '[^.]+[.][^.]+[.][^.]+$', 0),
            regexp_extract(source_name, '[^.]+[.][^.]+$', 0),
            regexp_extract(any_country_name, '[^.]+[.][^.]+[.][^.]+$', 0),
            regexp_extract(any_country_name, '[^.]+[.][^.]+$', 0)
        ]) as listed_name
    from sources
),

source_classes as (
    select
        n.source_name,
        s.source_class
    from possible_names as n
    inner join channel_sources as s
        on n.listed_name = s.source
    qualify row_number() over (partition by n.source_name order by length(n.listed_name) desc, n.listed_name) = 1
),

mediums as (
    select distinct utm_medium
    from visits
    where utm_medium is not null
),

medium_classes as (
    select
        m.utm_medium,
        p.medium_class
    from mediums as m
    inner join channel_mediums as p
        on m.utm_medium like p.pattern
    qualify row_number() over (partition by m.utm_medium order by p.pattern_number) = 1
),

classed as (
    select
        v.session_id,
        coalesce(
            s.source_class,
            case when v.utm_source is null then i.source_class end,
            case when v.source_name is null then 'none' else 'other' end
        ) as source_class,
        coalesce(
            m.medium_class,
            i.medium_class,
            case
                when v.utm_medium is not null then 'other'
                when v.utm_source is null and v.source_name is not null then 'referral'
                else 'none'
            end
        ) as medium_class,
        case
            when v.utm_campaign is null then 'none'
            when v.utm_campaign like '%cross-network%' then 'cross_network'
            when regexp_matches(v.utm_campaign, '(^|[^a-df-z])shop|shopping') then 'shopping'
            else 'other'
        end as campaign_class
    from sourced as v
    left join source_classes as s
        on v.source_name = s.source_name
    left join channel_click_ids as i
        on v.click_id_type = i.click_id_type
    left join medium_classes as m
        on v.utm_medium = m.utm_medium
)

select
    c.session_id,
    r.channel
from classed as c
inner join channel_rules as r
    on
        c.source_class = r.source_class
        and c.medium_class = r.medium_class
        and c.campaign_class = r.campaign_class
