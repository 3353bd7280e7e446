-- One row is a day of a site whose sessions in daily_bots differ from those in daily_summary.
with by_reason as (
    select
        session_date,
        site,
        sum(case when bot_reason = '(people)' then session_count else 0 end) as people_count,
        sum(case when bot_reason = '(people)' then 0 else session_count end) as bot_count,
        sum(case when bot_reason = '(people)' then page_view_count else 0 end) as page_view_count
    from daily_bots
    group by session_date, site
),

compared as (
    select
        coalesce(s.session_date, b.session_date) as session_date,
        coalesce(s.site, b.site) as site,
        coalesce(s.session_count, 0) as session_count,
        coalesce(s.bot_session_count, 0) as bot_session_count,
        coalesce(s.page_view_count, 0) as page_view_count,
        coalesce(b.people_count, 0) as people_count,
        coalesce(b.bot_count, 0) as bot_count,
        coalesce(b.page_view_count, 0) as people_page_view_count
    from daily_summary as s
    full outer join by_reason as b
        on s.session_date = b.session_date and s.site = b.site
)

select
    session_date,
    site,
    'sessions and page views' as figure,
    session_count || ', ' || bot_session_count || ' and ' || page_view_count
    || ' in daily_summary, ' || people_count || ', ' || bot_count || ' and '
    || people_page_view_count || ' in daily_bots' as counts
from compared
where
    session_count <> people_count
    or bot_session_count <> bot_count
    or page_view_count <> people_page_view_count
order by session_date, site
