-- One row is a day of a site under a definition of a session.
-- A difference compares the events that start a session: +1 if only the definition starts one
-- there, by its reason; -1 if only our sessions start there, by theirs. Session ids of the source
-- explain both where they decide.
with definition_counts as (
    select
        c.session_date,
        c.site,
        c.definition,
        count(*) filter (where c.is_listed) as session_count,
        count(distinct case when c.is_listed then c.visitor_id end) as visitor_count,
        coalesce(
            sum(c.page_view_count) filter (where c.is_listed), 0
        ) as page_view_count,
        count(*) filter (where c.is_listed and not c.is_kept) as unkept_count,
        count(*) filter (where c.is_listed and c.is_engaged) as engaged_count,
        coalesce(
            sum(c.length_microseconds) filter (where c.is_listed), 0
        ) as length_microseconds,
        count(*) filter (
            where c.is_listed and not c.is_engaged_by_own_rules
        ) as unengaged_count,
        count(*) filter (where not c.is_listed) as unlisted_count
    from definition_sessions as c
    group by c.session_date, c.site, c.definition
),

differing as (
    select
        event_date as session_date,
        site,
        definition,
        case when reason is not null then 1 else -1 end as difference,
        case
            when client_session_id is not null then 'client_session'
            when reason is not null then reason
            when own_reason = 'separator' then 'event'
            else own_reason
        end as cause
    from definition_starts
    where
        event_date in (select event_date from days)
        and (
            reason is not null and own_reason is null
            or reason is null and own_reason is not null
        )
),

differences as (
    select
        session_date,
        site,
        definition,
        sum(case when cause = 'inactivity' then difference else 0 end) as inactivity_difference,
        sum(case when cause = 'midnight' then difference else 0 end) as midnight_difference,
        sum(case when cause = 'utc_hour' then difference else 0 end) as utc_hour_difference,
        sum(case when cause = 'event' then difference else 0 end) as event_difference,
        sum(
            case when cause = 'client_session' then difference else 0 end
        ) as client_session_difference,
        sum(case when cause = 'user' then difference else 0 end) as user_difference,
        sum(case when cause = 'campaign' then difference else 0 end) as campaign_difference,
        sum(case when cause = 'max_hours' then difference else 0 end) as max_hours_difference
    from differing
    group by session_date, site, definition
),

own_counts as (
    select
        session_date,
        site,
        count(*) as session_count,
        count(distinct visitor_id) as visitor_count,
        sum(page_view_count) as page_view_count,
        count(*) filter (where is_bounce) as bounce_count,
        count(*) filter (where is_engaged) as engaged_count,
        sum(date_diff('microsecond', started_at, ended_at)) as length_microseconds
    from sessions
    where
        not is_bot
        and session_date in (select event_date from days)
        and exists (select 1 from session_definitions)
    group by session_date, site
),

all_sites as (
    select
        session_date,
        site
    from own_counts
    union
    select
        session_date,
        site
    from definition_counts
),

counts as (
    select
        s.session_date,
        s.site,
        d.definition,
        coalesce(c.session_count, 0) as session_count,
        coalesce(c.visitor_count, 0) as visitor_count,
        coalesce(c.page_view_count, 0) as page_view_count,
        case when d.has_bounces then coalesce(c.unkept_count, 0) end as bounce_count,
        case when d.has_engaged then coalesce(c.engaged_count, 0) end as engaged_count,
        coalesce(c.length_microseconds, 0) as length_microseconds,
        coalesce(c.unengaged_count, 0) as unengaged_count,
        coalesce(f.inactivity_difference, 0) as inactivity_difference,
        coalesce(f.midnight_difference, 0) as midnight_difference,
        coalesce(f.utc_hour_difference, 0) as utc_hour_difference,
        coalesce(f.event_difference, 0) as event_difference,
        coalesce(f.client_session_difference, 0) as client_session_difference,
        coalesce(f.user_difference, 0) as user_difference,
        coalesce(f.campaign_difference, 0) as campaign_difference,
        coalesce(f.max_hours_difference, 0) as max_hours_difference,
        -coalesce(c.unlisted_count, 0) as uncounted_difference
    from all_sites as s
    cross join session_definitions as d
    left join definition_counts as c
        on
            s.session_date = c.session_date
            and s.site = c.site
            and d.definition = c.definition
    left join differences as f
        on
            s.session_date = f.session_date
            and s.site = f.site
            and d.definition = f.definition
    union all
    select
        session_date,
        site,
        'own' as definition,
        session_count,
        visitor_count,
        page_view_count,
        bounce_count,
        engaged_count,
        length_microseconds,
        bounce_count as unengaged_count,
        0 as inactivity_difference,
        0 as midnight_difference,
        0 as utc_hour_difference,
        0 as event_difference,
        0 as client_session_difference,
        0 as user_difference,
        0 as campaign_difference,
        0 as max_hours_difference,
        0 as uncounted_difference
    from own_counts
)

select
    session_date,
    site,
    definition,
    session_count,
    visitor_count,
    page_view_count,
    bounce_count,
    engaged_count,
    cast(length_microseconds as double) / nullif(session_count, 0) / 1000000 as average_seconds,
    unengaged_count,
    inactivity_difference + midnight_difference + utc_hour_difference + event_difference
    + client_session_difference + user_difference + campaign_difference + max_hours_difference
    + uncounted_difference as session_difference,
    inactivity_difference,
    midnight_difference,
    utc_hour_difference,
    event_difference,
    client_session_difference,
    user_difference,
    campaign_difference,
    max_hours_difference,
    uncounted_difference
from counts
