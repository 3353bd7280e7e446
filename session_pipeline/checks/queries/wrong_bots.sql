-- One row is a day of a site whose sessions in daily_bots differ from those in sessions.
with by_reason as (
    select
        session_date,
        site,
        sum(case when bot_reason = '(people)' then session_count else 0 end) as people_count,
        sum(case when bot_reason = '(people)' then 0 else session_count end) as bot_count,
        sum(page_view_count) as page_view_count
    from daily_bots
    group by session_date, site
),

by_flag as (
    select
        session_date,
        site,
        sum(case when is_bot then 0 else 1 end) as people_count,
        sum(case when is_bot then 1 else 0 end) as bot_count,
        sum(page_view_count) as page_view_count
    from sessions
    group by session_date, site
),

compared as (
    select
        coalesce(s.session_date, b.session_date) as session_date,
        coalesce(s.site, b.site) as site,
        coalesce(s.people_count, 0) as people_count,
        coalesce(s.bot_count, 0) as bot_count,
        coalesce(s.page_view_count, 0) as page_view_count,
        coalesce(b.people_count, 0) as people_by_reason,
        coalesce(b.bot_count, 0) as bots_by_reason,
        coalesce(b.page_view_count, 0) as page_views_by_reason
    from by_flag as s
    full outer join by_reason as b
        on s.session_date = b.session_date and s.site = b.site
)

select
    session_date,
    site,
    'people, bots and page views' as figure,
    people_count || ', ' || bot_count || ' and ' || page_view_count || ' in sessions, '
    || people_by_reason || ', ' || bots_by_reason || ' and ' || page_views_by_reason
    || ' in daily_bots' as counts
from compared
where
    people_count <> people_by_reason
    or bot_count <> bots_by_reason
    or page_view_count <> page_views_by_reason
order by session_date, site
