-- One row is a session that starts on a day under a definition.
-- An event counts if it is neither an asset nor passive, as for engagement.
with conversions as (
    select distinct
        m.session_id,
        m.event_number
    from outcome_matches as m
    inner join outcome_rules as r
        on m.rule = r.outcome
    where r.is_conversion
),

kinds as (
    select
        s.definition,
        d.measured_between,
        s.site,
        s.visitor_id,
        s.client_session_id,
        s.start_number,
        s.reason,
        s.event_date,
        s.event_time,
        s.gap_microseconds,
        s.event_name = 'page_view' as is_page_view,
        s.event_name <> 'asset' and p.event_name is null as is_counted,
        c.session_id is not null as is_conversion
    from definition_starts as s
    inner join session_definitions as d
        on s.definition = d.definition
    left join passive_events as p
        on s.event_name = p.event_name
    left join conversions as c
        on s.session_id = c.session_id and s.event_number = c.event_number
),

timed as (
    select
        *,
        case
            when measured_between = 'page_views' and not is_page_view then null
            when measured_between = 'counted' and not is_counted then null
            else event_time
        end as measured_at
    from kinds
),

gathered as (
    select
        definition,
        site,
        visitor_id,
        max(case when reason is not null then event_date end) as session_date,
        count(*) filter (where is_page_view) as page_view_count,
        count(*) filter (where is_counted) as counted_count,
        count(*) filter (where is_conversion) as conversion_count,
        coalesce(
            date_diff('microsecond', min(measured_at), max(measured_at)), 0
        ) as length_microseconds,
        sum(
            case
                when reason is null then least(gap_microseconds, $engaged_gap_microseconds)
                else 0
            end
        ) as engaged_microseconds
    from timed
    group by definition, site, visitor_id, client_session_id, start_number
)

select
    g.definition,
    g.site,
    g.visitor_id,
    g.session_date,
    g.page_view_count,
    g.length_microseconds,
    case d.needed
        when 'page_view' then g.page_view_count > 0
        when 'event' then g.counted_count > 0
        else true
    end as is_listed,
    coalesce(
        g.page_view_count >= d.bounce_page_views
        or g.counted_count >= d.bounce_events
        or g.counted_count - g.page_view_count >= d.bounce_interactions
        or g.length_microseconds >= d.bounce_microseconds
        or g.conversion_count >= d.bounce_conversions,
        false
    ) as is_kept,
    coalesce(
        g.page_view_count >= d.engaged_page_views
        or g.counted_count >= d.engaged_events
        or g.counted_count - g.page_view_count >= d.engaged_interactions
        or g.length_microseconds >= d.engaged_microseconds
        or g.conversion_count >= d.engaged_conversions,
        false
    ) as is_engaged,
    g.page_view_count >= $engaged_page_views
    or g.counted_count > g.page_view_count
    or g.engaged_microseconds >= $engaged_microseconds as is_engaged_by_own_rules
from gathered as g
inner join session_definitions as d
    on g.definition = d.definition
where g.session_date in (select event_date from days)
